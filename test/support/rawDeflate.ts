/**
 * A raw peer that compresses. Where the context is taken over it has zlib streams that live as long as the connection, which is
 * another way to RFC 7692 than ours; and `inflateRaw` refuses what reaches back behind the window that was agreed on.
 */
import { assert } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Zlib from "node:zlib"
import { open, type Opened, type Options } from "./opened.ts"
import * as Raw from "./rawFrames.ts"

/** What one side keeps to when it compresses. */
export interface Direction {
  readonly bits: number
  readonly takesOver: boolean
}

export interface Agreement {
  readonly server: Direction
  readonly client: Direction
}

export const tail = Buffer.from([0x00, 0x00, 0xff, 0xff])

const flush = Zlib.constants.Z_SYNC_FLUSH

export type Codec = (bytes: Uint8Array) => Promise<Buffer>

/** Compresses messages one after the other. */
export const deflater = ({ bits, takesOver }: Direction): Effect.Effect<Codec, never, Scope.Scope> => {
  // zlib takes 9 for 8 and then reaches back 250 bytes at the most, which is what 8 allow.
  const windowBits = Math.max(9, bits)
  return Effect.map(
    takesOver
      ? takingOver(() => Zlib.createDeflateRaw({ windowBits, flush }))
      : startingAnew((bytes) => Zlib.deflateRawSync(bytes, { windowBits, finishFlush: flush })),
    // RFC 7692 7.2.3.6: what nothing becomes. Asked to flush nothing a second time, zlib says nothing.
    (deflate) => async (bytes) => bytes.length === 0 ? Buffer.of(0) : (await deflate(bytes)).subarray(0, -tail.length)
  )
}

/** Inflates messages one after the other, with no larger window than was agreed on. */
export const inflater = ({ bits: windowBits, takesOver }: Direction): Effect.Effect<Codec, never, Scope.Scope> =>
  Effect.map(
    takesOver
      ? takingOver(() => Zlib.createInflateRaw({ windowBits, flush }))
      : startingAnew((bytes) => Zlib.inflateRawSync(bytes, { windowBits, finishFlush: flush })),
    (inflate) => (bytes) => inflate(Buffer.concat([bytes, tail]))
  )

// Flushes with each write, and not behind it: a visit to zlib's threads less for each message.
const takingOver = (make: () => Zlib.DeflateRaw | Zlib.InflateRaw): Effect.Effect<Codec, never, Scope.Scope> =>
  Effect.acquireRelease(Effect.sync(make), (stream) => Effect.sync(() => stream.destroy())).pipe(
    Effect.map((stream) => {
      const chunks: Array<Buffer> = []
      let fail = (_: Error) => {}
      stream.on("data", (chunk: Buffer) => chunks.push(chunk)).on("error", (error: Error) => fail(error))
      return (bytes) =>
        new Promise((resolve, reject) => {
          fail = reject
          stream.write(bytes, () => resolve(Buffer.concat(chunks.splice(0))))
        })
    })
  )

// No visit to those threads at all, which costs more than most messages do.
const startingAnew = (codec: (bytes: Uint8Array) => Buffer): Effect.Effect<Codec> =>
  Effect.succeed(async (bytes) => codec(bytes))

export interface Message {
  readonly opcode: number
  readonly payload: Buffer
}

export interface Exchange {
  readonly agreement: Agreement
  readonly options: Options
  readonly messages: ReadonlyArray<Message>
  /** Bytes of payload a frame. Default: one frame a message. */
  readonly fragment?: number | undefined
  /** Bytes a write. Default: several messages a write. */
  readonly chop?: number | undefined
}

/** Sends all messages compressed, and has each of them sent back compressed. */
export const exchange = Effect.fnUntraced(
  function*(role: Role, { agreement, chop, fragment, messages, options }: Exchange) {
    const opened = yield* open(role, options)
    const { peer } = opened
    const deflate = yield* deflater(agreement[peer.role])
    const inflate = yield* inflater(agreement[role])
    // A few at a time: a turn of the event loop for each would take longer than all the rest.
    const sending = Effect.forEach(Arr.chunksOf(messages, 20), (batch) =>
      Effect.gen(function*() {
        const frames: Array<Raw.Shape> = []
        for (const { opcode, payload } of batch) {
          frames.push(...fragments(opcode, yield* Effect.promise(() => deflate(payload)), fragment))
        }
        yield* peer.send(frames, chop)
      }), { discard: true })
    const receiving = Effect.forEach(
      messages,
      (expected, i) =>
        Effect.flatMap(peer.frame, ({ fin, opcode, payload, rsv }) =>
          Effect.promise(async () => {
            // Sparing with assertions: there are tens of thousands of messages.
            if (opcode !== expected.opcode || !fin || rsv !== Raw.rsv1) {
              assert.fail(`message ${i} of opcode ${expected.opcode} came as ${JSON.stringify({ opcode, fin, rsv })}`)
            }
            if (!(await inflate(payload)).equals(expected.payload)) {
              assert.fail(`message ${i} of ${expected.payload.length} bytes is another`)
            }
          })),
      { discard: true }
    )
    yield* Effect.all([sending, receiving], { concurrency: 2 })
    return opened satisfies Opened
  }
)

/** A compressed message in frames: RSV1 speaks for all of it, and stands on the first only. */
export const fragments = (
  opcode: number,
  payload: Buffer,
  size = Math.max(1, payload.length)
): ReadonlyArray<Raw.Shape> => {
  const count = Math.max(1, Math.ceil(payload.length / size))
  return Array.from({ length: count }, (_, i) => ({
    opcode: i === 0 ? opcode : Raw.continuation,
    rsv: i === 0 ? Raw.rsv1 : 0,
    fin: i === count - 1,
    payload: payload.subarray(i * size, (i + 1) * size)
  }))
}
