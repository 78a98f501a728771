import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { duplexPair } from "node:stream"
import * as Certificate from "./support/certificate.ts"
import { asText } from "./support/frames.ts"
import { dial, dialSecurely, exchange, parse, request, serve } from "./support/http.ts"
import { refusal } from "./support/refusal.ts"
import { knock, listening, local, logging, manyTurns, type Options, takeClose, until } from "./support/server.ts"
import { assertWaiting, event, reasonOf, takeAll } from "./support/streams.ts"

/** A server in a scope of its own, and its handler as a layer has it: closed first. */
const building = Effect.fnUntraced(function*<A, E, RA>(
  handler: WebsocketServer.Handler<A, E, WebsocketRequest.WebsocketRequest>,
  admit: Effect.Effect<A, WebsocketRequest.Refusal, RA>,
  options?: Options
) {
  const scope = yield* Scope.make()
  const run = WebsocketServer.serve(handler, { admit })
  const layer = Layer.provideMerge(run, WebsocketServer.layer({ ...local, ...options }))
  const { address } = Context.get(
    yield* Layer.buildWithScope(layer, scope),
    WebsocketServer.WebsocketServer
  )
  return {
    url: WebsocketServer.url(address),
    port: address._tag === "Tcp" ? address.port : 0,
    /** Begins to close. */
    close: Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
  }
})

const anybody = Effect.void

