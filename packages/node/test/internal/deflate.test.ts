import { assert, describe, it } from "@effect/vitest"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Zlib from "node:zlib"
import { boolean, elementOf, maskingKey, role } from "../../../core/test/support/arbitraries.ts"
import { concat, noise } from "../../../core/test/support/bytes.ts"
import { type Compressed, Deflater, type Inflated, Inflater } from "../../src/internal/deflate.ts"
import { takeover } from "../support/websockets.ts"

const otherEnd = (role: Role): Role => (role === "client" ? "server" : "client")

const noLimit = Number.MAX_SAFE_INTEGER

const compression = { threshold: 0, level: 6, memLevel: 8 }

const compress = (deflater: Deflater, payload: Uint8Array): Effect.Effect<Compressed> =>
  Effect.callback((resume) => deflater.compress(payload, (compressed) => resume(Effect.succeed(compressed))))

const inflate = (inflater: Inflater, payload: Uint8Array): Effect.Effect<Inflated> =>
  Effect.callback((resume) => inflater.inflate(payload, (inflated) => resume(Effect.succeed(inflated))))

/** What it inflated to, or why it did not. */
const said = (inflated: Inflated) =>
  "payload" in inflated ? Buffer.from(inflated.payload).toString("latin1") : inflated.error.reason

// On both sides of a window's size and of what is done at once.
const lengths = [0, 1, 125, 126, 255, 256, 257, 4096, 16_384, 16_385, 32_769, 65_535, 65_536, 200_000] as const

/** Much of one message comes again in the next, as it would in JSON, or nothing does. */
const message = Arbitrary.map(
  Arbitrary.all({ length: elementOf(lengths), seed: maskingKey, isNoise: boolean }),
  ({ isNoise, length, seed }) => isNoise ? noise(length, seed) : noise(length, 1).map((byte) => byte & 7)
)

const parameters = Arbitrary.map(
  Arbitrary.all({
    serverNoContextTakeover: boolean,
    clientNoContextTakeover: boolean,
    serverMaxWindowBits: elementOf([8, 9, 11, 15] as const),
    clientMaxWindowBits: elementOf([8, 9, 11, 15] as const)
  }),
  (parameters): PermessageDeflate.Parameters => parameters
)

const invalidData = { _tag: "InvalidCompressedData" } as const

