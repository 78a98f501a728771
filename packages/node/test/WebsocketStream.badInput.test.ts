import { assert, describe, it } from "@effect/vitest"
import type { Reason } from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import type { ReadError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { asText, encode, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { assertClosed, make, park, reasonOf, scripted, type Stream, turns } from "./support/streams.ts"

const eight = (...bytes: ReadonlyArray<number>): ReadonlyArray<number> => [...Array(8 - bytes.length).fill(0), ...bytes]

// The least bytes that decide it: none of them can be taken away.
const broken: ReadonlyArray<readonly [row: string, role: Role, bytes: ReadonlyArray<number>, reason: Reason]> = [
  ["B10: RSV1", "client", [0xc1], { _tag: "ReservedBits", bits: 0x40 }],
  ["B10: RSV2", "server", [0xa1], { _tag: "ReservedBits", bits: 0x20 }],
  ["B10: RSV3", "client", [0x92], { _tag: "ReservedBits", bits: 0x10 }],
  ["B11: an unknown opcode", "client", [0x83], { _tag: "UnknownOpcode", opcode: 3 }],
  ["B11: an unknown control opcode", "server", [0x8f], { _tag: "UnknownOpcode", opcode: 15 }],
  ["B12: a fragmented ping", "client", [0x09], { _tag: "FragmentedControl", opcode: 9 }],
  ["B12: a long close", "client", [0x88, 126], { _tag: "ControlTooLong", opcode: 8 }],
  ["B12: a long ping", "server", [0x89, 0xff], { _tag: "ControlTooLong", opcode: 9 }],
  ["B12: two bytes for a length of one", "client", [0x82, 126, 0, 125], { _tag: "LengthNotMinimal", lengthBytes: 2 }],
  [
    "B12: eight bytes for a length of two",
    "client",
    [0x82, 127, 0, 0, 0, 0, 0, 0],
    { _tag: "LengthNotMinimal", lengthBytes: 8 }
  ],
  ["B12: the top bit of the length", "server", [0x82, 0xff, 0x80], { _tag: "LengthTopBit" }],
  ["B9: no mask from a client", "server", [0x82, 0x01], { _tag: "MaskMissing" }],
  ["B9: a mask from a server", "client", [0x82, 0x81], { _tag: "MaskForbidden" }],
  [
    "B8: 2^63 - 1 bytes announced to a server",
    "server",
    [0x82, 0xff, 0x7f],
    { _tag: "FrameTooLarge", limit: 1024 * 1024, announcedAtLeast: 0x7f * 2 ** 56 }
  ],
  [
    "B8: one byte over the limit",
    "client",
    [0x82, 127, ...eight(1, 0, 0, 1)],
    { _tag: "FrameTooLarge", limit: 16 * 1024 * 1024, announcedAtLeast: 16 * 1024 * 1024 + 1 }
  ]
]

const assertFailsWith = (stream: Stream, reason: Reason) =>
  Effect.gen(function*() {
    for (const operation of [stream.read, stream.readAll, stream.awaitReadable]) {
      const failure = yield* reasonOf(operation)
      if (failure._tag !== "Protocol") return assert.fail(`${failure._tag}: ${failure.message}`)
      assert.deepStrictEqual(failure.error.reason, reason)
      assert.strictEqual(failure.error.closeCode, reason._tag === "FrameTooLarge" ? 1009 : 1002)
      assert.match(failure.message, /\(RFC 6455 (5\.[1-5]|10\.4)\)/)
    }
  })

describe("a peer that breaks the protocol", () => {
  it.live.each(broken)(
    "%s: at the byte that decides it, after the frames before it, and from then on",
    (row) =>
      Effect.gen(function*() {
        const [, role, bytes, reason] = row
        for (const mode of ["Block", "NonBlock"] as const) {
          const { ours, peer } = yield* Pairs.tcp()
          const stream = yield* make(ours, { role, mode })
          peer.write(encode(role, text("before")))
          peer.write(Uint8Array.from(bytes.slice(0, -1)))
          yield* stream.awaitReadable
          assert.strictEqual(asText(yield* stream.read), "before")
          peer.write(Uint8Array.from(bytes.slice(-1)))
          peer.write(encode(role, text("behind")))
          yield* Effect.flip(stream.awaitReadable)
          yield* assertFailsWith(stream, reason)
          // The peer's end does not hide what it did.
          peer.end()
          yield* assertFailsWith(stream, reason)
          // RFC 6455 7.1.7: the connection is failed by an answer, so writing goes on.
          assert.strictEqual(yield* stream.write(8, Uint8Array.of(3, 0xea)), role === "client" ? 8 : 4)
        }
      })
  )

  it.effect("B8: nothing is decided before the length bytes decide it, and the limit itself is let pass", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client", mode: "NonBlock", limits: { maxFrameSize: 300 } })
      duplex.push(Uint8Array.of(0x82, 126, 1))
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
      duplex.push(Uint8Array.of(44))
      duplex.push(new Uint8Array(300))
      assert.strictEqual((yield* stream.read).payload.length, 300)
      duplex.push(Uint8Array.of(0x82, 126, 1, 45))
      const reason = { _tag: "FrameTooLarge", limit: 300, announcedAtLeast: 301 } as const
      yield* assertFailsWith(stream, reason)
    }))

  it.effect("B11: is heard by every fiber that waits, and by awaitAnyReadable", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const fibers = [
        yield* park(Effect.flip(stream.read)),
        yield* park(Effect.flip(stream.readAll)),
        yield* park(Effect.flip(stream.awaitReadable))
      ]
      const poll = yield* park(WebsocketStream.awaitAnyReadable([stream]))
      duplex.push(Uint8Array.of(0x83))
      for (const fiber of fibers) assert.strictEqual((yield* Fiber.join<ReadError, unknown>(fiber))._tag, "ReadError")
      assert.deepStrictEqual(yield* Fiber.join(poll), [stream])
    }))

  it.effect("B11: what comes behind it is not kept", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" }, { highWaterMark: 1000 })
      duplex.push(Uint8Array.of(0x83))
      yield* Effect.flip(stream.read)
      let wanted = true
      for (let i = 0; i < 10; i++) wanted = duplex.push(new Uint8Array(1000))
      yield* turns
      assert.isFalse(wanted)
      assert.isTrue(duplex.isPaused())
    }))
})

