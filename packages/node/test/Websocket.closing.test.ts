import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Websocket from "@websocket-stream/node/Websocket"
import type { ReadError } from "@websocket-stream/node/WebsocketError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MessageStream } from "../src/internal/messageStream.ts"
import { closeFrame, decode, encode, text } from "./support/frames.ts"
import { Scripted } from "./support/scripted.ts"
import { assertClosed, assertWaiting, make, park, reasonOf, turns } from "./support/streams.ts"
import { scripted, type Ws } from "./support/websockets.ts"

const ways: ReadonlyArray<readonly [what: string, close: (ws: Ws) => Effect.Effect<unknown, unknown>]> = [
  ["close that is interrupted", (ws) => Effect.flatMap(park(ws.close()), Fiber.interrupt)],
  ["close that is waited for", (ws) => park(ws.close())],
  [
    "message that ends in the middle of its pieces",
    (ws) => Effect.flip(ws.sendStream("text", Stream.concat(Stream.make("begun"), Stream.fail("broken"))))
  ]
]

describe("A peer that does not agree to close", () => {
  for (const [what, close] of ways) {
    it.effect(`is cut at the close deadline, whether anybody waits for it or not, and who receives is told why: behind a ${what}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted({ closeDeadline: "5 seconds" })
        const receiving = yield* park(reasonOf(ws.receive))
        yield* close(ws)
        yield* turns
        assert.strictEqual(decode("server", duplex.sentBytes).at(-1)?.opcode, Opcode.Close)
        yield* TestClock.adjust("4999 millis")
        yield* assertWaiting(receiving)
        yield* TestClock.adjust("1 millis")
        const reason = yield* Fiber.join(receiving)
        assert.deepInclude(reason, { _tag: "Io", code: "ETIMEDOUT" })
        assert.include(reason._tag === "Io" && reason.cause.message, "the peer did not close for 5s")
        assert.isTrue(duplex.destroyed)
      }))
  }
})

describe("A peer that still sends when it was told to close", () => {
  const dropped: ReadonlyArray<readonly [what: string, frames: ReadonlyArray<Frame.Frame>]> = [
    ["a message", [text("dropped")]],
    ["fragments", [{ ...text("drop"), fin: false }, Frame.make(Opcode.Continuation, new Uint8Array(3))]]
  ]
  const receivings: ReadonlyArray<readonly [how: string, receive: (ws: Ws) => Effect.Effect<unknown, ReadError>]> = [
    ["whole", (ws) => ws.receive],
    ["in pieces", (ws) => Effect.scoped(Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runDrain(pieces)))]
  ]
  for (const [what, frames] of dropped) {
    for (const [how, receive] of receivings) {
      it.effect(`is not heard with a gap: nobody waited for ${what}, and the next is received ${how}`, () =>
        Effect.gen(function*() {
          const { duplex, ws } = yield* scripted({ closeDeadline: "5 seconds" })
          yield* Effect.addFinalizer(() => Effect.sync(() => duplex.destroy()))
          const waiting = yield* park(ws.receive)
          const closing = yield* park(ws.close())
          duplex.push(encode("server", text("waited for")))
          assert.deepInclude(yield* Fiber.join(waiting), { text: "waited for" })
          for (const frame of frames) duplex.push(encode("server", frame))
          yield* turns
          const receiving = yield* park(reasonOf(receive(ws)))
          for (const frame of [text("behind it"), closeFrame(1000)]) duplex.push(encode("server", frame))
          assert.deepInclude(yield* Fiber.join(receiving), { _tag: "Closed", code: 1000 })
          yield* Fiber.join(closing)
        }))
    }
  }
})

describe("A peer that cannot be told to close, as our side was ended by somebody else", () => {
  const ways: ReadonlyArray<readonly [what: string, close: (ws: Ws) => Effect.Effect<unknown>]> = [
    ["close that is interrupted", (ws) => Effect.flatMap(park(ws.close()), Fiber.interrupt)],
    [
      "server that asks it to leave",
      (ws) => Effect.sync(() => ws instanceof MessageStream && ws.begone(Close.make(1001)))
    ]
  ]
  for (const [what, close] of ways) {
    it.effect(`is cut at the close deadline, behind a ${what}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted({ closeDeadline: "5 seconds" })
        duplex.end()
        yield* turns
        yield* close(ws)
        yield* TestClock.adjust("4999 millis")
        assert.isFalse(duplex.destroyed)
        yield* TestClock.adjust("1 millis")
        assert.isTrue(duplex.destroyed)
      }))
  }
})