describe("The end of a server", () => {
  for (const drainCode of [undefined, 1012, 4007]) {
    it.live(`tells the peers by the code ${drainCode ?? 1001}, and waits for what the handlers still do`, () =>
      Effect.gen(function*() {
        const [receiving, gate] = [yield* Deferred.make<string>(), yield* Deferred.make<void>()]
        const { close, url } = yield* building(
          (ws) =>
            Effect.flip(ws.receive).pipe(
              Effect.tap(({ reason }) => Deferred.succeed(receiving, reason.message)),
              Effect.andThen(Deferred.await(gate))
            ),
          anybody,
          { drainCode }
        )
        const ws = yield* WebsocketClient.connect(url)
        const closing = yield* close
        const code = drainCode ?? 1001
        assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", by: "Peer", code, clean: true })
        assert.include(yield* Deferred.await(receiving), `the connection was closed on our side (${code}`)
        yield* assertWaiting(closing)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(closing)
      }))
  }

  for (const first of ["the server", "the scope of both", "who runs on it"]) {
    it.live(`refuses those who come while its handlers end, where ${first} ends first`, () =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const scope = yield* Scope.make()
        const server = yield* Scope.provide(WebsocketServer.make(local), scope)
        const url = WebsocketServer.url(server.address)
        const run = server.run(() => Deferred.await(gate))
        const fiber = yield* Effect.forkIn(run, first === "the scope of both" ? scope : yield* Effect.scope, {
          startImmediately: true
        })
        const ws = yield* WebsocketClient.connect(url)
        const end = first === "who runs on it" ? Fiber.interrupt(fiber) : Scope.close(scope, Exit.void)
        const ending = yield* Effect.forkChild(end, { startImmediately: true })
        yield* reasonOf(ws.receive)
        const reason = yield* refusal(url)
        const successor = yield* Effect.exit(Effect.scoped(WebsocketServer.make({ ...local, ...server.address })))
        if (first === "who runs on it") assert.strictEqual(reason._tag === "Refused" && reason.status, 503)
        else assert.strictEqual(reason._tag === "Io" && reason.code, "ECONNREFUSED")
        // Only once it listens no more there is a place for another.
        assert.strictEqual(Exit.isSuccess(successor), first !== "who runs on it")
        yield* assertWaiting(ending)
        yield* Deferred.succeed(gate, undefined)
        yield* Fiber.join(ending)
        yield* Fiber.await(fiber)
        yield* Scope.close(scope, Exit.void)
      }))
  }

  it.live("waits for the handlers of a run that was interrupted, and drains already", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(WebsocketServer.make(local), scope)
      const running = yield* Effect.forkChild(server.run(() => Deferred.await(gate)), { startImmediately: true })
      const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
      const draining = yield* Effect.forkChild(Fiber.interrupt(running), { startImmediately: true })
      yield* reasonOf(ws.receive)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* manyTurns
      yield* assertWaiting(closing)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll([draining, closing])
    }))

  it.live("waits for a handler that has it end by its very first step", () =>
    Effect.gen(function*() {
      const [began, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(WebsocketServer.make(local), scope)
      const handler = () => Effect.andThen(Deferred.succeed(began, undefined), Deferred.await(gate))
      yield* Effect.forkIn(server.run(handler), scope, { startImmediately: true })
      // Resumed within that step, as whoever waits for a `Deferred` is.
      const ended = Effect.andThen(Deferred.await(began), Scope.close(scope, Exit.void))
      const ending = yield* Effect.forkChild(ended, { startImmediately: true })
      const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1001 })
      yield* assertWaiting(ending)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(ending)
    }))

  it.live("lets a handler take the messages that have come, and sends what was queued", () =>
    Effect.gen(function*() {
      const [begun, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const received: Array<string> = []
      const { close, url } = yield* building((ws) =>
        Effect.gen(function*() {
          yield* ws.send("last words")
          yield* ws.receive
          yield* Deferred.succeed(begun, undefined)
          yield* Deferred.await(gate)
          for (;;) received.push(asText(yield* ws.receive))
        }), anybody)
      const ws = yield* WebsocketClient.connect(url)
      yield* ws.sendAll(["one", "two", "three"])
      yield* Deferred.await(begun)
      const closing = yield* close
      assert.strictEqual(asText(yield* ws.receive), "last words")
      yield* reasonOf(ws.receive)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
      assert.deepStrictEqual(received, ["two", "three"])
    }))

  it.effect("waits for a silent peer no longer than its deadline, however long a closing may take", () =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<void>()
      const { close, port } = yield* building(
        (ws) => Effect.ensuring(ws.receive, Deferred.succeed(ended, undefined)),
        anybody,
        { closeDeadline: "1 hour", idleDeadline: "1 day", drainDeadline: "10 seconds" }
      )
      const { socket } = yield* knock(port)
      const closing = yield* close
      assert.strictEqual(yield* takeClose(socket), 1001)
      yield* TestClock.adjust("9999 millis")
      yield* assertWaiting(closing)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      assert.isTrue(Deferred.isDoneUnsafe(ended))
      yield* event(socket.resume(), "close")
    }))

  it.effect("waits for a silent peer no longer than its closing may take, if that is less", () =>
    Effect.gen(function*() {
      const { close, port } = yield* building((ws) => ws.receive, anybody, {
        closeDeadline: "2 seconds",
        drainDeadline: "1 hour"
      })
      const { socket } = yield* knock(port)
      const closing = yield* close
      yield* takeClose(socket)
      yield* TestClock.adjust("4 seconds")
      yield* Fiber.join(closing)
    }))

  it.effect("interrupts a handler that never ends at its deadline", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const { close, url } = yield* building(
        () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined)),
        anybody,
        { drainDeadline: "10 seconds" }
      )
      const ws = yield* WebsocketClient.connect(url)
      const closing = yield* close
      yield* reasonOf(ws.receive)
      yield* TestClock.adjust("9999 millis")
      assert.isFalse(Deferred.isDoneUnsafe(interrupted))
      yield* assertWaiting(closing)
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(closing)
      yield* Deferred.await(interrupted)
    }))

  it.effect("waits for a handler that cannot be interrupted, and its peer is cut at the deadline", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { close, port } = yield* building(
        () => Effect.uninterruptible(Deferred.await(gate)),
        anybody,
        { drainDeadline: "10 seconds", closeDeadline: "1 hour" }
      )
      const { socket } = yield* knock(port)
      const closing = yield* close
      yield* takeClose(socket)
      const gone = yield* Effect.forkChild(event(socket.resume(), "close"), { startImmediately: true })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(gone)
      yield* TestClock.adjust("1 hour")
      yield* assertWaiting(closing)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
    }))

  it.effect("takes its deadline once, whoever closes first: the server or who runs on it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(
        WebsocketServer.make({ ...local, drainDeadline: "5 seconds", handshakeDeadline: "1 hour" }),
        scope
      )
      const asked = yield* Deferred.make<void>()
      const fiber = yield* Effect.forkChild(
        server.run(() => Effect.never, {
          admit: Effect.gen(function*() {
            const { path } = yield* WebsocketRequest.WebsocketRequest
            if (path === "/") return
            yield* Deferred.succeed(asked, undefined)
            return yield* Effect.never
          })
        }),
        { startImmediately: true }
      )
      const url = WebsocketServer.url(server.address)
      const ws = yield* WebsocketClient.connect(url)
      const undecided = yield* Effect.forkChild(refusal(`${url}undecided`), { startImmediately: true })
      yield* Deferred.await(asked)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* reasonOf(ws.receive)
      yield* TestClock.adjust("5 seconds")
      const reason = yield* Fiber.join(undecided)
      assert.strictEqual(reason._tag === "Refused" && reason.status, 503)
      yield* Fiber.join(closing)
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
    }))

  it.live("answers those who wait for a handler with a 503", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { port } = yield* Scope.provide(listening(), scope)
      const sockets = yield* Effect.replicateEffect(dial(port), 3)
      for (const socket of sockets) socket.write(request())
      // By the time that this is answered the others were read.
      yield* exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      yield* Scope.close(scope, Exit.void)
      const answers = yield* Effect.forEach(sockets, takeAll)
      assert.deepStrictEqual(answers.map((bytes) => parse(Buffer.from(bytes)).status), [503, 503, 503])
    }))

  it.live("turns away who comes while those are told who wait for a handler", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const scope = yield* Scope.make()
      yield* Scope.provide(WebsocketServer.attach(server), scope)
      // Of what is in memory nothing is taken before it is read.
      const [near, waiting] = duplexPair()
      server.emit("connection", near)
      const came = event(server, "upgrade")
      waiting.write(request())
      yield* came
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.strictEqual((yield* exchange(port, request())).status, 503)
      yield* assertWaiting(closing)
      assert.strictEqual(parse(Buffer.from(yield* takeAll(waiting))).status, 503)
      yield* Fiber.join(closing)
    }))

  it.live("answers those with a 503 whose request is whole only then", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { close, port, url } = yield* building(() => Deferred.await(gate), anybody)
      const ws = yield* WebsocketClient.connect(url)
      const late = yield* dial(port)
      late.write(request().slice(0, -2))
      yield* exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      const closing = yield* close
      yield* reasonOf(ws.receive)
      late.write("\r\n")
      assert.strictEqual(parse(Buffer.from(yield* takeAll(late))).status, 503)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
    }))

  it.live("destroys the connections that are in the middle of a request, or of TLS", () =>
    Effect.gen(function*() {
      for (const tls of [undefined, Certificate.make()]) {
        const { close, port } = yield* building((ws) => ws.receive, anybody, { tls })
        const sockets = yield* Effect.forEach(["", "GET / HT", "\x16\x03\x01\x02"], (bytes) =>
          Effect.tap(dial(port), (socket) => Effect.sync(() => socket.write(bytes, "latin1"))))
        const gone = yield* Effect.forEach(sockets, (socket) =>
          Effect.forkChild(event(socket.resume(), "close"), { startImmediately: true }))
        yield* Fiber.join(yield* close)
        yield* Fiber.joinAll(gone)
      }
    }))

  for (const kind of ["may be interrupted", "may not"] as const) {
    it.effect(`answers one by TLS, too, whose admission ${kind}, before it is gone itself`, () =>
      Effect.gen(function*() {
        const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
        const scope = yield* Scope.make()
        const server = yield* Scope.provide(
          WebsocketServer.make({
            ...local,
            tls: Certificate.make(),
            handshakeDeadline: "1 hour",
            drainDeadline: "10 seconds"
          }),
          scope
        )
        const decided = Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate))
        const admit = kind === "may not" ? Effect.uninterruptible(decided) : decided
        yield* Effect.forkScoped(server.run(() => Effect.die("a handler was run"), { admit }), {
          startImmediately: true
        })
        const socket = yield* dialSecurely(server.address._tag === "Tcp" ? server.address.port : 0)
        const answer = yield* Effect.forkChild(takeAll(socket), { startImmediately: true })
        socket.write(request())
        yield* Deferred.await(asked)
        const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
        yield* TestClock.adjust("10 seconds")
        yield* manyTurns
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual(parse(Buffer.from(yield* Fiber.join(answer))).status, 503)
        yield* Fiber.join(closing)
      }))
  }

  it.effect("answers an upgrade whose admission is not decided with a 503, when it is and at the deadline", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const gate = yield* Deferred.make<void>()
        const asked: Array<string> = []
        const { close, port } = yield* building(
          () => Effect.die("a handler was run by a server that closes"),
          Effect.gen(function*() {
            const { path } = yield* WebsocketRequest.WebsocketRequest
            asked.push(path)
            yield* path === "/late" ? Effect.never : Deferred.await(gate)
            if (path === "/defect") return yield* Effect.die("in time")
          }),
          { handshakeDeadline: "1 hour", drainDeadline: "10 seconds" }
        )
        const [decided, late] = yield* Effect.forEach(["/", "/late"], (path) =>
          Effect.forkChild(exchange(port, request({ line: `GET ${path} HTTP/1.1` })), { startImmediately: true }))
        yield* until(() =>
          asked.length === 2
        )
        const closing = yield* close
        yield* assertWaiting(closing)
        yield* Deferred.succeed(gate, undefined)
        assert.strictEqual((yield* Fiber.join(decided!)).status, 503)
        yield* assertWaiting(closing)
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual((yield* Fiber.join(late!)).status, 503)
        yield* Fiber.join(closing)
        assert.deepStrictEqual(logs, [])
      })
    ))
})
