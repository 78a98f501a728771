import { assert, describe, it } from "@effect/vitest"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketSocket from "@websocket-stream/node/WebsocketSocket"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import {
  type Accepted,
  assertReason,
  closed,
  open,
  type OpenReader,
  reasonOf,
  serve,
  take,
  texts
} from "./support/sockets.ts"
import { Steps } from "./support/stepping.ts"
import { assertWaiting, park } from "./support/streams.ts"
import { manyTurns } from "./support/turns.ts"

/** A socket to a server, and the server's end of its first connection. */
const connected = Effect.gen(function*() {
  const { accepted, url } = yield* serve
  // A server that does not receive does not see our Close frame, either.
  const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url, { closeDeadline: 0 }))
  const reader = yield* open(socket)
  const writer = yield* socket.writer
  return { accepted, socket, reader, writer, server: yield* accepted }
})

// As many as no socket holds.
const count = 300
const large = "a".repeat(64 * 1024)

describe("WebsocketSocket.toSocket", () => {
  it.live("gives a string for a text and bytes for a binary message, one element a message", () =>
    Effect.gen(function*() {
      const { reader, server } = yield* connected
      yield* server.ws.sendAll(["Hello", Uint8Array.of(1, 2), "", new Uint8Array(0), "é"])
      const elements = yield* take(reader.pull, 5)
      assert.deepStrictEqual(
        elements.map((element) => (typeof element === "string" ? element : [...element])),
        ["Hello", [1, 2], "", [], "é"]
      )
    }))

  it.live("sends a string as a text and bytes as a binary message, one and many", () =>
    Effect.gen(function*() {
      const { server, writer } = yield* connected
      yield* writer.write("Hello")
      yield* writer.write(Uint8Array.of(1, 2))
      yield* writer.writeAll(["", Uint8Array.of(3), "é"])
      const messages = yield* Effect.replicateEffect(server.ws.receive, 5)
      assert.deepStrictEqual(
        messages.map((message) => (message._tag === "Text" ? message.text : [...message.payload])),
        ["Hello", [1, 2], "", [3], "é"]
      )
    }))

  it.live("keeps each message of many fibers whole, and those of one fiber in order", () =>
    Effect.gen(function*() {
      const { server, writer } = yield* connected
      const text = (fiber: number, i: number) => `${fiber}:${i}:${`${fiber % 10}`.repeat(fiber * 1000)}`
      const all = Array.from({ length: 20 }, (_, fiber) => Array.from({ length: 20 }, (_, i) => text(fiber, i)))
      const writing = yield* Effect.forkChild(Effect.forEach(all, (own, fiber) =>
        fiber % 2 === 0 ? Effect.forEach(own, writer.write) : writer.writeAll([own[0]!, ...own.slice(1)]), {
        concurrency: "unbounded"
      }))
      const received = yield* texts(server, 400)
      yield* Fiber.join(writing)
      for (const [fiber, own] of all.entries()) {
        assert.deepStrictEqual(
          received.filter((text) =>
            text.startsWith(`${fiber}:`)
          ),
          own
        )
      }
    }))

  it.live("dials for each reader; what is written without a connection waits for the next", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* serve
      const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url))
      const { write, writeAll } = yield* socket.writer
      for (const name of ["first", "second"]) {
        const writes = [yield* park(write(name)), yield* park(writeAll(["and", "more"]))]
        yield* manyTurns
        yield* Effect.forEach(writes, assertWaiting)
        const reader = yield* open(socket)
        const server = yield* accepted
        assert.sameMembers([...yield* texts(server, 3)], [name, "and", "more"])
        yield* Fiber.joinAll(writes)
        yield* reader.close()
        yield* server.ws.closed
      }
    }))

  it.live("a writer that waits for the next connection takes no turns meanwhile", () =>
    Effect.gen(function*() {
      const { accepted, reader, socket, writer } = yield* connected
      yield* reader.close()
      const steps = new Steps()
      const writing = yield* steps.fork(64, writer.write("late"))
      for (let turns = 0; steps.step(); turns++) assert.isBelow(turns, 100)
      yield* open(socket)
      yield* steps.settle
      assert.deepStrictEqual(yield* texts(yield* accepted, 1), ["late"])
      yield* Fiber.join(writing)
    }))

  it.live("connects again when the scoped loop is retried", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* serve
      const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url))
      const { writeAll } = yield* socket.writer
      const echo = Effect.scoped(
        Effect.flatMap(socket.reader, ({ pull }) => Effect.forever(Effect.flatMap(pull, writeAll)))
      )
      yield* Effect.forkScoped(Effect.retry(echo, { schedule: Schedule.spaced("1 millis") }))
      for (const name of ["first", "second", "third"]) {
        const { tcp, ws } = yield* accepted
        yield* ws.send(name)
        assert.deepStrictEqual(yield* texts({ tcp, ws }, 1), [name])
        if (name === "first") yield* ws.close(1012)
        else tcp.resetAndDestroy()
      }
    }))

  it.live("writes to the newest of several connections, whichever of the others ends", () =>
    Effect.gen(function*() {
      const { accepted, reader, server, socket, writer } = yield* connected
      yield* writer.write("first")
      yield* open(socket)
      const second = yield* accepted
      yield* writer.write("second")
      yield* reader.close()
      yield* writer.write("third")
      assert.deepStrictEqual([yield* texts(server, 1), yield* texts(second, 2)], [["first"], ["second", "third"]])
    }))

  it.live("dials in the scope of the reader, with what there was where the socket was made", () =>
    Effect.gen(function*() {
      const { url } = yield* serve
      const seen: Array<string> = []
      const Url = Context.Service<"Url", string>("Url")
      const outer = yield* Scope.fork(yield* Effect.scope)
      const dial = Effect.gen(function*() {
        seen.push((yield* Effect.currentSpan).name)
        yield* Effect.addFinalizer(() => Effect.sync(() => seen.push("closed")))
        return yield* WebsocketClient.connect(yield* Url)
      })
      const socket = yield* WebsocketSocket.toSocket(dial).pipe(
        Scope.provide(outer),
        Effect.provideService(Url, url),
        Effect.withSpan("made")
      )
      const { close } = yield* Effect.withSpan(open(socket), "opened")
      assert.deepStrictEqual(seen, ["opened"])
      yield* close()
      assert.deepStrictEqual(seen, ["opened", "closed"])
    }))

  it.live("makes a writer wait for a peer that does not receive", () =>
    Effect.gen(function*() {
      const { server, writer } = yield* connected
      const writing = yield* Effect.forkChild(Effect.forEach(Array.from({ length: count }), () => writer.write(large)))
      yield* manyTurns
      yield* assertWaiting(writing)
      assert.strictEqual((yield* texts(server, count)).join("").length, count * large.length)
      yield* Fiber.join(writing)
    }))

  it.live("makes the peer wait while nobody pulls", () =>
    Effect.gen(function*() {
      const { reader, server } = yield* connected
      const sending = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: count }), () => server.ws.send(large))
      )
      yield* manyTurns
      yield* assertWaiting(sending)
      assert.strictEqual((yield* take(reader.pull, count)).join("").length, count * large.length)
      yield* Fiber.join(sending)
    }))

  const ends: ReadonlyArray<readonly [string, (server: Accepted, reader: OpenReader) => Effect.Effect<unknown>]> = [
    [
      "has seen the end",
      ({ tcp }, { pull }) => Effect.andThen(Effect.sync(() => tcp.resetAndDestroy()), Effect.exit(pull))
    ],
    ["has left", (_, { close }) => close()]
  ]
  for (const [name, end] of ends) {
    it.live(`sends what waited for room by the next connection, once, when the reader ${name}`, () =>
      Effect.gen(function*() {
        const { accepted, reader, server, socket, writer } = yield* connected
        const writes = yield* Effect.forEach(
          Array.from({ length: count }),
          (_, i) => Effect.forkChild(writer.write(`${i}`.padEnd(large.length)))
        )
        yield* manyTurns
        const waiting = writes.flatMap((fiber, i) => (fiber.pollUnsafe() === undefined ? [i] : []))
        assert.isNotEmpty(waiting)
        yield* end(server, reader)
        yield* reader.close()
        yield* open(socket)
        const received = yield* texts(yield* accepted, waiting.length)
        assert.deepStrictEqual(received.map(Number), waiting)
        yield* Fiber.joinAll(writes)
      }))
  }

  it.live("cannot be upgraded to TLS", () =>
    Effect.gen(function*() {
      const { reader } = yield* connected
      assert.strictEqual((yield* reasonOf(reader.upgrade()))._tag, "SocketUpgradeError")
    }))

  it.live("is a channel, which ends when a write fails though the peer is silent", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* serve
      const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url))
      const reading = yield* Stream.make("Hello", new Socket.CloseEvent(1006)).pipe(
        Stream.pipeThroughChannel(Socket.toChannelString(socket)),
        Stream.runDrain,
        reasonOf,
        Effect.forkChild
      )
      const server = yield* accepted
      assert.deepStrictEqual(yield* texts(server, 1), ["Hello"])
      assert.strictEqual((yield* Fiber.join(reading))._tag, "SocketWriteError")
    }))
})