describe("A peer that has ended its side of TCP", () => {
  it.live("is told so in turn by a close of ours, which nothing can come behind", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      duplex.push(null)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1006 })
      yield* turns
      assert.isFalse(duplex.writableEnded)
      yield* ws.close()
      assert.isTrue(duplex.writableEnded)
    }))

  for (const when of ["the first", "one behind another"] as const) {
    it.live(`is waited for by no ping that comes then: ${when}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted()
        if (when === "one behind another") {
          const pinging = yield* park(ws.ping(Uint8Array.of(1)))
          duplex.push(encode("server", Frame.make(Opcode.Pong, Uint8Array.of(1))))
          yield* Fiber.join(pinging)
        }
        duplex.push(null)
        assertClosed(yield* reasonOf(ws.receive), "Peer")
        assertClosed((yield* Effect.flip(ws.ping())).reason, "Peer")
      }))
  }

  it.live("is told so, too, by the answer to its Close frame, which waited for a message to be received", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      const ws = yield* Effect.flatMap(make(duplex, { role: "client" }), Websocket.make)
      duplex.push(encode("client", text("unread"), Frame.make(Opcode.Close, new Uint8Array(0))))
      duplex.push(null)
      yield* turns
      yield* ws.receive
      assert.isFalse(duplex.writableEnded)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1005 })
      assert.isTrue(duplex.writableEnded)
    }))
})

describe("A close of ours", () => {
  it.effect("is answered past all that nobody has received, of which nothing is lost that had come before", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ closeDeadline: "5 seconds", receiveBuffer: 1 })
      duplex.push(encode("server", text("unread")))
      yield* turns
      const closing = yield* park(ws.close(4000))
      duplex.push(encode("server", text("too late")))
      yield* turns
      duplex.push(encode("server", closeFrame(4000)))
      yield* turns
      assert.deepStrictEqual(closing.pollUnsafe(), Exit.succeed(Close.make(4000)))
      assert.deepInclude(yield* ws.receive, { _tag: "Text", text: "unread" })
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4000 })
      duplex.destroy()
    }))
})

// RFC 6455 7.1.1: a stream that is given up before resets a peer that still sends, which may never see our Close frame.
describe("A scope that closes all that it has at once", () => {
  it.effect("waits for the peer to agree to close, and to end its side of TCP, before the stream is given up", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make("parallel")
      const { duplex } = yield* Scope.provide(scripted({ closeDeadline: "5 seconds" }), scope)
      const closing = yield* park(Scope.close(scope, Exit.void))
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(({ opcode }) => opcode), [Opcode.Close])
      assert.isFalse(duplex.writableEnded)
      assert.isFalse(duplex.destroyed)
      duplex.push(encode("server", closeFrame(1000)))
      duplex.push(null)
      // The clock stands still: no deadline ends it.
      yield* Fiber.join(closing)
      assert.isTrue(duplex.destroyed)
    }))

  it.effect("waits no longer than the close deadline", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make("parallel")
      const { duplex } = yield* Scope.provide(scripted({ closeDeadline: "5 seconds" }), scope)
      const closing = yield* park(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(duplex.destroyed)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.isTrue(duplex.destroyed)
    }))
})

describe("A close of a connection that has failed", () => {
  it.live("says nothing that the peer was not told, and is not what the connection ended of", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      duplex.destroy(new Error("reset"))
      assert.strictEqual((yield* reasonOf(ws.receive))._tag, "Io")
      assert.strictEqual((yield* ws.close()).code, 1006)
      assert.strictEqual((yield* reasonOf(ws.close(1006)))._tag, "Encode")
      assert.strictEqual((yield* reasonOf(ws.send("too late")))._tag, "Io")
      assert.strictEqual((yield* Effect.flip(ws.ping())).reason._tag, "Io")
      assert.isUndefined((yield* ws.closed).sent)
    }))
})
