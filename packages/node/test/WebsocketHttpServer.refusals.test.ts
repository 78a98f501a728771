import { assert, describe, it } from "@effect/vitest"
import { type OpenError, Refused } from "@websocket-stream/node/WebsocketError"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as WebsocketMetrics from "@websocket-stream/node/WebsocketMetrics"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer } from "node:http"
import { type Changes, dial, exchange, request } from "./support/http.ts"
import { type Options, serving, websocket } from "./support/httpServer.ts"
import { alone, eventually, nothing, values } from "./support/metrics.ts"
import { manyTurns } from "./support/server.ts"
import { event, reasonOf } from "./support/streams.ts"

/** Greets, which says that a connection is open. */
const greet = websocket("/", (ws) => ws.send("Hello"))

const greeted = Effect.fnUntraced(function*(connect: Effect.Success<ReturnType<typeof serving>>["connect"]) {
  const message = yield* Effect.flatMap(connect("/"), ({ receive }) => receive)
  assert.strictEqual(message._tag === "Text" && message.text, "Hello")
}, Effect.scoped)

/** A route that takes the connection as Effect's `Socket`, as those do that know nothing of us. */
const socketRoute = HttpRouter.add(
  "GET",
  "/socket",
  Effect.gen(function*() {
    const { reader } = yield* (yield* HttpServerRequest).upgrade
    const { pull } = yield* reader
    yield* pull
    return HttpServerResponse.empty()
  })
)

const needsKey = HttpRouter.middleware((app) =>
  Effect.gen(function*() {
    const { headers } = yield* HttpServerRequest
    if (headers["authorization"] === "Bearer key") return yield* app
    return HttpServerResponse.text("who are you?", { status: 401, headers: { "www-authenticate": "Bearer" } })
  })
).layer

