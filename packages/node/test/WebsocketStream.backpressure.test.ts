import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { decode, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import type { Scripted } from "./support/scripted.ts"
import {
  assertClosed,
  assertWaiting,
  make,
  park,
  reasonOf,
  scripted,
  type Stream,
  takeBytes,
  turns
} from "./support/streams.ts"

/** A stream whose peer takes nothing, with one frame, "first", given to send and room for no other. */
const full = (options: { readonly mode: "Block" | "NonBlock" }) =>
  Effect.tap(
    scripted({ role: "server", ...options }, { stalled: true, highWaterMark: 1 }),
    ({ stream }) => Effect.andThen(stream.write(Opcode.Text, "first"), turns)
  )

const sent = (duplex: Scripted): ReadonlyArray<string> =>
  decode("server", duplex.sentBytes).map(({ payload }) => new TextDecoder().decode(payload))

describe("a slow peer", { timeout: 30_000 }, () => {
  it.effect("suspends a writer in Block mode, until there is room", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "Block" })
      const writer = yield* park(stream.write(Opcode.Text, "second"))
      yield* turns
      yield* assertWaiting(writer)
      assert.strictEqual(duplex.writableLength, 7)
      duplex.accept()
      assert.strictEqual(yield* Fiber.join(writer), 8)
      duplex.accept()
      yield* turns
      assert.deepStrictEqual(sent(duplex), ["first", "second"])
    }))

  it.effect("S7: fails a writer in NonBlock mode with WouldBlock, and then nothing of the frame was queued", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "NonBlock" })
      assert.strictEqual((yield* reasonOf(stream.write(Opcode.Text, "second")))._tag, "WouldBlock")
      assert.strictEqual((yield* reasonOf(stream.writeAll([text("second"), text("third")])))._tag, "WouldBlock")
      assert.strictEqual(duplex.writableLength, 7)
      duplex.accept()
      yield* stream.awaitWritable
      assert.strictEqual(yield* stream.write(Opcode.Text, "fourth"), 8)
      duplex.acceptAll()
      yield* turns
      assert.deepStrictEqual(sent(duplex), ["first", "fourth"])
    }))

  it.effect("S7: otherwise all of the frame is queued, however large it is", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server", mode: "NonBlock" }, { highWaterMark: 100 })
      assert.strictEqual(yield* stream.write(Opcode.Text, "x".repeat(99)), 101)
      assert.strictEqual((yield* reasonOf(stream.write(Opcode.Text, "")))._tag, "WouldBlock")
      yield* stream.awaitWritable
      assert.strictEqual(yield* stream.write(Opcode.Text, "x".repeat(100_000)), 100_010)
      yield* turns
      assert.deepStrictEqual(sent(duplex).map(({ length }) => length), [99, 100_000])
    }))

  it.effect("WouldBlock is one shared value, for reads and for writes", () =>
    Effect.gen(function*() {
      const { stream } = yield* full({ mode: "NonBlock" })
      const other = yield* full({ mode: "NonBlock" })
      assert.strictEqual(yield* Effect.flip(stream.read), yield* Effect.flip(other.stream.readAll))
      assert.strictEqual(yield* Effect.flip(stream.write(1, "")), yield* Effect.flip(other.stream.writeAll([text("")])))
    }))

  it.effect("waiting writers go first come, first served, awaitWritable among them; later ones do not overtake", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "Block" })
      const order: Array<string> = []
      const write = (name: string) => Effect.map(stream.write(Opcode.Text, name), () => order.push(name))
      const fibers = [
        yield* park(write("a")),
        yield* park(Effect.map(stream.awaitWritable, () => order.push("writable"))),
        yield* park(write("b")),
        yield* park(write("c"))
      ]
      for (let i = 0; i < 5; i++) {
        duplex.accept()
        // Those who wait are served in the event itself, so that by the next turn there is no room again.
        yield* turns
        if (i === 0) fibers.push(yield* park(write("late")))
      }
      yield* Effect.forEach(fibers, (fiber) => Fiber.join<unknown, unknown>(fiber))
      assert.deepStrictEqual(order, ["a", "writable", "b", "c", "late"])
      assert.deepStrictEqual(sent(duplex), ["first", "a", "b", "c", "late"])
    }))

  it.effect("one who was served goes behind those who wait, even if there is room by now", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 20 })
      yield* stream.write(Opcode.Text, "x".repeat(20))
      yield* turns
      const writes = (...names: ReadonlyArray<string>) =>
        park(Effect.forEach(names, (name) => stream.write(Opcode.Text, name)))
      const fibers = [yield* writes("a1", "a2"), yield* writes("b1", "b2"), yield* writes("c1", "c2")]
      duplex.acceptAll()
      yield* Effect.forEach(fibers, Fiber.join)
      yield* turns
      assert.deepStrictEqual(sent(duplex).slice(1), ["a1", "b1", "c1", "a2", "b2", "c2"])
    }))

  it.effect("a NonBlock write does not overtake those who wait in Block mode", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "Block" })
      const waiting = yield* park(stream.write(Opcode.Text, "waits"))
      yield* stream.setMode("NonBlock")
      assert.strictEqual((yield* reasonOf(stream.write(Opcode.Text, "rash")))._tag, "WouldBlock")
      yield* assertWaiting(waiting)
      duplex.acceptAll()
      assert.strictEqual(yield* Fiber.join(waiting), 7)
      yield* turns
      assert.deepStrictEqual(sent(duplex), ["first", "waits"])
    }))

  it.effect("a writer that is interrupted while it waits has queued nothing, and holds up nobody", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "Block" })
      const first = yield* park(stream.write(Opcode.Text, "gives up"))
      const second = yield* park(stream.write(Opcode.Text, "stays"))
      const third = yield* park(stream.awaitWritable)
      yield* Fiber.interrupt(first)
      yield* Fiber.interrupt(third)
      duplex.acceptAll()
      assert.strictEqual(yield* Fiber.join(second), 7)
      yield* turns
      assert.deepStrictEqual(sent(duplex), ["first", "stays"])
    }))

  it.effect("fails whoever waits behind a Close frame", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* full({ mode: "Block" })
      const close = yield* park(stream.write(Opcode.Close, ""))
      const behind = yield* park(reasonOf(stream.write(Opcode.Text, "behind")))
      const writable = yield* park(reasonOf(stream.awaitWritable))
      duplex.accept()
      assert.strictEqual(yield* Fiber.join(close), 2)
      assertClosed(yield* Fiber.join(behind), "Us")
      assertClosed(yield* Fiber.join(writable), "Us")
      duplex.acceptAll()
      yield* turns
      assert.strictEqual(duplex.sentBytes.length, 7 + 2)
    }))

  it.effect("many writers queue no more than the high-water mark and one frame", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" }, { stalled: true, highWaterMark: 1000 })
      const fibers = yield* Effect.forEach(
        Array.from({ length: 50 }),
        () => Effect.forkChild(Effect.repeat(stream.write(Opcode.Binary, new Uint8Array(94)), { times: 9 }))
      )
      let most = 0
      while (duplex.sentBytes.length < 50 * 10 * 100) {
        yield* Effect.yieldNow
        most = Math.max(most, duplex.writableLength)
        duplex.accept()
      }
      yield* Effect.forEach(fibers, Fiber.join)
      assert.isAtMost(most, 1000 + 100)
    }))

  it.live("over TCP: as long as the peer does not read, WouldBlock; when it reads, there is room", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream: Stream = yield* make(ours, { role: "server", mode: "NonBlock" })
      const payload = new Uint8Array(256 * 1024)
      let accepted = 0
      const writeOn = stream.write(Opcode.Binary, payload).pipe(
        Effect.map((count) => void (accepted += count)),
        Effect.catchReason("WriteError", "WouldBlock", () => stream.awaitWritable),
        Effect.forever
      )
      const writer = yield* park(writeOn)
      const bytes = yield* takeBytes(peer, 8 * 1024 * 1024)
      // What is on the wire is what was accepted, less what the kernel and our queue hold.
      assert.isAtLeast(accepted, bytes.length)
      yield* Fiber.interrupt(writer)
      const rest = accepted - bytes.length
      const frames = decode("server", Buffer.concat([bytes, yield* takeBytes(peer, rest)]))
      assert.isTrue(frames.every((frame) => frame.payload.length === payload.length))
      assert.isAtMost(ours.writableLength, ours.writableHighWaterMark + payload.length)
    }))
})
