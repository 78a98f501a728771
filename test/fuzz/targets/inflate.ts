/**
 * Inflating, through a `Websocket`: what a peer compressed by whatever way comes out as it was, what was damaged is refused or
 * comes out as zlib alone has it, and nothing is larger than the limit.
 */
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import type { Role } from "@websocket-stream/core/Role"
import * as Websocket from "@websocket-stream/node/Websocket"
import type { ReadError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import assert from "node:assert/strict"
import { isUtf8 } from "node:buffer"
import { duplexPair } from "node:stream"
import * as Zlib from "node:zlib"
import { fragments, tail } from "../../support/rawDeflate.ts"
import * as Raw from "../../support/rawFrames.ts"
import * as Generator from "../generator.ts"
import { mustEnd } from "../support/hanging.ts"
import * as Wire from "../support/wire.ts"
import type { Target } from "../target.ts"

interface Message {
  readonly isText: boolean
  readonly plain: Wire.Payload
  /** How often. */
  readonly times: number
  readonly level: number
  readonly strategy: number
  /** Whether the last block says that it is the last (RFC 7692 7.2.3.4). */
  readonly final: boolean
  readonly isDamaged: boolean
  /** What is damaged, if anything. */
  readonly damage: ReadonlyArray<{ readonly at: number; readonly flip: number }>
  /** How many bytes are missing at the end then. */
  readonly missing: number
  /** Bytes of a fragment. */
  readonly fragment: number
}

export interface Input {
  readonly role: Role
  readonly takesOver: boolean
  readonly bits: PermessageDeflate.WindowBits
  readonly maxInflatedSize: number
  readonly messages: ReadonlyArray<Message>
}

// Bytes. Larger ones only take longer.
const largest = 500_000

const { Z_DEFAULT_STRATEGY, Z_FINISH, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE, Z_SYNC_FLUSH } = Zlib.constants

const inputs: Generator.Generator<Input> = Generator.struct({
  role: Generator.choice<Role>(["client", "server"]),
  takesOver: Generator.boolean,
  bits: Generator.choice<PermessageDeflate.WindowBits>([15, 8, 9, 10, 12]),
  maxInflatedSize: Generator.choice([largest, largest, 0, 1, 100, 65_535, 65_536, 100_000]),
  messages: Generator.list(
    Generator.struct<Message>({
      isText: Generator.boolean,
      plain: Wire.payload,
      times: Generator.choice([1, 1, 1, 1, 2, 40, 300]),
      level: Generator.choice([6, 0, 1, 9]),
      strategy: Generator.choice([Z_DEFAULT_STRATEGY, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE]),
      final: Generator.boolean,
      isDamaged: Generator.choice([false, false, false, false, true]),
      damage: Generator.list(
        Generator.struct({
          at: Generator.integer(0, 70_000, [0, 1, 2, 3, 4, 5]),
          flip: Generator.integer(1, 255, [1, 2, 4, 0x80])
        }),
        3
      ),
      missing: Generator.integer(0, 70_000, [0, 0, 0, 1, 4]),
      fragment: Generator.integer(1, 70_000, [70_000, 1, 100])
    }),
    5
  )
})

export const check = (input: Input): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { bits, maxInflatedSize, role, takesOver } = input
    const messages = compress(input)
    const [near, far] = duplexPair()
    const sends = role === "server" ? "client" : "server"
    const stream = yield* WebsocketStream.make(near, {
      role,
      rsv1: true,
      linger: 0,
      limits: { maxMessageSize: 2 * largest, maxInflatedSize }
    })
    const ws = yield* Websocket.make(stream, {
      closeDeadline: "1 hour",
      deflate: {
        serverNoContextTakeover: !takesOver,
        clientNoContextTakeover: !takesOver,
        serverMaxWindowBits: bits,
        clientMaxWindowBits: bits
      }
    })
    far.resume()
    for (const { fragment, isText, payload } of messages) {
      for (const frame of fragments(isText ? Raw.text : Raw.binary, payload, Math.max(fragment, payload.length >> 8))) {
        far.write(Raw.encode(frame, sends === "client"))
      }
    }
    far.end()
    const received: Array<Uint8Array> = []
    const failure = yield* Effect.flip(Effect.forever(Effect.map(ws.receive, ({ payload }) => received.push(payload))))
    assertReceived(input, messages, received, failure.reason)
  }).pipe(Effect.scoped, (effect) => mustEnd(effect, "a connection with compressed messages"), Effect.orDie)