describe("WebsocketSocket.fromWebsocket", () => {
  it.live("writes before there is a reader, and fails after there was one", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* serve
      const socket = WebsocketSocket.fromWebsocket(yield* WebsocketClient.connect(url))
      const server = yield* accepted
      const { write, writeAll } = yield* socket.writer
      yield* write("Hello")
      assert.deepStrictEqual(yield* texts(server, 1), ["Hello"])
      const reader = yield* open(socket)
      yield* server.ws.send("Hello")
      assert.deepStrictEqual(yield* reader.pull, ["Hello"])
      yield* reader.close()
      assertReason(yield* reasonOf(write("late")), { _tag: "SocketCloseError" })
      assertReason(yield* reasonOf(writeAll(["late"])), { _tag: "SocketCloseError" })
      assert.strictEqual((yield* server.ws.closed).received.code, 1000)
    }))

  it.live("takes a Websocket that somebody has wrapped: its reader ends when the peer agrees", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* serve
      const ws = yield* WebsocketClient.connect(url)
      const sent: Array<unknown> = []
      const send: typeof ws.send = (message, options) =>
        Effect.andThen(Effect.sync(() => sent.push(message)), ws.send(message, options))
      const socket = WebsocketSocket.fromWebsocket(
        Websocket.Websocket.of({
          send,
          subprotocol: ws.subprotocol,
          receive: ws.receive,
          receiveAll: ws.receiveAll,
          receiveStream: ws.receiveStream,
          runForEach: ws.runForEach,
          runForEachArray: ws.runForEachArray,
          messages: ws.messages,
          sendAll: ws.sendAll,
          sendStream: ws.sendStream,
          ping: ws.ping,
          roundTrip: ws.roundTrip,
          close: ws.close,
          closed: ws.closed
        })
      )
      const server = yield* accepted
      const reader = yield* open(socket)
      const { write } = yield* socket.writer
      yield* write("Hello")
      assert.deepStrictEqual(sent, ["Hello"])
      yield* texts(server, 1)
      const pulling = yield* park(reasonOf(reader.pull))
      yield* reader.close()
      assertReason(yield* Fiber.join(pulling), closed(1000))
      assert.strictEqual((yield* server.ws.closed).received.code, 1000)
    }))
})
