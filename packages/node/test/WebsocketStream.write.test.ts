import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@websocket-stream/core/EncodeError"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { WriteError } from "@websocket-stream/node/WebsocketError"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { edgeLengths, opcodes } from "../../core/test/support/arbitraries.ts"
import { noise } from "../../core/test/support/bytes.ts"
import { readable } from "../../core/test/support/decoding.ts"
import { decode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import {
  assertClosed,
  make,
  mistyped,
  park,
  reasonOf,
  scripted,
  type Stream,
  takeBytes,
  turns
} from "./support/streams.ts"

describe("write", { timeout: 30_000 }, () => {
  it.live("S6: answers the bytes on the wire, header included, for either role", () =>
    Effect.gen(function*() {
      for (const role of ["client", "server"] as const) {
        const { ours, peer } = yield* Pairs.tcp()
        const stream = yield* make(ours, { role })
        for (const length of edgeLengths) {
          const payload = noise(length, length)
          const count = yield* stream.write(Opcode.Binary, payload)
          const header = length < 126 ? 2 : length < 65_536 ? 4 : 10
          assert.strictEqual(count, header + (role === "client" ? 4 : 0) + length)
          // Whatever was answered is what arrives, or this would not be a frame, or would wait for ever.
          const frames = decode(role, yield* takeBytes(peer, count))
          assert.deepStrictEqual(readable(frames), readable([Frame.make(Opcode.Binary, payload)]))
        }
      }
    }))

  it.live("B14: whole and fragmented messages and control frames, in both roles", () =>
    Effect.gen(function*() {
      for (const role of ["client", "server"] as const) {
        const { ours, peer } = yield* Pairs.tcp()
        const stream = yield* make(ours, { role, rsv1: true })
        const sent: ReadonlyArray<Frame.Frame> = [
          ...opcodes.filter((opcode) => opcode !== Opcode.Close).map((opcode) => Frame.make(opcode, noise(9, opcode))),
          Frame.make(Opcode.Text, noise(4, 1), { fin: false }),
          Frame.make(Opcode.Continuation, noise(5, 2), { fin: false }),
          Frame.make(Opcode.Continuation, noise(6, 3)),
          Frame.make(Opcode.Binary, noise(7, 4), { rsv1: true }),
          Frame.make(Opcode.Close, noise(2, 5))
        ]
        let count = 0
        for (const { opcode, payload, ...options } of sent) count += yield* stream.write(opcode, payload, options)
        const masked = yield* takeBytes(peer, count)
        const peerRole = role === "client" ? "server" : "client"
        const reader = yield* scripted({ role: peerRole, rsv1: true })
        reader.duplex.push(masked)
        assert.deepStrictEqual(yield* reader.stream.readAll, sent)
      }
    }))

  it.effect("what a Close frame says is the endpoint's to look at, who writes it and who reads it", () =>
    Effect.gen(function*() {
      for (const bytes of [[], [3], [3, 232], [3, 237], [3, 232, 0xff], [0, 0, 0]]) {
        const payload = Uint8Array.from(bytes)
        const { duplex, stream } = yield* scripted({ role: "server" })
        yield* stream.write(Opcode.Close, payload)
        yield* turns
        const reader = yield* scripted({ role: "client" })
        reader.duplex.push(duplex.sentBytes)
        assert.deepStrictEqual(yield* reader.stream.read, Frame.make(Opcode.Close, payload))
      }
    }))

  it.effect("a string is sent as UTF-8", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      assert.strictEqual(yield* stream.write(Opcode.Text, "Grüße, 世界 🌍"), 2 + 20)
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes), [text("Grüße, 世界 🌍")])
    }))

  it.effect("the payload is the caller's: never written to, and free to change as soon as the write has ended", () =>
    Effect.gen(function*() {
      for (const role of ["client", "server"] as const) {
        const { duplex, stream } = yield* scripted({ role }, { stalled: true, highWaterMark: 1 })
        const payload = noise(300, 7)
        yield* stream.write(Opcode.Binary, payload)
        assert.deepStrictEqual(payload, noise(300, 7))
        payload.fill(0)
        yield* turns
        assert.deepStrictEqual(decode(role, duplex.sentBytes), [Frame.make(Opcode.Binary, noise(300, 7))])
      }
    }))

  it.effect("B14: a client masks every frame with another key", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      for (let i = 0; i < 100; i++) yield* stream.write(Opcode.Ping, "")
      yield* turns
      const keys = Array.from({ length: 100 }, (_, i) => duplex.sentBytes.slice(i * 6 + 2, i * 6 + 6).join())
      assert.strictEqual(new Set(keys).size, 100)
    }))

  it.live("B13: a slow reader gets 20 MB in order, and no more than a frame is queued over the high-water mark", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const writer = yield* make(ours, { role: "client" })
      const reader = yield* make(peer, { role: "server", limits: { maxFrameSize: 1_000_000 } })
      const frames = numbered(20, 1_000_000)
      let queued = 0
      const writing = yield* Effect.forkChild(
        Effect.forEach(frames, ({ opcode, payload }) =>
          Effect.map(writer.write(opcode, payload), () => {
            queued = Math.max(queued, ours.writableLength)
          }))
      )
      for (const frame of frames) {
        const { payload } = yield* reader.read
        assert.isTrue(Buffer.from(frame.payload).equals(payload))
        yield* turns
      }
      yield* Fiber.join(writing)
      assert.isAtMost(queued, ours.writableHighWaterMark + 1_000_014)
    }))
})

