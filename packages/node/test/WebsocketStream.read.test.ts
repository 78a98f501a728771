import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { opcodes } from "../../core/test/support/arbitraries.ts"
import { noise } from "../../core/test/support/bytes.ts"
import { readable } from "../../core/test/support/decoding.ts"
import { asText, encode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { assertClosed, assertWaiting, event, make, park, reasonOf, scripted, turns } from "./support/streams.ts"

describe("read", { timeout: 30_000 }, () => {
  it.live("S4: all six opcodes surface, one frame a call, in order", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const frames = opcodes.map((opcode) => Frame.make(opcode, noise(5, opcode)))
      peer.write(encode("server", ...frames))
      const { read } = yield* make(ours, { role: "server" })
      for (const frame of frames) assert.deepStrictEqual(yield* read, frame)
    }))

  it.live("S4: Ping and Close are the reader's to answer: nothing is sent on its own", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      peer.write(encode("server", Frame.make(Opcode.Ping, noise(3, 1)), Frame.make(Opcode.Close, noise(2, 2))))
      const { read } = yield* make(ours, { role: "server" })
      yield* Effect.andThen(read, read)
      assert.strictEqual(ours.bytesWritten + ours.writableLength, 0)
    }))

  it.effect("S5: goes on where it stopped, mid-header and mid-payload, with a WouldBlock before every byte", () =>
    Effect.gen(function*() {
      for (const length of [0, 1, 125, 126, 127, 65_536]) {
        const { duplex, stream } = yield* scripted({ role: "server", mode: "NonBlock" })
        const frame = Frame.make(Opcode.Binary, noise(length, 1))
        const bytes = encode("server", frame)
        // The last bytes of the large payload are like the first.
        const oneByOne = Math.min(bytes.length, 200)
        duplex.push(bytes.subarray(0, bytes.length - oneByOne))
        for (const byte of bytes.subarray(bytes.length - oneByOne)) {
          assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
          duplex.push(Buffer.of(byte))
        }
        assert.deepStrictEqual(readable([yield* stream.read]), readable([frame]))
        assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
      }
    }))

  it.live("B1: empty frames of every opcode, and what comes behind them", () =>
    Effect.gen(function*() {
      const frames = opcodes.map((opcode) => Frame.make(opcode, new Uint8Array(0)))
      for (const role of ["client", "server"] as const) {
        const { ours, peer } = yield* Pairs.tcp()
        peer.write(encode(role, ...frames, ...frames, text("behind")))
        const { read } = yield* make(ours, { role })
        for (const frame of [...frames, ...frames]) assert.deepStrictEqual(yield* read, frame)
        assert.strictEqual(asText(yield* read), "behind")
      }
    }))

  it.live("B2: a frame split over two segments, anywhere in its header or at the beginning of its payload", () =>
    Effect.gen(function*() {
      for (const role of ["client", "server"] as const) {
        const frames = [0, 3, 126, 65_536].map((length) => Frame.make(Opcode.Binary, noise(length, length)))
        for (const frame of frames) {
          const bytes = encode(role, frame, text("behind"))
          for (let cut = 1; cut < 20; cut++) {
            const { ours, peer } = yield* Pairs.unix
            const { read } = yield* make(ours, { role, direct: false })
            const reader = yield* park(read)
            peer.write(bytes.subarray(0, cut))
            yield* event(ours, "data")
            peer.write(bytes.subarray(cut))
            assert.deepStrictEqual(readable([yield* Fiber.join(reader)]), readable([frame]))
            assert.strictEqual(asText(yield* read), "behind")
          }
        }
      }
    }))

  it.effect("B3: every byte of an extended length and of a masking key may come alone", () =>
    Effect.gen(function*() {
      for (const length of [126, 65_536]) {
        const { duplex, stream } = yield* scripted({ role: "server" })
        const frame = Frame.make(Opcode.Binary, noise(length, length))
        const bytes = encode("server", frame)
        const reader = yield* park(stream.read)
        for (const byte of bytes.subarray(0, 14)) {
          duplex.push(Buffer.of(byte))
          yield* turns
        }
        duplex.push(bytes.subarray(14))
        assert.deepStrictEqual(readable([yield* Fiber.join(reader)]), readable([frame]))
      }
    }))

  it.effect("B4: Block waits for the rest of a frame of 126 bytes and more, however slowly it comes", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const frame = Frame.make(Opcode.Binary, noise(200, 1))
      const reader = yield* park(stream.read)
      for (const byte of encode("client", frame)) {
        yield* assertWaiting(reader)
        duplex.push(Buffer.of(byte))
        yield* turns
      }
      assert.deepStrictEqual(yield* Fiber.join(reader), frame)
    }))

  it.effect("B10: FIN is visible", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const fragments = [
        Frame.make(Opcode.Text, noise(1, 1), { fin: false }),
        Frame.make(Opcode.Continuation, noise(2, 2), { fin: false }),
        // RFC 6455 5.4: control frames may come between fragments.
        Frame.make(Opcode.Ping, noise(3, 3)),
        Frame.make(Opcode.Continuation, noise(4, 4))
      ]
      duplex.push(encode("server", ...fragments))
      for (const fragment of fragments) assert.deepStrictEqual(yield* stream.read, fragment)
    }))

  it.effect("B17: there is one parser: what one fiber left in the middle of a frame, another goes on with", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const bytes = encode("server", text("begun for one fiber"), text("second"))
      const first = yield* park(stream.read)
      duplex.push(bytes.subarray(0, 9))
      yield* turns
      yield* Fiber.interrupt(first)
      const second = yield* park(stream.read)
      duplex.push(bytes.subarray(9))
      assert.strictEqual(asText(yield* Fiber.join(second)), "begun for one fiber")
      assert.strictEqual(asText(yield* stream.read), "second")
    }))

  it.effect("a read that timed out has taken nothing", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const bytes = encode("server", text("late"))
      const reader = yield* park(Effect.timeoutOption(stream.read, "1 second"))
      duplex.push(bytes.subarray(0, 5))
      yield* turns
      yield* TestClock.adjust("1 second")
      assert.isTrue(Option.isNone(yield* Fiber.join(reader)))
      duplex.push(bytes.subarray(5))
      assert.strictEqual(asText(yield* stream.read), "late")
    }))

  it.effect("a payload is its reader's: it stays as it is while 5,000 more frames pass", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      duplex.push(encode("server", text("kept")))
      const kept = yield* stream.read
      for (const frame of numbered(5000, 100)) {
        duplex.push(encode("server", frame))
        assert.deepStrictEqual(yield* stream.read, frame)
      }
      assert.strictEqual(asText(kept), "kept")
    }))
})