describe("What a WebsocketHttpServer refuses", () => {
  it.live("R21: middleware runs for upgrades as for requests, before the 101, and refuses in its own words", () =>
    Effect.gen(function*() {
      const page = HttpRouter.add("GET", "/page", HttpServerResponse.text("a page"))
      const { connect, port } = yield* serving(Layer.provide(Layer.mergeAll(greet, page), needsKey))
      const reason = yield* reasonOf(Effect.asVoid(connect("/")))
      if (!(reason instanceof Refused)) return assert.fail(reason.message)
      assert.deepStrictEqual(
        [reason.status, reason.headers["www-authenticate"], reason.body],
        [401, "Bearer", "who are you?"]
      )
      const { rest, status } = yield* exchange(port, "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      assert.deepStrictEqual([status, rest.toString()], [401, "who are you?"])
      const ws = yield* connect("/", { headers: [["Authorization", "Bearer key"]] })
      assert.strictEqual((yield* ws.receive)._tag, "Text")
    }))

  it.live("R24: a page of another origin gets a 403, unless it is allowed", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(
        Layer.merge(greet, websocket("/open", () => Effect.void, { origins: () => true })),
        { websocket: { closeDeadline: "20 millis" } }
      )
      const status = (path: string, origin: string) =>
        Effect.map(
          exchange(port, request({ line: `GET ${path} HTTP/1.1`, headers: { Origin: origin } })),
          ({ status }) => status
        )
      assert.strictEqual(yield* status("/", "https://evil.test"), 403)
      assert.strictEqual(yield* status("/", "http://server.example.com"), 101)
      assert.strictEqual(yield* status("/open", "https://evil.test"), 101)
    }))

  const refusals: ReadonlyArray<Changes & { readonly name: string; readonly status: number; readonly says: string }> = [
    {
      name: "no key",
      headers: { "Sec-WebSocket-Key": undefined },
      status: 400,
      says: "Sec-WebSocket-Key must be 16 bytes in Base64, it is missing"
    },
    { name: "no Host", headers: { Host: undefined }, status: 400, says: "the Host header is missing" },
    { name: "version 12", headers: { "Sec-WebSocket-Version": "12" }, status: 426, says: "must be 13, it is 12" }
  ]
  for (const path of ["/", "/socket"]) {
    for (const { headers, name, says, status } of refusals) {
      it.live(`R14: an upgrade of ${path} with ${name} gets a ${status}, and middleware sees it`, () =>
        Effect.gen(function*() {
          const seen = yield* Queue.unbounded<number>()
          const { connect, port } = yield* serving(Layer.mergeAll(greet, socketRoute), {
            // Node itself refuses a request without the header Host, unless it is told not to.
            server: createServer({ requireHostHeader: false }),
            around: (app) => Effect.tap(app, ({ status }) => Queue.offer(seen, status))
          })
          const response = yield* exchange(port, request({ line: `GET ${path} HTTP/1.1`, headers: headers ?? {} }))
          assert.strictEqual(response.status, status)
          assert.include(response.rest.toString(), says)
          assert.strictEqual(yield* Queue.take(seen), status)
          yield* greeted(connect)
        }))
    }
  }

  it.live("R14: an upgrade with absurdly many headers gets a 4xx, and the server lives", () =>
    Effect.gen(function*() {
      const { connect, port } = yield* serving(greet)
      const many = Array.from({ length: 2_500 }, (_, i) => `${i}: \r\n`).join("")
      const { status } = yield* exchange(port, request().replace("\r\n", `\r\n${many}`))
      assert.strictEqual(status, 431)
      yield* greeted(connect)
    }))

  // A parser may drop headers where there are too many of them, though it has seen that this is an upgrade.
  for (
    const [name, status] of [["upgrade", 426], ["connection", 426], ["sec-websocket-key", 400], ["host", 400]] as const
  ) {
    it.live(`R14: an upgrade whose header ${name} the parser has dropped gets a ${status}, and the server lives`, () =>
      Effect.gen(function*() {
        const server = createServer()
        server.once("upgrade", ({ headers }) => {
          delete headers[name]
        })
        const { connect, port } = yield* serving(greet, { server })
        assert.strictEqual((yield* exchange(port, request())).status, status)
        yield* greeted(connect)
      }))
  }

  it.live("options that cannot be used are found before the server listens, or answered with a 500", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(
        WebsocketHttpServer.make(createServer, { port: 0, websocket: { receiveBuffer: 0 } })
      )
      assert.deepInclude(error.cause, { _tag: "OptionError", option: "receiveBuffer" })
      const failed = yield* Queue.unbounded<OpenError["reason"]>()
      const route = (path: HttpRouter.PathInput, options: WebsocketHttpServer.UpgradeOptions) =>
        HttpRouter.add(
          "GET",
          path,
          Effect.scoped(WebsocketHttpServer.upgrade(options)).pipe(
            Effect.tapError(({ reason }) => Queue.offer(failed, reason)),
            Effect.as(HttpServerResponse.empty())
          )
        )
      const { port } = yield* serving(Layer.mergeAll(
        route("/buffer", { receiveBuffer: 0 }),
        route("/frame", { limits: { maxFrameSize: -1 } }),
        route("/headers", { headers: [["X", "a\r\nSet-Cookie: b"]] }),
        route("/subprotocols", { subprotocols: ["chat, superchat"] })
      ))
      for (
        const [path, option] of [
          ["/buffer", "receiveBuffer"],
          ["/frame", "limits.maxFrameSize"],
          ["/headers", "headers.X"],
          ["/subprotocols", "subprotocols"]
        ]
      ) {
        const { headers, status } = yield* exchange(port, request({ line: `GET ${path} HTTP/1.1` }))
        assert.strictEqual(status, 500)
        assert.isFalse(headers.has("set-cookie"))
        const reason = yield* Queue.take(failed)
        assert.strictEqual(reason._tag === "InvalidOption" && reason.error.option, option)
      }
    }))

  it.live("R27: those whom there is no room for get a 503, until somebody leaves", () =>
    Effect.gen(function*() {
      const left = yield* Queue.unbounded<void>()
      const { connect } = yield* serving(
        websocket("/", (ws) => Effect.andThen(ws.send("in"), ws.receive)),
        {
          websocket: { maxConnections: 1, metrics: true },
          // Behind the end of everything that the request had.
          around: (app) => Effect.andThen(Effect.addFinalizer(() => Queue.offer(left, undefined)), app)
        }
      )
      const first = yield* connect("/")
      yield* first.receive
      const reason = yield* reasonOf(Effect.asVoid(connect("/")))
      assert.deepInclude(reason, { _tag: "Refused", status: 503 })
      assert.deepStrictEqual([...(yield* Metric.value(WebsocketMetrics.connectionsRefused)).occurrences], [["503", 1]])
      yield* Queue.take(left)
      yield* first.close()
      yield* Queue.take(left)
      const second = yield* connect("/")
      yield* second.receive
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))
})

