import { assert, describe, it } from "@effect/vitest"
import type { ProtocolError } from "@websocket-stream/core/ProtocolError"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import { OpenError, ReadError, WriteError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketSocket from "@websocket-stream/node/WebsocketSocket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Socket from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import { createServer } from "node:net"
import { listen } from "./support/http.ts"
import { gone, proper, serve as serveRaw } from "./support/rawServer.ts"
import { assertReason, closed, open, reasonOf, serve, texts } from "./support/sockets.ts"
import { assertWaiting, park } from "./support/streams.ts"
import { manyTurns } from "./support/turns.ts"

const connected = Effect.gen(function*() {
  const { accepted, url } = yield* serve
  const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url))
  const reader = yield* open(socket)
  const writer = yield* socket.writer
  return { accepted, socket, reader, writer, server: yield* accepted }
})

/** The same where the peer has said something, which was pulled, and has closed, which the reader was not told of. */
const closedUnheard = Effect.gen(function*() {
  const socket = yield* connected
  yield* socket.server.ws.send("Hello")
  assert.deepStrictEqual(yield* socket.reader.pull, ["Hello"])
  yield* socket.server.ws.close(4000, "enough")
  return socket
})

/** A socket to a peer that shakes hands and says nothing more, and the peer's end of TCP. */
const silent = Effect.gen(function*() {
  const { sockets, url } = yield* serveRaw((tcp, request) => tcp.write(proper(request)))
  const connect = WebsocketClient.connect(url, { closeDeadline: "1 hour" })
  return { connect, tcp: Queue.take(sockets) }
})

const codes = [[1000, ""], [1001, "away"], [1011, "oops"], [3000, "é"], [4999, "a".repeat(123)]] as const