describe("deflate", { timeout: 60_000 }, () => {
  it.effect("leaves the event loop to others behind 256 small messages of one chunk, and keeps their order", () =>
    Effect.gen(function*() {
      const parameters = Result.getOrThrow(PermessageDeflate.make())
      const [deflater, inflater] = [
        new Deflater("client", parameters, compression),
        new Inflater("server", parameters, noLimit)
      ]
      const texts = Array.from({ length: 600 }, (_, i) => `message ${i}`)
      const answers: Array<unknown> = []
      const laterAt: Array<number> = []
      for (const [i, text] of texts.entries()) {
        // A chunk of 100, and one of 500.
        if (i === 100 || laterAt.at(-1) === i - 1) inflater.renew()
        const compressed = yield* compress(deflater, Buffer.from(text))
        compressed.commit()
        let isAtOnce = true
        yield* Effect.callback<void>((resume) => {
          inflater.inflate(compressed.payload, (inflated) => {
            answers.push(said(inflated))
            if (!isAtOnce) laterAt.push(i)
            resume(Effect.void)
          })
          isAtOnce = false
        })
      }
      assert.deepStrictEqual(answers, texts)
      assert.deepStrictEqual(laterAt, [356])
    }))

  it.effect.prop(
    "RFC 7692 7.2: what one end compresses the other inflates, message behind message",
    { role, parameters, messages: Arbitrary.array(message, { minLength: 1, maxLength: 5 }) },
    ({ messages, parameters, role }) =>
      Effect.gen(function*() {
        const deflater = new Deflater(role, parameters, compression)
        const inflater = new Inflater(otherEnd(role), parameters, noLimit)
        for (const payload of messages) {
          const compressed = yield* compress(deflater, payload)
          compressed.commit()
          assert.isTrue(Buffer.from(payload).toString("latin1") === said(yield* inflate(inflater, compressed.payload)))
        }
      }),
    { arbitrary: { runs: 60 } }
  )

  it.effect("RFC 7692 7.1.1: a message refers to none before it where the context is not taken over", () =>
    Effect.gen(function*() {
      const text = Buffer.from("the same text, which would be a reach back the second time")
      for (const role of ["client", "server"] as const) {
        const sizes = Effect.fnUntraced(function*(name: "clientNoContextTakeover" | "serverNoContextTakeover") {
          const deflater = new Deflater(role, { ...takeover, [name]: true }, compression)
          const first = yield* compress(deflater, text)
          first.commit()
          const second = yield* compress(deflater, text)
          return [first.payload.length, second.payload.length] as const
        })
        // A server's messages keep to the server's parameters, a client's to the client's.
        const [first, alone] = yield* sizes(`${role}NoContextTakeover`)
        assert.strictEqual(alone, first)
        const [, withContext] = yield* sizes(`${otherEnd(role)}NoContextTakeover`)
        assert.isBelow(withContext, first / 2)
      }
    }))

  it.effect("a message that was not sent is none that the next refers to", () =>
    Effect.gen(function*() {
      const text = Buffer.from("a text that is never sent")
      const deflater = new Deflater("server", takeover, compression)
      yield* compress(deflater, text)
      const { payload } = yield* compress(deflater, text)
      assert.strictEqual(said(yield* inflate(new Inflater("client", takeover, noLimit), payload)), text.toString())
    }))

  it.effect("RFC 7692 7.2.3.4: a block with BFINAL ends a stream, and the next may follow, up to 16 of them", () =>
    Effect.gen(function*() {
      for (const size of [10, 20_000]) {
        const piece = noise(size, 1)
        const stream = Zlib.deflateRawSync(piece)
        for (const count of [1, 2, 16, 17]) {
          const inflater = new Inflater("server", PermessageDeflate.defaults, noLimit)
          const inflated = yield* inflate(inflater, concat(Array.from({ length: count }, () => stream)))
          const expected = count > 16 ? invalidData : Buffer.from(piece).toString("latin1").repeat(count)
          assert.deepStrictEqual(said(inflated), expected)
        }
      }
    }))

  it.effect("RFC 7692 7.2.3.4: a stream behind another may refer back to it, though no context is taken over", () =>
    Effect.gen(function*() {
      for (const size of [100, 20_000, 40_000]) {
        const piece = noise(size, 1)
        const again = piece.subarray(-30_000)
        const streams = [
          Zlib.deflateRawSync(piece),
          Zlib.deflateRawSync(again, { dictionary: piece.subarray(-32_768) })
        ]
        const inflater = new Inflater("server", PermessageDeflate.defaults, noLimit)
        const expected = Buffer.from(concat([piece, again])).toString("latin1")
        assert.isTrue(said(yield* inflate(inflater, concat(streams))) === expected, `${size} bytes`)
      }
    }))

  it.effect("RFC 7692 7.2.1: the empty block at the end, whose last octets were not sent, may be the last of its stream", () =>
    Effect.gen(function*() {
      const flushed = Zlib.deflateRawSync(Buffer.from("Hello"), { finishFlush: Zlib.constants.Z_SYNC_FLUSH })
      const last = Uint8Array.of(0x01)
      for (const [compressed, text] of [[concat([flushed, last]), "Hello"], [last, ""]] as const) {
        const inflater = new Inflater("server", PermessageDeflate.defaults, noLimit)
        assert.strictEqual(said(yield* inflate(inflater, compressed)), text)
      }
    }))

  it.effect("R7: a message weighs what it says, and not what zlib has written it to", () =>
    Effect.gen(function*() {
      for (const text of ["hi", "a".repeat(2000)]) {
        const compressed = Zlib.deflateRawSync(Buffer.from(text), { finishFlush: Zlib.constants.Z_SYNC_FLUSH })
        const payload = compressed.subarray(0, -4)
        const inflated = yield* inflate(new Inflater("server", PermessageDeflate.defaults, noLimit), payload)
        assert.isAtMost("payload" in inflated ? inflated.payload.buffer.byteLength : Infinity, 8192)
      }
    }))

  it.effect("what is no deflate, or is cut in the midst of a block, is refused, whatever its size", () =>
    Effect.gen(function*() {
      const whole = Zlib.deflateRawSync(noise(100_000, 1), { finishFlush: Zlib.constants.Z_SYNC_FLUSH })
      // A block of type 3 there is none, a stored block says its length twice, and the last one here is of three bytes.
      const wrong = [
        Uint8Array.of(0x07),
        Uint8Array.of(0x00, 0x05, 0x00, 0x00, 0x00),
        Uint8Array.of(0x01, 0x03, 0x00, 0xfc, 0xff, 0x61, 0x62),
        whole.subarray(0, 1000),
        whole.subarray(0, 50_000)
      ]
      for (const bytes of [...wrong, concat([new Uint8Array([0x07]), noise(20_000, 2)])]) {
        const inflated = yield* inflate(new Inflater("server", PermessageDeflate.defaults, noLimit), bytes)
        assert.deepStrictEqual(said(inflated), invalidData, `${bytes.length} bytes`)
      }
    }))

  it.effect("R7: what inflates to more than the limit is refused, at once or off the event loop", () =>
    Effect.gen(function*() {
      for (const length of [1, 1000, 65_536, 65_537, 1_000_000]) {
        for (const make of [(length: number) => noise(length, 1), (length: number) => new Uint8Array(length)]) {
          const payload = make(length)
          const { payload: compressed } = yield* compress(new Deflater("client", takeover, compression), payload)
          const within = yield* inflate(new Inflater("server", takeover, length), compressed)
          assert.isTrue(said(within) === Buffer.from(payload).toString("latin1"), `${length} bytes`)
          const limit = length - 1
          const beyond = yield* inflate(new Inflater("server", takeover, limit), compressed)
          assert.deepStrictEqual(said(beyond), { _tag: "InflatedTooLarge", limit })
        }
      }
    }))

  it.effect("R7: streams behind each other have one limit together", () =>
    Effect.gen(function*() {
      for (const size of [10, 60_000, 200_000]) {
        const stream = Zlib.deflateRawSync(noise(size, 1))
        // The first alone says a byte too much, or both of them do.
        for (const limit of [size - 1, 2 * size - 1]) {
          const inflated = yield* inflate(
            new Inflater("server", PermessageDeflate.defaults, limit),
            concat([stream, stream])
          )
          assert.deepStrictEqual(said(inflated), { _tag: "InflatedTooLarge", limit })
        }
      }
    }))
})
