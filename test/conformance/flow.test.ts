/** How a `Websocket` flows: backpressure both ways, closing through it, and interruption. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { assertFrames, turns } from "../support/cases.ts"
import { share } from "../support/link.ts"
import { inBothRoles, open, type Opened } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

const kib = 1024
const mib = 1024 * 1024

const hold = () => Effect.never

const text = (payload: string): Raw.Shape => ({ opcode: Raw.text, payload })
const ping = (payload: string): Raw.Shape => ({ opcode: Raw.ping, payload })
const pong = (payload: string): Raw.Shape => ({ opcode: Raw.pong, payload })
const close = (code: number): Raw.Shape => ({ opcode: Raw.close, payload: Raw.closeBody(code) })

const numbered = (i: number, length: number): Buffer => {
  const payload = Buffer.alloc(length, i)
  payload.writeUInt32BE(i)
  return payload
}

/** Waits until a number stays what it is for some time: what it stands for waits for somebody else. */
const settled = (number: () => number): Effect.Effect<number> =>
  Effect.gen(function*() {
    let before = -1
    while (before !== number()) {
      before = number()
      for (let i = 0; i < 5; i++) yield* turns
    }
    return before
  })

/** Writes many messages without waiting, until TCP takes no more of them. */
const flood = Effect.fnUntraced(function*({ peer }: Opened, count: number, length: number) {
  for (let i = 0; i < count; i++) {
    peer.socket.write(Raw.encode({ opcode: Raw.binary, payload: numbered(i, length) }, peer.role === "client"))
  }
  return yield* settled(() => peer.socket.writableLength)
})

/** Sends to a peer that does not read, until a send has to wait, and answers how many there were; that one is interrupted. */
const fillUp = Effect.fnUntraced(function*({ peer, ws }: Opened) {
  yield* peer.pause
  let sent = 0
  const sending = yield* Effect.forever(
    Effect.tap(ws.send(Buffer.alloc(mib)), () => Effect.sync(() => sent++))
  ).pipe(Effect.forkChild)
  yield* settled(() => sent)
  yield* Fiber.interrupt(sending)
  return sent
})

describe("nobody receives", () => {
  inBothRoles((role) => {
    it.live("pings are answered all the same, until as much as receiveBuffer waits; then nothing is read", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold, receiveBuffer: 10_000 })
        const { peer, socket, ws } = opened
        yield* peer.send([text("one"), ping("first"), text("two"), ping("second")])
        assertFrames(yield* peer.frames(2), role, [pong("first"), pong("second")])
        const length = 16 * kib
        const unsent = yield* flood(opened, 2000, length)
        assert.isAbove(unsent, 0)
        // What is not read: everything but a chunk or so, in Node or in the system.
        assert.isBelow(socket.bytesRead, 200 * kib)
        yield* peer.send([ping("behind")]).pipe(Effect.forkChild({ startImmediately: true }))
        yield* turns
        assert.strictEqual(peer.waiting(), 0)
        // Nothing of it is lost.
        for (const expected of ["one", "two"]) {
          const message = yield* ws.receive
          assert.strictEqual(message._tag === "Text" && message.text, expected)
        }
        for (let i = 0; i < 2000; i++) {
          const { payload } = yield* ws.receive
          assert.isTrue(numbered(i, length).equals(payload), `message ${i}`)
        }
        assertFrames([yield* peer.frame], role, [pong("behind")])
      }))

    it.live("of an unfinished message no more is read than receiveBuffer, until somebody waits for it", () =>
      Effect.gen(function*() {
        const { peer, socket, ws } = yield* open(role, {
          use: hold,
          receiveBuffer: 10_000,
          limits: { maxMessageSize: 32 * mib }
        })
        const payload = Buffer.alloc(32 * mib, "large")
        peer.socket.write(Raw.encode({ opcode: Raw.binary, payload }, peer.role === "client"))
        assert.isAbove(yield* settled(() => peer.socket.writableLength), 0)
        assert.isBelow(socket.bytesRead, 200 * kib)
        assert.isTrue(payload.equals((yield* ws.receive).payload))
      }))

    it.live("closing goes through all that waits", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold, receiveBuffer: 10_000, closeDeadline: "1 minute" })
        const { peer, ws } = opened
        yield* flood(opened, share(1000), 64 * kib)
        const closing = yield* Effect.forkChild(ws.close(4000))
        assertFrames([yield* peer.frame], role, [close(4000)])
        // More of it, and at last the answer.
        yield* peer.send([...Array.from({ length: 100 }, () => text("x".repeat(64 * kib))), close(4000)])
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 4000, reason: "" })
        const { reason } = yield* Effect.flip(Effect.forever(ws.receive))
        assert.deepInclude(reason, { _tag: "Closed", code: 4000, clean: true })
      }))
  })
})