describe("closing a socket of WebsocketSocket", () => {
  for (const [code, reason] of codes) {
    it.live(`a pull fails with the code ${code} and the reason of the peer, again and again`, () =>
      Effect.gen(function*() {
        const { reader, server } = yield* connected
        yield* server.ws.send("Hello")
        yield* Effect.forkChild(server.ws.close(code, reason))
        assert.deepStrictEqual(yield* reader.pull, ["Hello"])
        assertReason(yield* reasonOf(reader.pull), closed(code, reason))
        assertReason(yield* reasonOf(reader.pull), closed(code, reason))
      }))

    it.live(`a CloseEvent closes with the code ${code} and its reason`, () =>
      Effect.gen(function*() {
        const { reader, server, writer } = yield* connected
        yield* writer.write("Hello")
        const closing = yield* Effect.forkChild(writer.write(new Socket.CloseEvent(code, reason)))
        assert.deepStrictEqual(yield* texts(server, 1), ["Hello"])
        assert.deepInclude((yield* server.ws.closed).received, { code, reason })
        yield* Fiber.join(closing)
        assertReason(yield* reasonOf(reader.pull), { _tag: "SocketCloseError", code })
      }))
  }

  it.live("a CloseEvent without more closes with 1000", () =>
    Effect.gen(function*() {
      const { server, writer } = yield* connected
      yield* writer.write(new Socket.CloseEvent())
      assert.deepInclude((yield* server.ws.closed).received, { code: 1000, reason: "" })
    }))

  it.live("a CloseEvent that may not be sent fails, and the connection stays open", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.sendAll(["one", "two"])
      // Not even of who has something to answer is it dropped.
      assert.deepStrictEqual(yield* reader.pull, ["one", "two"])
      for (const event of [new Socket.CloseEvent(1006), new Socket.CloseEvent(1000, "a".repeat(124))]) {
        const reason = yield* reasonOf(writer.write(event))
        if (reason._tag !== "SocketWriteError") return assert.fail(reason._tag)
        assert.instanceOf(reason.cause, WriteError)
        assert.strictEqual(reason.cause.reason._tag, "Encode")
      }
      yield* writer.write("Hello")
      assert.deepStrictEqual(yield* texts(server, 1), ["Hello"])
    }))

  it.live("writes fail once the peer has closed: nothing is dropped", () =>
    Effect.gen(function*() {
      const { server, writer } = yield* connected
      yield* server.ws.close(4000, "enough")
      assertReason(yield* reasonOf(writer.write("late")), closed(4000, "enough"))
      assertReason(yield* reasonOf(writer.writeAll(["later"])), closed(4000, "enough"))
    }))

  it.live("a write that finds the end before a busy reader does waits for the next connection", () =>
    Effect.gen(function*() {
      const { accepted, reader, socket, writer } = yield* closedUnheard
      // What others write is no answer of the reader's.
      const writing = yield* park(writer.write("late"))
      // What the reader is busy with.
      yield* Effect.yieldNow
      yield* reader.close()
      yield* open(socket)
      assert.deepStrictEqual(yield* texts(yield* accepted, 1), ["late"])
      yield* Fiber.join(writing)
    }))

  it.effect("however busy that is, while it is told of the end within a second", () =>
    Effect.gen(function*() {
      const { accepted, reader, socket, writer } = yield* closedUnheard
      const writing = yield* park(writer.write("late"))
      yield* manyTurns
      yield* TestClock.adjust("999 millis")
      yield* assertWaiting(writing)
      assertReason(yield* reasonOf(reader.pull), closed(4000, "enough"))
      yield* reader.close()
      yield* open(socket)
      assert.deepStrictEqual(yield* texts(yield* accepted, 1), ["late"])
      yield* Fiber.join(writing)
    }))

  it.effect("and fails where the reader waits for it", () =>
    Effect.gen(function*() {
      const { writer } = yield* closedUnheard
      const writing = yield* park(reasonOf(writer.write("late")))
      yield* TestClock.adjust("1 second")
      assertReason(yield* Fiber.join(writing), closed(4000, "enough"))
    }))

  it.effect("or will not pull again", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.send("Hello")
      assert.deepStrictEqual(yield* Fiber.join(yield* Effect.forkChild(reader.pull)), ["Hello"])
      yield* server.ws.close(4000, "enough")
      assertReason(yield* reasonOf(writer.write("late")), closed(4000, "enough"))
    }))

  it.effect("or was told already", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.close(4000, "enough")
      assertReason(yield* reasonOf(reader.pull), closed(4000, "enough"))
      const writing = yield* Effect.forkChild(reasonOf(writer.write("late")))
      assertReason(yield* Fiber.join(writing), closed(4000, "enough"))
    }))

  it.effect("or pulls of the connection before", () =>
    Effect.gen(function*() {
      const { accepted, reader, socket, writer } = yield* connected
      yield* park(Effect.exit(reader.pull))
      yield* open(socket)
      yield* (yield* accepted).ws.close(4000, "enough")
      assertReason(yield* reasonOf(writer.write("late")), closed(4000, "enough"))
    }))

  it.live("and that of the reader itself fails at once", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.close(4000, "enough")
      const answer = Effect.andThen(Effect.exit(reader.pull), reasonOf(writer.write("late")))
      const answering = yield* Effect.forkChild(answer, { startImmediately: true })
      assert.isDefined(answering.pollUnsafe())
      assertReason(yield* Fiber.join(answering), closed(4000, "enough"))
    }))

  it.live("an answer of the reader's that finds the end is not sent, and its next pull tells why", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.sendAll(["one", "two"])
      const late = Effect.gen(function*() {
        assert.deepStrictEqual(yield* reader.pull, ["one", "two"])
        yield* server.ws.close(4000, "enough")
        yield* writer.write("first")
        yield* writer.write("second")
        // Who does not pull again is told of the end, too.
        assertReason(yield* reasonOf(writer.write("third")), closed(4000, "enough"))
        assertReason(yield* reasonOf(reader.pull), closed(4000, "enough"))
        return yield* reasonOf(writer.write("fourth"))
      })
      assertReason(yield* late, closed(4000, "enough"))
    }))

  it.live("what the reader writes once a pull has told of the end answers nothing of what came before", () =>
    Effect.gen(function*() {
      const { reader, server, writer } = yield* connected
      yield* server.ws.sendAll(["one", "two"])
      assert.deepStrictEqual(yield* reader.pull, ["one", "two"])
      yield* server.ws.close(4000, "enough")
      assertReason(yield* reasonOf(reader.pull), closed(4000, "enough"))
      assertReason(yield* reasonOf(writer.write("late")), closed(4000, "enough"))
    }))

  it.live("what is written before the first pull of a connection answers nothing of the one before it", () =>
    Effect.gen(function*() {
      const { accepted, reader, server, socket, writer } = yield* connected
      yield* server.ws.sendAll(["one", "two"])
      assert.deepStrictEqual(yield* reader.pull, ["one", "two"])
      yield* reader.close()
      yield* open(socket)
      yield* (yield* accepted).ws.close(4000, "enough")
      assertReason(yield* reasonOf(writer.write("late")), closed(4000, "enough"))
    }))

  const exits: ReadonlyArray<readonly [code: number, exit: Exit.Exit<unknown, unknown>]> = [
    [1000, Exit.void],
    [1001, Exit.interrupt()],
    [1011, Exit.fail("oops")]
  ]
  for (const [code, exit] of exits) {
    it.live(`the end of the reader's scope tells the peer ${code} for ${exit._tag}`, () =>
      Effect.gen(function*() {
        const { reader, server } = yield* connected
        yield* reader.close(exit)
        assert.deepInclude((yield* server.ws.closed).received, { code, reason: "" })
      }))
  }

  it.live("the end of the reader's scope fails a pull at once, however silent the peer is", () =>
    Effect.gen(function*() {
      const { connect, tcp } = yield* silent
      const reader = yield* open(yield* WebsocketSocket.toSocket(connect))
      const pulling = yield* park(reasonOf(reader.pull))
      const closing = yield* Effect.forkChild(reader.close())
      assertReason(yield* Fiber.join(pulling), closed(1006))
      // For the peer's Close frame.
      yield* assertWaiting(closing)
      ;(yield* tcp).destroy()
      yield* Fiber.join(closing)
    }))

  it.live("the end of a reader of an open connection waits for nothing, and fails pulls and writes that wait", () =>
    Effect.gen(function*() {
      const { connect, tcp } = yield* silent
      const socket = WebsocketSocket.fromWebsocket(yield* connect)
      const peer = yield* tcp
      peer.pause()
      const reader = yield* open(socket)
      const { write } = yield* socket.writer
      const pulling = yield* park(reasonOf(reader.pull))
      // As many as no socket holds.
      const writing = yield* park(reasonOf(Effect.replicateEffect(write("a".repeat(64 * 1024)), 300)))
      yield* manyTurns
      yield* assertWaiting(writing)
      yield* reader.close()
      assertReason(yield* Fiber.join(pulling), closed(1006))
      assertReason(yield* Fiber.join(writing), closed(1006))
      peer.destroy()
    }))
})