describe("the end of the stream", () => {
  const whole = encode("server", text("before"), text("cut"))
  const begin = encode("server", text("before")).length
  const ends: ReadonlyArray<readonly [where: string, length: number, truncated: boolean]> = [
    ["between frames", begin, false],
    ["after one byte of a header", begin + 1, true],
    ["in the masking key", begin + 4, true],
    ["behind the header", begin + 6, true],
    ["in the payload", whole.length - 1, true],
    ["behind the last frame", whole.length, false]
  ]

  it.live.each(ends)(
    "B6: %s: Closed with 1006, never WouldBlock, again and again",
    ([, length, truncated]) =>
      Effect.gen(function*() {
        for (const mode of ["Block", "NonBlock"] as const) {
          const { ours, peer } = yield* Pairs.tcp()
          const stream = yield* make(ours, { role: "server", mode })
          peer.end(whole.subarray(0, length))
          for (let i = 0; i < (length === whole.length ? 2 : 1); i++) {
            yield* stream.awaitReadable
            yield* stream.read
          }
          yield* Effect.flip(stream.awaitReadable)
          for (const operation of [stream.read, stream.readAll, stream.awaitReadable, stream.read]) {
            assertClosed(yield* reasonOf(operation), "Peer", truncated)
          }
        }
      })
  )

  it.live("B6: is heard by a fiber that waits, in Block mode", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const { read } = yield* make(ours, { role: "server" })
      const reader = yield* park(reasonOf(read))
      peer.end(whole.subarray(0, 3))
      assertClosed(yield* Fiber.join(reader), "Peer", true)
    }))

  it.live("does not end our side, where the socket may be half open", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp({ allowHalfOpen: true })
      const stream = yield* make(ours, { role: "server" })
      peer.end()
      assertClosed(yield* reasonOf(stream.read), "Peer")
      assert.strictEqual(yield* stream.write(1, "still here"), 12)
      yield* stream.setMode("NonBlock")
    }))
})
