/**
 * The frame decoder: however the bytes are cut, the frames and the failure that a plain reading of RFC 6455 5.2 gives, at the byte
 * that decides it.
 */
import type * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import assert from "node:assert/strict"
import { concat, cutsEvery, splitAt } from "../../../packages/core/test/support/bytes.ts"
import * as NaiveDecoder from "../../../packages/core/test/support/naiveDecoder.ts"
import * as Generator from "../generator.ts"
import * as Wire from "../support/wire.ts"
import type { Target } from "../target.ts"

export interface Input {
  readonly role: Role
  readonly rsv1: boolean
  readonly maxFrameSize: number
  readonly wire: Wire.Wire
}

const inputs: Generator.Generator<Input> = Generator.struct({
  role: Generator.choice<Role>(["client", "server"]),
  rsv1: Generator.boolean,
  maxFrameSize: Generator.choice([70_000, 0, 10, 125, 126, 1000, 65_535, 65_536, Number.MAX_SAFE_INTEGER]),
  wire: Wire.wire
})

export const check = ({ maxFrameSize, role, rsv1, wire }: Input): Effect.Effect<void> =>
  Effect.sync(() => {
    const { bytes, cuts } = Wire.encode(wire, role)
    const expected = NaiveDecoder.decode(bytes, { role, rsv1, maxFrameSize })
    const frames = expected.frames.map(readable)
    const byteByByte = bytes.length <= 400 ? cutsEvery(1, bytes.length) : undefined
    for (const read of [whole, inParts]) {
      const reasons = new Set<string>()
      for (const ownsChunks of [false, true]) {
        for (const cutting of [[], cuts, ...(byteByByte === undefined ? [] : [byteByByte])]) {
          const chunks = splitAt(bytes, cutting)
          const seen = decode(chunks, { role, rsv1, maxFrameSize, ownsChunks }, read)
          assert.deepEqual(seen.frames, frames)
          assert.equal(seen.bufferedBytes, expected.rest)
          if (!ownsChunks) assert.equal(hex(concat(chunks)), hex(bytes), "a chunk was written to")
          reasons.add(seen.failure?.reason._tag ?? "none")
          if (cutting === byteByByte && seen.failure !== undefined) assert.equal(seen.failedAt, expected.brokenAt)
        }
      }
      const [reason, ...others] = reasons
      assert.deepEqual(others, [], "it depends on how the bytes are cut")
      if (reason === "none") assert.deepEqual(expected.broken, [])
      else assert.ok(expected.broken.some((rule) => rule === reason), `${reason} instead of ${expected.broken.join()}`)
    }
  })

export const target: Target<Input> = { name: "frames", inputs, check, quick: 1500 }

interface Seen {
  readonly frames: ReadonlyArray<string>
  readonly failure: ProtocolError.ProtocolError | undefined
  /** Offset of the last byte that was pushed by then. */
  readonly failedAt: number
  readonly bufferedBytes: number
}

/** The next frame, if it is there. */
type Read = (decoder: FrameDecoder.FrameDecoder, keep: (frame: Frame.Frame) => void) => Result.Result<
  boolean,
  ProtocolError.ProtocolError
>

const decode = (chunks: ReadonlyArray<Uint8Array>, options: FrameDecoder.Options, read: () => Read): Seen => {
  let pushed = 0
  const decoder = FrameDecoder.make({
    ...options,
    allocate: (length) => {
      assert.ok(length <= 2 * pushed, `${length} bytes of memory for ${pushed} that have come`)
      return new Uint8Array(length)
    }
  })
  const kept: Array<readonly [frame: Frame.Frame, was: string]> = []
  const keep = (frame: Frame.Frame) => kept.push([frame, readable(frame)])
  const next = read()
  let failure: ProtocolError.ProtocolError | undefined
  let failedAt = 0
  for (const chunk of chunks) {
    pushed += chunk.length
    decoder.push(chunk)
    while (true) {
      const answer = next(decoder, keep)
      assert.ok(decoder.bufferedBytes >= 0 && decoder.bufferedBytes <= pushed, "it holds more than came")
      if (Result.isFailure(answer)) {
        if (failure === undefined) failedAt = pushed - 1
        failure ??= answer.failure
        assert.equal(answer.failure, failure, "a failure is sticky")
        assert.ok(failure.message.length > 0)
      }
      if (Result.isFailure(answer) || !answer.success) break
    }
  }
  for (const [frame, was] of kept) {
    assert.equal(readable(frame), was, "a payload was written to after it was handed out")
  }
  return { frames: kept.map(([, was]) => was), failure, failedAt, bufferedBytes: decoder.bufferedBytes }
}

const whole = (): Read => (decoder, keep) =>
  Result.map(decoder.next(), (frame) => {
    if (frame !== undefined) keep(frame)
    return frame !== undefined
  })

const inParts = (): Read => {
  let begun: Array<FrameDecoder.FramePart> = []
  return (decoder, keep) =>
    Result.map(decoder.nextPart(), (part) => {
      if (part === undefined) return false
      assert.equal(part.first, begun.length === 0)
      begun.push(part)
      const { fin, frameLength, last, opcode, rsv1 } = part
      const payload = concat(begun.map(({ payload }) => payload))
      assert.equal(last, payload.length === frameLength)
      if (last) {
        keep({ fin, opcode, rsv1, payload })
        begun = []
      }
      return true
    })
}

const readable = ({ fin, opcode, payload, rsv1 }: Frame.Frame): string => `${opcode} ${fin} ${rsv1} ${hex(payload)}`

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
