import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { closeFrame, decode, encode, text } from "./support/frames.ts"
import type { Scripted } from "./support/scripted.ts"
import { assertWaiting, park, reasonOf, turns } from "./support/streams.ts"
import { deflated, scripted, withoutTakeover, type Ws } from "./support/websockets.ts"

const byPeer = (frame: Frame.Frame): Uint8Array => encode("server", frame)

const bye = closeFrame(4001, "bye")

const received = (ws: Ws) => Effect.map(ws.receive, (message) => message._tag === "Text" && message.text)

const options = { closeDeadline: "5 seconds" } as const

/** A connection on which bytes have come behind a message that nobody has received. */
const behindUnread = Effect.fnUntraced(function*(bytes: Uint8Array) {
  const { duplex, ws } = yield* scripted(options)
  duplex.push(byPeer(text("unread")))
  duplex.push(bytes)
  yield* turns
  return { duplex, ws }
})

describe("An end behind a message that nobody receives", () => {
  const ends = [
    { what: "a Close frame", bytes: byPeer(bye), ends: false, code: 4001, reason: "Closed" },
    { what: "a Close frame and the end of TCP", bytes: byPeer(bye), ends: true, code: 4001, reason: "Closed" },
    // Not masked.
    {
      what: "a frame that breaks the protocol",
      bytes: encode("client", text("no")),
      ends: false,
      code: 1006,
      reason: "Protocol"
    },
    {
      what: "a Close frame that breaks the protocol",
      bytes: byPeer(Frame.make(Opcode.Close, new Uint8Array(1))),
      ends: false,
      code: 1006,
      reason: "Protocol"
    }
  ] as const
  for (const { bytes, code, ends: endsTcp, reason, what } of ends) {
    it.effect(`waits for whoever may receive until the close deadline, and is told then: ${what}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* behindUnread(bytes)
        if (endsTcp) duplex.push(null)
        yield* turns
        yield* ws.send("an answer may still come")
        const closed = yield* park(ws.closed)
        yield* TestClock.adjust("4999 millis")
        yield* assertWaiting(closed)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(closed)).received.code, code)
        assert.strictEqual(decode("server", duplex.sentBytes).at(-1)?.opcode, Opcode.Close)
        assert.strictEqual((yield* reasonOf(ws.send("too late")))._tag, "Closed")
        // Nothing is lost by that.
        assert.strictEqual(yield* received(ws), "unread")
        assert.strictEqual((yield* reasonOf(ws.receive))._tag, reason)
        duplex.destroy()
      }))
  }

  it.effect("is answered at the close deadline though nobody waits for it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* behindUnread(byPeer(bye))
      yield* ws.send("an answer may still come")
      yield* TestClock.adjust(options.closeDeadline)
      assert.strictEqual(decode("server", duplex.sentBytes).at(-1)?.opcode, Opcode.Close)
      assert.strictEqual((yield* reasonOf(ws.send("too late")))._tag, "Closed")
      duplex.destroy()
    }))

  it.effect("is told as the peer said it where that lies behind more than may wait to be received", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ ...options, receiveBuffer: 1 })
      duplex.push(Buffer.concat([byPeer(text("one")), byPeer(text("two")), byPeer(bye)]))
      duplex.push(null)
      const closed = yield* park(ws.closed)
      yield* TestClock.adjust(options.closeDeadline)
      assert.deepInclude(yield* Fiber.join(closed), { received: Close.make(4001, "bye"), clean: true })
      assert.deepStrictEqual([yield* received(ws), yield* received(ws)], ["one", "two"])
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4001, clean: true })
      duplex.destroy()
    }))

  it.effect("is answered behind the answer to the last message, though it was seen only as that made room", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ ...options, receiveBuffer: 1 })
      duplex.push(Buffer.concat([byPeer(text("one")), byPeer(bye)]))
      yield* turns
      yield* Effect.flatMap(received(ws), (message) => ws.send(`${message} is answered`))
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4001 })
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(({ opcode }) => opcode), [
        Opcode.Text,
        Opcode.Close
      ])
      duplex.destroy()
    }))

  it.effect("is told at once where the connection is gone, and what was read before can still be received", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ ...options, receiveBuffer: 1 })
      // The second has not even been looked at.
      duplex.push(byPeer(text("one")))
      duplex.push(byPeer(text("two")))
      const closed = yield* park(ws.closed)
      yield* turns
      duplex.destroy(new Error("reset"))
      yield* Fiber.join(closed)
      assert.deepStrictEqual([yield* received(ws), yield* received(ws)], ["one", "two"])
      assert.strictEqual((yield* reasonOf(ws.receive))._tag, "Io")
    }))

  it.effect("is told as the peer said it where the connection is gone while what came before is inflated", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ ...options, ...withoutTakeover })
      // So much that it is inflated off the event loop.
      const closed = yield* park(ws.closed)
      duplex.push(byPeer(Frame.make(Opcode.Binary, deflated(new Uint8Array(100_000)), { rsv1: true })))
      duplex.push(byPeer(bye))
      duplex.destroy(new Error("reset"))
      assert.deepStrictEqual((yield* Fiber.join(closed)).received, Close.make(4001, "bye"))
      assert.strictEqual((yield* ws.receive).payload.length, 100_000)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4001 })
    }))

  const gone = [
    { how: "ends, and our side with it", cut: (duplex: Scripted) => duplex.push(null) },
    { how: "fails", cut: (duplex: Scripted) => duplex.destroy(new Error("reset")) }
  ] as const
  for (const { cut, how } of gone) {
    it.effect(`is told to who sends as the peer said it where TCP ${how}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted(options, { allowHalfOpen: false, highWaterMark: 1, stalled: true })
        yield* ws.send("fills the stream")
        // Receives in the step in which it is woken.
        const receiving = yield* park(
          Effect.flatMap(reasonOf(ws.send("waits")), () => Effect.all([received(ws), reasonOf(ws.receive)]))
        )
        const sendings = [ws.send("waits"), ws.sendStream("text", Stream.make("waits"))]
        const waiting = yield* Effect.forEach(sendings, (sending) => park(reasonOf(sending)))
        duplex.push(byPeer(text("unread")))
        duplex.push(byPeer(bye))
        yield* turns
        cut(duplex)
        for (const sending of waiting) assert.deepInclude(yield* Fiber.join(sending), { _tag: "Closed", code: 4001 })
        assert.deepInclude(yield* reasonOf(ws.send("too late")), { _tag: "Closed", code: 4001, reason: "bye" })
        assert.deepStrictEqual((yield* ws.closed).received, Close.make(4001, "bye"))
        const [message, end] = yield* Fiber.join(receiving)
        assert.strictEqual(message, "unread")
        assert.deepInclude(end, { _tag: "Closed", code: 4001 })
        duplex.destroy()
      }))
  }

  it.effect("fails a ping at once where the connection is gone, with what it ended of", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ ...options, receiveBuffer: 1 })
      const pinging = yield* park(Effect.flip(ws.ping()))
      duplex.push(byPeer(text("unread")))
      yield* turns
      duplex.destroy(new Error("reset"))
      assert.strictEqual((yield* Fiber.join(pinging)).reason._tag, "Io")
    }))

  it.effect("leaves TCP to be read, so that a peer that is gone is seen", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* behindUnread(byPeer(bye))
      // RFC 6455 1.4: discarded.
      duplex.push(Buffer.alloc(1_000_000))
      yield* turns
      assert.strictEqual(duplex.readableLength, 0)
      assert.strictEqual(yield* received(ws), "unread")
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4001 })
      duplex.destroy()
    }))
})
