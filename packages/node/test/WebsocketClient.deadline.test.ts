import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import * as Http from "node:http"
import { Socket } from "node:net"
import { gone, proper, type Request, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"
import { turn } from "./support/server.ts"
import { event, park } from "./support/streams.ts"

/** Our own end of a connection, to look at. */
class Watched extends Http.Agent {
  readonly dialled = Deferred.makeUnsafe<Socket>()
  override createConnection(...args: Parameters<Http.Agent["createConnection"]>) {
    const socket = super.createConnection(...args)
    if (socket instanceof Socket) Deferred.doneUnsafe(this.dialled, Effect.succeed(socket))
    return socket
  }
}

describe("openDeadline", () => {
  const silences: ReadonlyArray<readonly [string, (socket: Socket, request: Request) => unknown]> = [
    ["says nothing", () => {}],
    ["says 100 again and again", (socket) => socket.write("HTTP/1.1 100 Continue\r\n\r\n".repeat(3))],
    ["says half of a 101", (socket, request) => socket.write(proper(request).slice(0, -2))]
  ]
  for (const [what, answer] of silences) {
    it.effect(`R26: a server that ${what} is left after 10 seconds, and its socket with it`, () =>
      Effect.gen(function*() {
        const requested = yield* Deferred.make<void>()
        const { sockets, url } = yield* serve((socket, request) => {
          answer(socket, request)
          Deferred.doneUnsafe(requested, Effect.void)
        })
        const agent = new Watched()
        const fiber = yield* park(refusal(url, { agent }))
        yield* Deferred.await(requested)
        const socket = yield* Deferred.await(agent.dialled)
        yield* TestClock.adjust(9_999)
        yield* turn
        assert.isUndefined(fiber.pollUnsafe())
        assert.isFalse(socket.destroyed)
        yield* TestClock.adjust(1)
        const reason = yield* Fiber.join(fiber)
        assert.strictEqual(reason._tag, "Deadline")
        assert.strictEqual(reason.message, "the connection did not open within 10s; raise openDeadline")
        // Before the scope is closed.
        assert.isTrue(socket.destroyed)
        yield* gone(yield* Queue.take(sockets))
      }))
  }

  it.effect("R26: covers the resolving of the name", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const agent = new Watched()
      const lookup = () => Deferred.doneUnsafe(asked, Effect.void)
      const fiber = yield* park(
        refusal("ws://example.com/", { agent, openDeadline: "3 seconds", tls: { lookup } })
      )
      yield* Deferred.await(asked)
      yield* TestClock.adjust("3 seconds")
      const reason = yield* Fiber.join(fiber)
      assert.strictEqual(reason.message, "the connection did not open within 3s; raise openDeadline")
      assert.isTrue((yield* Deferred.await(agent.dialled)).destroyed)
    }))

  it.effect("R26: covers the handshake of TLS", () =>
    Effect.gen(function*() {
      const { port, sockets } = yield* serve(() => {})
      const fiber = yield* park(refusal(`wss://127.0.0.1:${port}/`))
      const socket = yield* Queue.take(sockets)
      yield* event(socket, "data")
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Deadline")
      yield* gone(socket)
    }))

  it.effect("R26: is one for all redirects together", () =>
    Effect.gen(function*() {
      const requests = yield* Queue.unbounded<Socket>()
      const { url } = yield* serve((socket) => Queue.offerUnsafe(requests, socket))
      const fiber = yield* park(refusal(url, { maxRedirects: 5 }))
      const first = yield* Queue.take(requests)
      yield* TestClock.adjust("6 seconds")
      first.write("HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n")
      const second = yield* Queue.take(requests)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Deadline")
      yield* Effect.forEach([first, second], gone)
    }))

  it.effect("R26: a refusal whose body does not end is told by then, with what there was", () =>
    Effect.gen(function*() {
      const agent = new Watched()
      const response = "HTTP/1.1 503 Busy\r\nContent-Length: 100\r\n\r\nhalf"
      const { sockets, url } = yield* serve((socket) => socket.write(response))
      const fiber = yield* park(refusal(url, { agent }))
      const socket = yield* Deferred.await(agent.dialled)
      while (socket.bytesRead < response.length) yield* turn
      // Node hands the body out in a turn of its own.
      yield* turn
      yield* turn
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepInclude(yield* Fiber.join(fiber), { _tag: "Refused", status: 503, body: "half" })
      yield* gone(yield* Queue.take(sockets))
    }))

  it.effect("has nothing to say of a connection that is open", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket, request) => socket.write(proper(request)))
      const agent = new Watched({ timeout: 5_000 })
      const stream = yield* WebsocketClient.connectStream(url, { agent })
      yield* TestClock.adjust("1 hour")
      yield* stream.write(9, "")
      const socket = yield* Deferred.await(agent.dialled)
      assert.isFalse(socket.destroyed)
      // Nor has the agent a timer on it any more.
      assert.strictEqual(socket.timeout, 0)
    }))

  it.effect("may be endless", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket, request) => socket.write(proper(request)))
      yield* WebsocketClient.connectStream(url, { openDeadline: "Infinity", agent: new Watched() })
    }))
})
