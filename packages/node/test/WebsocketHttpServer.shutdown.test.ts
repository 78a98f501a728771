import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Websocket } from "@websocket-stream/node/Websocket"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { decode } from "./support/frames.ts"
import { dial, parse, request } from "./support/http.ts"
import { type Options, serving, websocket } from "./support/httpServer.ts"
import { event, reasonOf, takeAll } from "./support/streams.ts"

type Ws = Websocket["Service"]

/** A server, and how to shut it down. */
const serve = Effect.fnUntraced(function*<E, R>(routes: Layer.Layer<never, E, R>, options?: Options) {
  const scope = yield* Scope.make()
  const server = yield* Scope.provide(serving(routes, options), scope)
  yield* Effect.addFinalizer(() => Scope.close(scope, Exit.void))
  return { ...server, shutdown: Scope.close(scope, Exit.void) }
})

/** Opens a connection and says nothing more, not even a Close frame. */
const silent = Effect.fnUntraced(function*(port: number, path = "/") {
  const socket = yield* dial(port)
  const open = event(socket, "readable")
  socket.write(request({ line: `GET ${path} HTTP/1.1` }))
  yield* open
  return socket
})

/** The code of the one frame that a client got behind the 101. */
const told = (bytes: Uint8Array) =>
  decode("server", parse(Buffer.from(bytes)).rest).map(({ opcode, payload }) => [
    Opcode.name(opcode),
    Buffer.from(payload).readUInt16BE()
  ])

const stay = (ws: Ws) => Stream.runDrain(ws.messages)