describe("the peer does not read", () => {
  inBothRoles((role) => {
    it.live("send waits, as much is queued as the stream holds and no more, and all of it arrives in order", () =>
      Effect.gen(function*() {
        const { peer, socket, ws } = yield* open(role, { use: hold })
        yield* peer.pause
        let sent = 0
        const length = 16 * kib
        const sending = yield* Effect.forEach(
          Array.from({ length: 2000 }, (_, i) => i),
          (i) => Effect.tap(ws.send(numbered(i, length)), () => Effect.sync(() => sent++)),
          { discard: true }
        ).pipe(Effect.forkChild)
        const before = yield* settled(() => sent)
        assert.isBelow(before, 2000)
        assert.isUndefined(sending.pollUnsafe())
        assert.isAtMost(socket.writableLength, socket.writableHighWaterMark + length + 14)
        yield* peer.resume
        for (let i = 0; i < 2000; i++) {
          assert.isTrue(numbered(i, length).equals((yield* peer.frame).payload), `message ${i}`)
        }
        yield* Fiber.join(sending)
      }))

    it.live("a send that is interrupted while it waits sends nothing, and the others arrive whole and in order", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold })
        const { peer, ws } = opened
        const large = yield* fillUp(opened)
        const sends = yield* Effect.forEach(
          Array.from({ length: 100 }, (_, i) => i),
          (i) => Effect.forkChild(ws.send(numbered(i, 100)), { startImmediately: true })
        )
        yield* Effect.forEach(sends.filter((_, i) => i % 3 === 0), Fiber.interrupt)
        yield* peer.resume
        const exits = yield* Effect.forEach(sends, Fiber.await)
        yield* ws.send("last")
        yield* peer.frames(large)
        const received: Array<number> = []
        for (let frame = yield* peer.frame; frame.opcode === Raw.binary; frame = yield* peer.frame) {
          received.push(frame.payload.readUInt32BE(0))
        }
        assert.deepStrictEqual(received, exits.flatMap((exit, i) => (Exit.isSuccess(exit) ? [i] : [])))
        assert.strictEqual(received.length, 66)
      }))

    it.live("a message in pieces that is interrupted while its first one waits leaves the connection as it was", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold })
        const { peer, ws } = opened
        const large = yield* fillUp(opened)
        const sending = yield* Effect.forkChild(ws.sendStream("text", Stream.make("never")), { startImmediately: true })
        const behind = yield* Effect.forkChild(ws.send("behind"), { startImmediately: true })
        yield* turns
        assert.isUndefined(sending.pollUnsafe())
        yield* Fiber.interrupt(sending)
        yield* peer.resume
        yield* Fiber.join(behind)
        yield* peer.frames(large)
        assertFrames([yield* peer.frame], role, [text("behind")])
      }))

    it.live("closing is not refused for lack of room, and waiting sends fail once the connection is over", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold, closeDeadline: 0 })
        const { ws } = opened
        yield* fillUp(opened)
        const waiting = yield* Effect.forkChild(Effect.flip(ws.send("waits")), { startImmediately: true })
        assert.strictEqual((yield* ws.close(4000)).code, 1006)
        const error = yield* Fiber.join(waiting)
        assert.notStrictEqual(error.reason._tag, "Encode")
      }))
  })
})

describe("interruption of receive", () => {
  inBothRoles((role) => {
    it.live("loses no message", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role, { use: hold })
        const received: Array<string> = []
        const count = 300
        for (let i = 0; i < count; i++) {
          const receiving = yield* Effect.forkChild(ws.receive, { startImmediately: true })
          const sending = yield* Effect.forkChild(peer.send([text(`${i}`)]), { startImmediately: true })
          // In another phase each time, from before the message has left to after it has come.
          for (let turn = 0; turn < i % 5; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(receiving)
          const exit = yield* Fiber.await(receiving)
          if (Exit.isSuccess(exit) && exit.value._tag === "Text") received.push(exit.value.text)
          yield* Fiber.join(sending)
        }
        while (received.length < count) {
          const message = yield* ws.receive
          if (message._tag === "Text") received.push(message.text)
        }
        assert.deepStrictEqual(received, Array.from({ length: count }, (_, i) => `${i}`))
      }))
  })
})

describe("the close deadline", () => {
  inBothRoles((role) => {
    it.effect("close gives a silent peer until the deadline, and not a millisecond more", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role, { use: hold, closeDeadline: "3 seconds" })
        const closing = yield* Effect.forkChild(ws.close(4000))
        assertFrames([yield* peer.frame], role, [close(4000)])
        yield* TestClock.adjust("2999 millis")
        yield* turns
        assert.isUndefined(closing.pollUnsafe())
        assert.isFalse(peer.hasEnded())
        yield* TestClock.adjust("1 millis")
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 1006, reason: "" })
        yield* peer.ended
      }))

    it.effect("the end of the scope, too: first for its Close frame, then for its end of TCP", () =>
      Effect.gen(function*() {
        for (const answers of [false, true]) {
          const { closed, interrupt, peer } = yield* open(role, { use: hold })
          yield* Effect.forkChild(interrupt)
          assertFrames([yield* peer.frame], role, [close(1001)])
          if (answers) yield* peer.send([close(1001)])
          const waiting = yield* Effect.forkChild(closed, { startImmediately: true })
          yield* TestClock.adjust("4999 millis")
          yield* turns
          assert.isUndefined(waiting.pollUnsafe())
          yield* TestClock.adjust("1 millis")
          yield* Fiber.join(waiting)
          yield* peer.ended
        }
      }))
  })
})