describe("readAll", () => {
  it.effect("gives no more than 32,768 together, however many there are, and the others in turn", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client", mode: "NonBlock" })
      // Twice as many, and one, in two bytes each.
      duplex.push(Buffer.alloc(2 * (2 * 32_768 + 1), encode("client", Frame.make(Opcode.Text, new Uint8Array(0)))))
      const counts = [yield* stream.readAll, yield* stream.readAll, yield* stream.readAll].map(({ length }) => length)
      assert.deepStrictEqual(counts, [32_768, 32_768, 1])
      assert.strictEqual((yield* reasonOf(stream.readAll))._tag, "WouldBlock")
    }))

  it.effect("takes all whole frames there are, and leaves the one that is not", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client", mode: "NonBlock" })
      const frames = numbered(100, 10)
      const bytes = encode("client", ...frames, text("the last"))
      duplex.push(bytes.subarray(0, bytes.length - 1))
      assert.deepStrictEqual(yield* stream.readAll, frames)
      assert.strictEqual((yield* reasonOf(stream.readAll))._tag, "WouldBlock")
      duplex.push(bytes.subarray(bytes.length - 1))
      assert.deepStrictEqual((yield* stream.readAll).map(asText), ["the last"])
    }))

  it.effect("waits for the first in Block mode", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const reader = yield* park(stream.readAll)
      duplex.push(encode("client", text("one"), text("two")))
      assert.deepStrictEqual((yield* Fiber.join(reader)).map(asText), ["one", "two"])
    }))

  it.effect("gives what came before a failure or the end, and the failure by itself", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      duplex.push(Buffer.concat([encode("client", text("one"), text("two")), Buffer.of(0x83, 0)]))
      assert.deepStrictEqual((yield* stream.readAll).map(asText), ["one", "two"])
      assert.strictEqual((yield* reasonOf(stream.readAll))._tag, "Protocol")

      const ended = yield* scripted({ role: "client" })
      ended.duplex.push(encode("client", text("one"), text("two")))
      ended.duplex.push(null)
      assert.deepStrictEqual((yield* ended.stream.readAll).map(asText), ["one", "two"])
      assertClosed(yield* reasonOf(ended.stream.readAll), "Peer")
    }))
})

describe("read backpressure", { timeout: 30_000 }, () => {
  it.effect("a reader that gave up leaves nothing behind that reads on", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      for (const operation of [stream.read, stream.readAll, stream.awaitReadable]) {
        const reader = yield* park<unknown, unknown, never>(operation)
        assert.isFalse(duplex.isPaused())
        yield* Fiber.interrupt(reader)
        duplex.push(Buffer.of(0x82))
        yield* turns
        assert.isTrue(duplex.isPaused())
        duplex.push(Buffer.of(0))
        yield* stream.read
      }
    }))

  it.effect("nobody reads: the stream is not read, and a peer in memory cannot write on", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.memory({ highWaterMark: 1000 })
      const stream = yield* make(ours, { role: "client" })
      const frames = numbered(100, 98)
      let taken = 0
      for (const frame of frames) peer.write(encode("client", frame), () => taken++)
      yield* turns
      assert.isAtMost(ours.readableLength, 1000 + 100)
      const takenUnread = taken
      assert.isBelow(takenUnread, 15)
      for (let i = 0; i < 50; i++) assert.deepStrictEqual(yield* stream.read, frames[i])
      yield* turns
      assert.isBelow(taken, 50 + 30)
      for (let i = 50; i < 100; i++) assert.deepStrictEqual(yield* stream.read, frames[i])
    }))

  it.live("nobody reads: a socket is read no further than its buffer, while others carry what they like", () =>
    Effect.gen(function*() {
      const total = 16 * 1024 * 1024
      const chunk = encode("client", Frame.make(Opcode.Binary, noise(64 * 1024, 1)))
      const idle = yield* Pairs.tcp()
      const stream = yield* make(idle.ours, { role: "client", mode: "NonBlock" })
      // Neither polling nor reading a frame opens the gates for good.
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
      for (let sent = 0; sent < total; sent += chunk.length) idle.peer.write(chunk)
      yield* stream.awaitReadable
      yield* stream.read

      const busy = yield* Pairs.tcp()
      for (let sent = 0; sent < total; sent += chunk.length) busy.peer.write(chunk)
      busy.peer.end()
      busy.ours.resume()
      yield* event(busy.ours, "end")

      assert.isAtMost(idle.ours.bytesRead, 512 * 1024)
      assert.isAtLeast(busy.ours.bytesRead, total)
      assert.isTrue(idle.peer.writableNeedDrain)
      yield* stream.awaitReadable
      yield* stream.read
    }))
})