describe("What a WebsocketHttpServer refuses is counted by the status that the client got", () => {
  const badHeaders = { headers: [["bad name", "x"]] } as const
  const routes = Layer.mergeAll(
    greet,
    socketRoute,
    HttpRouter.add("GET", "/denied", HttpServerResponse.text("no", { status: 401 })),
    HttpRouter.add("GET", "/dies", Effect.die("a bug")),
    HttpRouter.add("GET", "/own", Effect.fail(HttpServerResponse.empty({ status: 409 }))),
    websocket("/headers", () => Effect.void, badHeaders),
    websocket("/buffer", () => Effect.void, { receiveBuffer: 0 }),
    HttpRouter.add(
      "GET",
      "/caught",
      Effect.as(Effect.ignore(WebsocketHttpServer.upgrade(badHeaders)), HttpServerResponse.empty())
    ),
    Layer.provide(websocket("/key", () => Effect.void), needsKey)
  )
  const refusals: ReadonlyArray<readonly [name: string, path: string, status: number, headers?: Changes["headers"]]> = [
    ["by a route", "/denied", 401],
    ["by a route that dies", "/dies", 500],
    ["by a route that fails with a response", "/own", 409],
    ["by no route", "/nowhere", 404],
    ["by middleware of a route", "/key", 401],
    ["for headers that cannot be used", "/headers", 500],
    ["for headers that cannot be used, whatever the route answers then", "/caught", 500],
    ["for options that cannot be used", "/buffer", 500],
    ["for its origin", "/", 403, { Origin: "https://elsewhere.test" }],
    ["for its version", "/socket", 426, { "Sec-WebSocket-Version": "7" }]
  ]
  for (const [name, path, status, headers = {}] of refusals) {
    it.live(`${name}, once`, () =>
      alone(Effect.gen(function*() {
        const { port } = yield* quietly(serving(routes, { websocket: { metrics: true } }))
        const response = yield* exchange(port, request({ line: `GET ${path} HTTP/1.1`, headers }))
        assert.strictEqual(response.status, status)
        assert.deepStrictEqual(yield* values, { ...nothing, refused: { [status]: 1 } })
      })))
  }

  for (
    const [name, status, around] of [
      ["answers", 429, () => Effect.succeed(HttpServerResponse.empty({ status: 429 }))],
      ["dies", 500, () => Effect.die("a bug")]
    ] as const
  ) {
    it.live(`by middleware of the server that ${name}, once`, () =>
      alone(Effect.gen(function*() {
        const { port } = yield* quietly(serving(routes, { around, websocket: { metrics: true } }))
        assert.strictEqual((yield* exchange(port, request())).status, status)
        yield* eventually(({ refused }) => refused[status] === 1)
      })))
  }

  it.live("and not by what middleware makes of that behind it", () =>
    alone(Effect.gen(function*() {
      const around: Options["around"] = (app) =>
        Effect.as(Effect.exit(app), HttpServerResponse.empty({ status: 200 })) as typeof app
      const { port } = yield* quietly(serving(routes, { around, websocket: { metrics: true } }))
      assert.strictEqual((yield* exchange(port, request({ line: "GET /dies HTTP/1.1" }))).status, 500)
      yield* manyTurns
      assert.deepStrictEqual((yield* values).refused, { 500: 1 })
    })))

  it.live("by the end of the server", () =>
    alone(Effect.gen(function*() {
      const arrived = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const slow = HttpRouter.add("GET", "/", Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never))
      const { port } = yield* Scope.provide(
        serving(slow, { gracefulShutdownTimeout: 0, websocket: { metrics: true } }),
        scope
      )
      const answer = yield* Effect.forkChild(exchange(port, request()))
      yield* Deferred.await(arrived)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual((yield* Fiber.join(answer)).status, 503)
      assert.deepStrictEqual((yield* values).refused, { 503: 1 })
    })))

  it.live("and nothing is that is no refusal of a WebSocket", () =>
    alone(Effect.gen(function*() {
      const [arrived, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const slow = HttpRouter.add(
        "GET",
        "/slow",
        Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never)
      )
      const { connect, port } = yield* quietly(serving(Layer.merge(routes, slow), {
        websocket: { metrics: true },
        around: (app) => Effect.ensuring(app, Deferred.succeed(ended, undefined))
      }))
      const uncounted = yield* serving(routes)
      // Opened, a request for something else, one that is gone before it is answered, and a server that was not asked to count.
      yield* greeted(connect)
      const plain = { line: "GET /denied HTTP/1.1", headers: { Upgrade: undefined, Connection: "close" } }
      assert.strictEqual((yield* exchange(port, request(plain))).status, 401)
      const socket = yield* dial(port)
      socket.write(request({ line: "GET /slow HTTP/1.1" }))
      yield* Deferred.await(arrived)
      socket.resetAndDestroy()
      yield* Deferred.await(ended)
      yield* exchange(uncounted.port, request({ line: "GET /denied HTTP/1.1" }))
      yield* manyTurns
      assert.deepStrictEqual((yield* values).refused, {})
    })))
})