export const target: Target<Input> = { name: "inflate", inputs, check, quick: 150 }

interface Sent extends Message {
  readonly bytes: Buffer
  readonly payload: Buffer
  readonly isDamaged: boolean
}

const compress = ({ bits, messages, takesOver }: Input): ReadonlyArray<Sent> => {
  let window = Buffer.alloc(0)
  return messages.map((message) => {
    const { final, isDamaged, level, plain, strategy, times } = message
    const once = Wire.payloadBytes(plain)
    const bytes = Buffer.concat(Array.from({ length: Math.min(times, largest / once.length) }, () => once))
    const deflated = Zlib.deflateRawSync(bytes, {
      level,
      strategy,
      // zlib takes 9 for 8 and then reaches back 250 bytes at the most, which is what 8 allow.
      windowBits: Math.max(bits, 9),
      finishFlush: final ? Z_FINISH : Z_SYNC_FLUSH,
      ...(window.length === 0 ? {} : { dictionary: window })
    })
    if (takesOver) window = slide(window, bytes, bits)
    const whole = final ? Buffer.concat([deflated, Buffer.alloc(1)]) : deflated.subarray(0, -tail.length)
    const payload = Buffer.from(whole.subarray(0, Math.max(0, whole.length - (isDamaged ? message.missing : 0))))
    for (const { at, flip } of isDamaged ? message.damage : []) if (at < payload.length) payload[at]! ^= flip
    return { ...message, bytes, payload, isDamaged: !payload.equals(whole) }
  })
}

const slide = (window: Buffer, said: Uint8Array, bits: number): Buffer<ArrayBuffer> =>
  Buffer.concat([window, said]).subarray(-(2 ** bits))

const assertReceived = (
  { bits, maxInflatedSize, takesOver }: Input,
  messages: ReadonlyArray<Sent>,
  received: ReadonlyArray<Uint8Array>,
  failure: ReadError["reason"]
): void => {
  const reason = failure._tag === "Protocol" ? failure.error.reason._tag : failure._tag
  let window = Buffer.alloc(0)
  // Behind a damaged message that was taken for whole, both ends may have different windows.
  let isInStep = true
  for (const [i, { bytes, isDamaged, isText, payload }] of messages.entries()) {
    const got = received[i]
    isInStep = isInStep && !isDamaged
    if (isInStep) {
      const wrong = bytes.length > maxInflatedSize
        ? "InflatedTooLarge"
        : isText && !isUtf8(bytes)
        ? "InvalidUtf8"
        : undefined
      if (wrong !== undefined) return assert.deepEqual([got, reason], [undefined, wrong])
      assert.ok(got !== undefined && bytes.equals(got), `message ${i} is not what was sent: ${reason}`)
    } else if (got === undefined) {
      return assert.ok(["InvalidCompressedData", "InflatedTooLarge", "InvalidUtf8"].includes(reason), reason)
    } else {
      assert.ok(got.length <= maxInflatedSize)
      assertAsZlibHasIt(payload, window, got)
    }
    if (takesOver) window = slide(window, got, bits)
  }
  assert.equal(received.length, messages.length)
  assert.equal(reason, "Closed")
}

const assertAsZlibHasIt = (payload: Uint8Array, window: Uint8Array, got: Uint8Array): void => {
  const input = Buffer.concat([payload, tail])
  const options = {
    info: true,
    finishFlush: Z_SYNC_FLUSH,
    ...(window.length === 0 ? {} : { dictionary: window })
  }
  const answer: object = Zlib.inflateRawSync(input, options)
  assert.ok(hasInfo(answer))
  const { buffer, engine } = answer
  assert.ok(buffer.equals(got.subarray(0, buffer.length)), "zlib inflates it to something else")
  // zlib alone stops at the first block that says that it is the last. And a block of plain bytes that says so, and lacks as many
  // as we put behind the message, takes five more of them than it would of zlib alone: nothing that zlib tells shows it.
  if (engine.bytesWritten === input.length) assert.ok(got.length <= buffer.length + 5, "zlib inflates it to less")
}

// What the option `info` makes of zlib's answer; the types do not know of it.
const hasInfo = (
  answer: object
): answer is { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } } => "engine" in answer