describe("writeAll", () => {
  it.effect("queues all frames as one piece, and what is written in one turn leaves as one", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const frames = numbered(10, 50)
      const counts = [
        yield* stream.writeAll(frames),
        yield* stream.write(Opcode.Ping, "and"),
        yield* stream.writeAll([text("more")])
      ]
      assert.deepStrictEqual(counts, [10 * 56, 9, 10])
      yield* turns
      assert.deepStrictEqual(duplex.flushes.map(({ length }) => length), [10 * 56 + 9 + 10])
      assert.deepStrictEqual(decode("client", duplex.sentBytes).slice(0, 10), frames)
      yield* stream.write(Opcode.Ping, "in a later turn")
      yield* turns
      assert.strictEqual(duplex.flushes.length, 2)
    }))
})

describe("what may not be sent", () => {
  const long = noise(126, 1)
  const wrong: ReadonlyArray<
    readonly [argument: string, Reason, (stream: Stream) => Effect.Effect<number, WriteError>]
  > = [
    ["payload", { _tag: "ControlTooLong", length: 126 }, ({ write }) => write(Opcode.Ping, long)],
    ["payload", { _tag: "ControlTooLong", length: 126 }, ({ write }) => write(Opcode.Close, long)],
    ["payload", { _tag: "ControlTooLong", length: 126 }, ({ write }) => write(Opcode.Pong, "é".repeat(63))],
    ["fin", { _tag: "FragmentedControl" }, ({ write }) => write(Opcode.Ping, "", { fin: false })],
    ["rsv1", { _tag: "ReservedBit" }, ({ write }) => write(Opcode.Pong, "", { rsv1: true })],
    ["rsv1", { _tag: "ReservedBit" }, ({ write }) => write(Opcode.Continuation, "", { rsv1: true })],
    ["rsv1", { _tag: "ExtensionMissing" }, ({ write }) => write(Opcode.Text, "", { rsv1: true })],
    [
      "rsv1",
      { _tag: "ExtensionMissing" },
      ({ writeAll }) => writeAll([text("fine"), Frame.make(Opcode.Binary, long, { rsv1: true })])
    ],
    ["opcode", { _tag: "UnknownOpcode", opcode: 3 }, ({ writeAll }) => writeAll([mistyped(text(""), { opcode: 3 })])],
    [
      "payload",
      { _tag: "ControlTooLong", length: 126 },
      ({ writeAll }) => writeAll([text("fine"), Frame.make(Opcode.Ping, long)])
    ]
  ]

  it.effect.each(wrong)(
    "names the argument, and no byte of it reaches the peer: %s %j",
    ([argument, reason, write]) =>
      Effect.gen(function*() {
        const { duplex, stream } = yield* scripted({ role: "server" })
        const failure = yield* reasonOf(write(stream))
        if (failure._tag !== "Encode") return assert.fail(failure._tag)
        assert.deepStrictEqual(failure.error.reason, reason)
        assert.strictEqual(failure.error.argument, argument)
        assert.isTrue(failure.message.startsWith(`${argument}: `))
        // The stream goes on.
        yield* stream.write(Opcode.Text, "behind")
        yield* turns
        assert.deepStrictEqual(decode("server", duplex.sentBytes), [text("behind")])
      })
  )

  it.effect("anything behind a Close frame: Closed by us, and no byte of it reaches the peer", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      yield* stream.write(Opcode.Close, Uint8Array.of(3, 232))
      for (const opcode of opcodes) assertClosed(yield* reasonOf(stream.write(opcode, "")), "Us")
      assertClosed(yield* reasonOf(stream.writeAll([text("")])), "Us")
      assertClosed(yield* reasonOf(stream.awaitWritable), "Us")
      yield* turns
      assert.deepStrictEqual([...duplex.sentBytes], [0x88, 2, 3, 232])
    }))

  it.effect("writeAll with anything behind a Close frame: Closed by us, and not even the Close frame goes", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const close = Frame.make(Opcode.Close, new Uint8Array(0))
      assertClosed(yield* reasonOf(stream.writeAll([text("before"), close, text("behind")])), "Us")
      assertClosed(yield* reasonOf(stream.writeAll([close, close])), "Us")
      yield* stream.writeAll([text("before"), close])
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes), [text("before"), close])
    }))

  it.effect("a Close frame does not end reading", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      yield* stream.write(Opcode.Close, "")
      duplex.push(Uint8Array.of(0x88, 0))
      assert.strictEqual((yield* stream.read).opcode, Opcode.Close)
      yield* stream.setMode("NonBlock")
    }))

  it.effect("a payload that is none dies, and takes nobody with it, even where it had to wait for room", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      const writeNothing = stream.writeAll([mistyped(text(""), { payload: undefined })])
      assert.include(String(yield* Effect.exit(writeNothing)), "Die")
      yield* stream.write(Opcode.Text, "one")
      yield* turns
      const wrong = yield* park(writeNothing)
      const right = yield* park(stream.write(Opcode.Text, "two"))
      duplex.acceptAll()
      assert.strictEqual((yield* Fiber.await(wrong))._tag, "Failure")
      assert.strictEqual(yield* Fiber.join(right), 5)
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes), [text("one"), text("two")])
    }))
})