/** Without what is logged of those that die. */
const quietly = Effect.provide(Logger.layer([]))

describe("R23: clients of a WebsocketHttpServer that reset the connection", () => {
  const cases = [
    ["before the route has upgraded", false],
    ["at once", true]
  ] as const
  for (const [name, atOnce] of cases) {
    it.live(`${name} end nothing else`, () =>
      Effect.gen(function*() {
        const arrived = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<string>()
        const server = createServer()
        const slow = HttpRouter.add(
          "GET",
          "/slow",
          Effect.gen(function*() {
            yield* Deferred.succeed(arrived, undefined)
            return yield* Effect.never
          }).pipe(Effect.onExit(({ _tag }) => Deferred.succeed(ended, _tag)))
        )
        const { connect, port } = yield* serving(Layer.mergeAll(greet, slow), { server }).pipe(
          Effect.provide(Logger.layer([]))
        )
        const accepted = once(server, "connection")
        const socket = yield* dial(port)
        const [peer] = yield* Effect.promise(() => accepted)
        const gone = yield* Effect.forkChild(event(peer, "close"), { startImmediately: true })
        socket.write(request({ line: `GET ${atOnce ? "/" : "/slow"} HTTP/1.1` }))
        if (!atOnce) yield* Deferred.await(arrived)
        socket.resetAndDestroy()
        yield* Fiber.join(gone)
        // As any request whose client is gone.
        if (!atOnce) assert.strictEqual(yield* Deferred.await(ended), "Failure")
        yield* greeted(connect)
      }))
  }

  it.live("between the upgrade and the handshake leave a connection that says so", () =>
    Effect.gen(function*() {
      const [arrived, gone] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const seen = yield* Deferred.make<unknown, unknown>()
      const server = createServer()
      const route = HttpRouter.add(
        "GET",
        "/slow",
        Effect.gen(function*() {
          yield* Deferred.succeed(arrived, undefined)
          yield* Deferred.await(gone)
          const ws = yield* WebsocketHttpServer.upgrade()
          return yield* reasonOf(ws.receive)
        }).pipe(
          Effect.onExit((exit) => Deferred.done(seen, exit)),
          Effect.as(HttpServerResponse.empty())
        ),
        // Otherwise interrupted, as any request whose client is gone.
        { uninterruptible: true }
      )
      const { connect, port } = yield* serving(Layer.mergeAll(greet, route), { server })
      const accepted = once(server, "connection")
      const socket = yield* dial(port)
      const [peer] = yield* Effect.promise(() => accepted)
      const closed = yield* Effect.forkChild(event(peer, "close"), { startImmediately: true })
      socket.write(request({ line: "GET /slow HTTP/1.1" }))
      yield* Deferred.await(arrived)
      socket.resetAndDestroy()
      yield* Fiber.join(closed)
      yield* Deferred.succeed(gone, undefined)
      assert.deepInclude(yield* Deferred.await(seen), { _tag: "Io", code: "ECONNRESET" })
      yield* greeted(connect)
    }))
})