describe("failures of a socket of WebsocketSocket", () => {
  it.live("a connection that is lost was closed with 1006, and says why", () =>
    Effect.gen(function*() {
      const { reader, server } = yield* connected
      const pulling = yield* park(reasonOf(reader.pull))
      server.tcp.resetAndDestroy()
      assertReason(yield* Fiber.join(pulling), closed(1006, "the connection failed: read ECONNRESET"))
    }))

  it.live("and so was one that ends without a Close frame", () =>
    Effect.gen(function*() {
      const { connect, tcp } = yield* silent
      const { pull } = yield* open(yield* WebsocketSocket.toSocket(connect))
      ;(yield* tcp).end()
      assertReason(yield* reasonOf(pull), closed(1006))
    }))

  it.live("a peer that breaks the protocol is a SocketReadError, with the rule and the close code", () =>
    Effect.gen(function*() {
      const { connect, tcp } = yield* silent
      const { pull } = yield* open(yield* WebsocketSocket.toSocket(connect))
      const peer = yield* tcp
      // A text that is masked, as a server's may not be.
      peer.write(Uint8Array.of(0x81, 0x80, 0, 0, 0, 0))
      const reason = yield* reasonOf(pull)
      const { closeCode, reason: rule } = protocolErrorOf(reason)
      assert.deepStrictEqual([rule._tag, closeCode], ["MaskForbidden", 1002])
      peer.destroy()
    }))

  it.live("a server that is not there is a SocketOpenError, with our OpenError", () =>
    Effect.gen(function*() {
      const server = createServer()
      const port = yield* Effect.scoped(listen(server))
      const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(`ws://127.0.0.1:${port}/`))
      const reason = yield* reasonOf(Effect.scoped(socket.reader))
      if (reason._tag !== "SocketOpenError") return assert.fail(reason._tag)
      assert.strictEqual(reason.kind, "Unknown")
      assert.instanceOf(reason.cause, OpenError)
      assert.deepInclude(reason.cause.reason, { _tag: "Io", code: "ECONNREFUSED" })
    }))

  it.live("a server that does not answer in time is a SocketOpenError of kind Timeout", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serveRaw(() => {})
      const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url, { openDeadline: "10 millis" }))
      assertReason(yield* reasonOf(Effect.scoped(socket.reader)), { _tag: "SocketOpenError", kind: "Timeout" })
      yield* gone(yield* Queue.take(sockets))
    }))

  it.live("whatever else a connection cannot be opened for is its cause", () =>
    Effect.gen(function*() {
      const socket = yield* WebsocketSocket.toSocket(Effect.fail("no"))
      const reason = yield* reasonOf(Effect.scoped(socket.reader))
      if (reason._tag !== "SocketOpenError") return assert.fail(reason._tag)
      assert.deepStrictEqual([reason.kind, reason.cause], ["Unknown", "no"])
    }))
})

const protocolErrorOf = (reason: Socket.SocketErrorReason): ProtocolError => {
  if (reason._tag !== "SocketReadError") return assert.fail(reason._tag)
  assert.instanceOf(reason.cause, ReadError)
  if (reason.cause.reason._tag !== "Protocol") return assert.fail(reason.cause.reason._tag)
  return reason.cause.reason.error
}