describe("The shutdown of a WebsocketHttpServer", () => {
  it.live("tells every peer 1001, and waits for its handler", () =>
    Effect.gen(function*() {
      const goOn = yield* Deferred.make<void>()
      const reached = yield* Queue.unbounded<string>()
      const goodbye = (ws: Ws) =>
        Effect.andThen(
          stay(ws),
          Queue.offer(reached, "told").pipe(
            Effect.andThen(Deferred.await(goOn)),
            Effect.andThen(Queue.offer(reached, "ended"))
          )
        )
      const { connect, shutdown } = yield* serve(websocket("/", goodbye))
      const ws = yield* connect("/")
      const down = yield* Effect.forkChild(shutdown)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1001, clean: true })
      assert.strictEqual(yield* Queue.take(reached), "told")
      assert.isUndefined(down.pollUnsafe())
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(down)
      assert.strictEqual(yield* Queue.take(reached), "ended")
    }))

  it.live("tells those, too, whose connection is another scope's than the request's, and counts them while it is open", () =>
    Effect.gen(function*() {
      const app = yield* Scope.make()
      const route = HttpRouter.add(
        "GET",
        "/",
        Effect.gen(function*() {
          const ws = yield* Scope.provide(WebsocketHttpServer.upgrade(), app)
          yield* Effect.forkIn(ws.runForEach((message) => ws.send(message)), app)
          return HttpServerResponse.empty()
        })
      )
      const { connect, shutdown } = yield* serve(route, { websocket: { maxConnections: 1 } })
      const ws = yield* connect("/")
      yield* ws.send("Hello")
      yield* ws.receive
      assert.deepInclude(yield* reasonOf(Effect.asVoid(connect("/"))), { _tag: "Refused", status: 503 })
      const down = yield* Effect.forkChild(shutdown)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1001, clean: true })
      yield* Fiber.join(down)
      yield* Scope.close(app, Exit.void)
    }))

  it.live("takes Effect's sockets as ours, and lets nobody in any more", () =>
    Effect.gen(function*() {
      const socket = HttpRouter.add(
        "GET",
        "/",
        Effect.gen(function*() {
          const { reader } = yield* (yield* HttpServerRequest).upgrade
          const { pull } = yield* reader
          return yield* Effect.forever(pull)
        })
      )
      const { connect, shutdown } = yield* serve(socket)
      const ws = yield* connect("/")
      const down = yield* Effect.forkChild(shutdown)
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1001, clean: true })
      yield* Fiber.join(down)
      assert.deepInclude(yield* reasonOf(Effect.asVoid(connect("/"))), { _tag: "Io", code: "ECONNREFUSED" })
    }))

  it.live("lets a request in flight finish, and turns away one that would upgrade by then", () =>
    Effect.gen(function*() {
      const [slow, late] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const arrived = yield* Queue.unbounded<void>()
      const wait = (deferred: Deferred.Deferred<void>) =>
        Effect.andThen(Queue.offer(arrived, undefined), Deferred.await(deferred))
      const { connect, port, shutdown } = yield* serve(Layer.mergeAll(
        HttpRouter.add("GET", "/slow", Effect.as(wait(slow), HttpServerResponse.text("done"))),
        HttpRouter.add(
          "GET",
          "/late",
          wait(late).pipe(Effect.andThen(WebsocketHttpServer.upgrade()), Effect.as(HttpServerResponse.empty()))
        ),
        websocket("/", stay)
      ))
      const ws = yield* connect("/")
      const [page, upgrade] = [yield* dial(port), yield* dial(port)]
      page.write("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      upgrade.write(request({ line: "GET /late HTTP/1.1" }))
      yield* Queue.take(arrived)
      yield* Queue.take(arrived)
      const down = yield* Effect.forkChild(shutdown)
      yield* reasonOf(ws.receive)
      yield* Deferred.succeed(late, undefined)
      assert.strictEqual(parse(Buffer.from(yield* takeAll(upgrade))).status, 503)
      assert.isUndefined(down.pollUnsafe())
      yield* Deferred.succeed(slow, undefined)
      const { rest, status } = parse(Buffer.from(yield* takeAll(page)))
      assert.deepStrictEqual([status, rest.toString()], [200, "done"])
      yield* Fiber.join(down)
    }))

  it.effect("a silent peer has until the close deadline, and its handler is told", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<unknown, unknown>()
      const { port, shutdown } = yield* serve(
        websocket("/", (ws) => Deferred.into(reasonOf(ws.receive), ended)),
        { websocket: { closeDeadline: "5 seconds", drainDeadline: "10 seconds" } }
      )
      const socket = yield* silent(port)
      const closed = yield* Effect.forkChild(takeAll(socket), { startImmediately: true })
      const down = yield* Effect.forkChild(shutdown)
      yield* event(socket, "readable")
      yield* TestClock.adjust("9 seconds")
      assert.deepStrictEqual(told(yield* Fiber.join(closed)), [["Close", 1001]])
      assert.deepInclude(yield* Deferred.await(ended), { _tag: "Io", code: "ETIMEDOUT" })
      yield* Fiber.join(down)
    }))

  it.effect("a handler that stays has until the drain deadline, then it is interrupted and its connection cut", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<boolean>()
      const [arrived, answer] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow = HttpRouter.add(
        "GET",
        "/slow",
        Deferred.succeed(arrived, undefined).pipe(
          Effect.andThen(Deferred.await(answer)),
          Effect.as(HttpServerResponse.text("done"))
        )
      )
      const stubborn = websocket(
        "/",
        () => Effect.onExit(Effect.never, (exit) => Deferred.succeed(ended, Exit.hasInterrupts(exit)))
      )
      const { port, shutdown } = yield* serve(
        Layer.merge(slow, stubborn),
        { websocket: { closeDeadline: "1 hour", drainDeadline: "10 seconds" } }
      )
      const page = yield* dial(port)
      page.write("GET /slow HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      yield* Deferred.await(arrived)
      const socket = yield* silent(port)
      const closed = yield* Effect.forkChild(takeAll(socket), { startImmediately: true })
      const down = yield* Effect.forkChild(shutdown)
      yield* event(socket, "readable")
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(down.pollUnsafe())
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(told(yield* Fiber.join(closed)), [["Close", 1001]])
      assert.isTrue(yield* Deferred.await(ended))
      // A request has longer.
      assert.isUndefined(down.pollUnsafe())
      yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(parse(Buffer.from(yield* takeAll(page))).status, 200)
      yield* Fiber.join(down)
    }))

  it.effect("an upgrade that no route has answered has as long as any request", () =>
    Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const hanging = HttpRouter.add("GET", "/", Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never))
      const { port, shutdown } = yield* serve(hanging, { gracefulShutdownTimeout: "30 seconds" })
      const socket = yield* dial(port)
      socket.write(request())
      yield* Deferred.await(arrived)
      const down = yield* Effect.forkChild(shutdown, { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.isNull(socket.read())
      yield* TestClock.adjust("1 seconds")
      assert.strictEqual(parse(Buffer.from(yield* takeAll(socket))).status, 503)
      yield* Fiber.join(down)
    }))

  it.effect("in its life, too, a server cuts a peer that is silent: not even a pong", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<unknown, unknown>()
      const { port } = yield* serve(websocket("/", (ws) => Deferred.into(reasonOf(ws.receive), ended)))
      const socket = yield* silent(port)
      yield* TestClock.adjust("80 seconds")
      assert.deepInclude(yield* Deferred.await(ended), { _tag: "Io", code: "ETIMEDOUT" })
      const { rest } = parse(Buffer.from(yield* takeAll(socket)))
      assert.strictEqual(decode("server", rest)[0]?.opcode, Opcode.Ping)
    }))
})
