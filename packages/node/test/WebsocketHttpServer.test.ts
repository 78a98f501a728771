import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { assert, describe, it } from "@effect/vitest"
import type { Websocket } from "@websocket-stream/node/Websocket"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import type { OpenError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as WebsocketMetrics from "@websocket-stream/node/WebsocketMetrics"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import type * as Socket from "effect/socket/Socket"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { createServer } from "node:http"
import { createSecureServer as createHttp2Server } from "node:http2"
import { createServer as createSecureServer } from "node:https"
import { connect as connectTcp } from "node:net"
import * as Certificate from "./support/certificate.ts"
import { asText, decode, encode, text } from "./support/frames.ts"
import { acceptOfKey, dial, exchange, parse } from "./support/http.ts"
import { closeDeadline, codes, handshake, serving, textOf, websocket } from "./support/httpServer.ts"
import { event, reasonOf, takeAll } from "./support/streams.ts"

type Ws = Websocket["Service"]

const echo = (ws: Ws) => Stream.runForEach(ws.messages, (message) => ws.send(message))

const page = HttpRouter.add("GET", "/page", HttpServerResponse.text("a page"))

const get = (port: number, path: string) =>
  exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`)

describe("WebsocketHttpServer", () => {
  it.live("one route upgrades and others answer, on the same port", () =>
    Effect.gen(function*() {
      const { connect, port } = yield* serving(Layer.mergeAll(page, websocket("/echo", echo)))
      const ws = yield* connect("/echo")
      const { rest, status } = yield* get(port, "/page")
      assert.deepStrictEqual([status, rest.toString()], [200, "a page"])
      yield* ws.send("Hello")
      assert.strictEqual(yield* textOf(ws), "Hello")
    }))

  it.live("the 101 proves that we read the key, and has the headers and the subprotocol that we chose", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(
        Layer.mergeAll(
          websocket("/", () => Effect.void),
          websocket("/own", (ws) => ws.send(ws.subprotocol ?? ""), { subprotocols: ["c"] })
        ),
        { websocket: { closeDeadline, subprotocols: ["a", "b"], headers: [["X-Served-By", "us"]] } }
      )
      const first = yield* exchange(port, handshake("/", { "Sec-WebSocket-Protocol": "x, b, a" }))
      assert.strictEqual(first.status, 101)
      assert.deepStrictEqual(Object.fromEntries(first.headers), {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-accept": acceptOfKey,
        "sec-websocket-protocol": "b",
        "x-served-by": "us"
      })
      const second = yield* exchange(
        port,
        handshake("/own", { Upgrade: "WebSocket", "Sec-WebSocket-Protocol": "a, c" })
      )
      assert.strictEqual(second.headers.get("sec-websocket-protocol"), "c")
      assert.strictEqual(second.headers.get("x-served-by"), "us")
      const [hello] = decode("server", second.rest)
      assert.deepStrictEqual(hello?.payload, new TextEncoder().encode("c"))
    }))

  it.live("upgradeWith adds headers to the 101, and the reader's scope closes the connection", () =>
    Effect.gen(function*() {
      const route = HttpRouter.add(
        "GET",
        "/",
        Effect.scoped(Effect.gen(function*() {
          const socket = yield* (yield* HttpServerRequest).upgradeWith({ headers: { "set-cookie": "a=1" } })
          const { write } = yield* socket.writer
          const { pull } = yield* socket.reader
          for (const message of yield* pull) yield* write(message)
        })).pipe(Effect.as(HttpServerResponse.empty()))
      )
      const { port } = yield* serving(route, { websocket: { closeDeadline, headers: [["X-Served-By", "us"]] } })
      const { headers, rest } = yield* exchange(
        port,
        Buffer.concat([Buffer.from(handshake("/")), encode("server", text("one"), text("two"))])
      )
      assert.deepInclude(Object.fromEntries(headers), { "set-cookie": "a=1", "x-served-by": "us" })
      const frames = decode("server", rest)
      assert.deepStrictEqual(frames.slice(0, 2).map(asText), ["one", "two"])
      assert.deepStrictEqual(codes(rest), [1000])
    }))

  /** A route with a writer that writes before the handshake, and why what it is used for fails. */
  const writingEarly = Effect.fnUntraced(function*(
    use: (
      upgraded: {
        readonly early: Fiber.Fiber<void, Socket.SocketError>
        readonly reader: Socket.Socket["reader"]
        readonly write: Socket.Writer["write"]
      }
    ) => Effect.Effect<Socket.SocketError["reason"], unknown>
  ) {
    const answer = yield* Deferred.make<string, unknown>()
    const route = HttpRouter.add(
      "GET",
      "/",
      Effect.gen(function*() {
        const { reader, writer } = yield* (yield* HttpServerRequest).upgrade
        const { write } = yield* writer
        const early = yield* Effect.forkChild(write("early"), { startImmediately: true })
        assert.isUndefined(early.pollUnsafe())
        yield* Deferred.into(Effect.map(use({ early, reader, write }), ({ _tag }) => _tag), answer)
        return HttpServerResponse.empty()
      })
    )
    return { answer: Deferred.await(answer), ...(yield* serving(route)) }
  })

  it.live("a writer waits for the handshake, and fails behind the end of the connection", () =>
    Effect.gen(function*() {
      const { answer, connect } = yield* writingEarly(({ early, reader, write }) =>
        Effect.andThen(Effect.scoped(Effect.andThen(reader, Fiber.join(early))), reasonOf(write("late")))
      )
      const ws = yield* connect("/")
      assert.strictEqual(yield* textOf(ws), "early")
      assert.strictEqual(yield* answer, "SocketCloseError")
    }))

  it.live("a writer that waits for a handshake fails with it", () =>
    Effect.gen(function*() {
      const { answer, port } = yield* writingEarly(({ early, reader }) =>
        Effect.andThen(Effect.flip(Effect.scoped(reader)), reasonOf(Fiber.join(early)))
      )
      yield* exchange(port, handshake("/", { "Sec-WebSocket-Key": undefined }))
      assert.strictEqual(yield* answer, "SocketOpenError")
    }))

  it.live("requests that middleware modified upgrade: a prefix, the headers of a proxy, a global rewrite", () =>
    Effect.gen(function*() {
      const whoIs = Effect.gen(function*() {
        const request = yield* HttpServerRequest
        const incoming = NodeHttpServerRequest.toIncomingMessage(request)
        return [request.url, Option.getOrThrow(request.remoteAddress), incoming.url].join(" ")
      })
      const routes = HttpRouter.use((router) =>
        router.prefixed("/api").add(
          "GET",
          "/ws",
          Effect.gen(function*() {
            const [ws, who] = [yield* WebsocketHttpServer.upgrade(), yield* whoIs]
            yield* ws.send(who)
            return HttpServerResponse.empty()
          })
        )
      )
      const socket = HttpRouter.use((router) =>
        router.prefixed("/api").add(
          "GET",
          "/socket",
          Effect.gen(function*() {
            const { reader, writer } = yield* (yield* HttpServerRequest).upgrade
            yield* reader
            yield* (yield* writer).write(yield* whoIs)
            return HttpServerResponse.empty()
          })
        )
      )
      const rewrite = HttpRouter.middleware(
        (app) =>
          Effect.updateService(app, HttpServerRequest, (request) => request.modify({ url: `${request.url}?seen` })),
        { global: true }
      )
      const { connect } = yield* serving(Layer.mergeAll(routes, socket, rewrite), {
        around: HttpMiddleware.xForwardedHeaders({ trustedProxies: () => true })
      })
      const headers = [["X-Forwarded-For", "203.0.113.7"]] as const
      for (const path of ["/ws", "/socket"]) {
        const ws = yield* connect(`/api${path}`, { headers })
        assert.strictEqual(yield* textOf(ws), `${path}?seen 203.0.113.7 /api${path}`)
      }
    }))

  it.live("an upgrade gets the ordinary response of a route that does not upgrade, and the connection ends", () =>
    Effect.gen(function*() {
      const node = createServer()
      const { port } = yield* serving(page, { server: node })
      const ended = once(node, "connection").then(([socket]) => once(socket, "close"))
      // It keeps its own side open.
      const socket = connectTcp({ port, host: "127.0.0.1", allowHalfOpen: true })
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      socket.write(handshake("/page"))
      const { rest, status } = parse(Buffer.from(yield* takeAll(socket)))
      assert.deepStrictEqual([status, rest.toString()], [200, "a page"])
      yield* Effect.promise(() => ended)
      assert.strictEqual((yield* exchange(port, handshake("/nowhere"))).status, 404)
    }))

  it.live("an upgrade gets all of a response that is longer than what its socket holds", () =>
    Effect.gen(function*() {
      const chunks = Stream.map(Stream.rechunk(Stream.range(1, 100), 1), () => Buffer.alloc(20_000, 7))
      const long = HttpRouter.add(
        "GET",
        "/long",
        Effect.succeed(HttpServerResponse.stream(chunks, { contentLength: 2_000_000 }))
      )
      const { port } = yield* serving(long)
      const { rest, status } = yield* exchange(port, handshake("/long"))
      assert.deepStrictEqual([status, rest.length], [200, 2_000_000])
    }))

  it.live("an upgrade whose client takes nothing of its response is cut after idleDeadline", () =>
    Effect.gen(function*() {
      const node = createServer()
      const long = HttpRouter.add("GET", "/long", HttpServerResponse.text("a".repeat(20_000_000)))
      const { port } = yield* serving(long, { server: node, websocket: { idleDeadline: "100 millis" } })
      const ended = once(node, "connection").then(([socket]) => once(socket, "close"))
      const socket = connectTcp({ port, host: "127.0.0.1" })
      yield* Effect.addFinalizer(() => Effect.sync(() => socket.destroy()))
      // Nobody reads what comes.
      socket.on("error", () => {}).write(handshake("/long"))
      yield* Effect.promise(() => ended)
    }))

  it.live("an upgrade whose client has taken all that there was of its response gets the rest, however late", () =>
    Effect.gen(function*() {
      const node = createServer()
      const late = yield* Deferred.make<void>()
      const parts = Stream.concat(Stream.make("one, "), Stream.as(Stream.fromEffect(Deferred.await(late)), "two"))
      const paused = HttpRouter.add("GET", "/paused", HttpServerResponse.stream(Stream.encodeText(parts)))
      const { port } = yield* serving(paused, { server: node, websocket: { idleDeadline: "100 millis" } })
      const expired = once(node, "connection").then(([socket]) => once(socket, "timeout"))
      const socket = yield* dial(port)
      socket.write(handshake("/paused", { Connection: "Upgrade, close" }))
      yield* Effect.promise(() => expired)
      yield* Deferred.succeed(late, undefined)
      const { rest } = parse(Buffer.from(yield* takeAll(socket)))
      assert.include(rest.toString(), "one, ")
      assert.include(rest.toString(), "two")
    }))

  it.live("a request that asks for no upgrade gets a 426 of a route that upgrades", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(websocket("/", echo))
      for (const asks of [{}, { Connection: "not-upgrade, close" }]) {
        const page = handshake("/", { Upgrade: "websocket", Connection: "close", ...asks })
        const { headers, rest, status } = yield* exchange(port, page)
        assert.strictEqual(status, 426)
        assert.strictEqual(headers.get("upgrade"), "websocket")
        assert.include(rest.toString(), "this address speaks WebSocket")
      }
    }))

  it.live("an upgrade that came by a server of Effect's is told whose it has to be", () =>
    Effect.gen(function*() {
      const told = yield* Deferred.make<never, OpenError>()
      const route = HttpRouter.add(
        "GET",
        "/",
        WebsocketHttpServer.upgrade().pipe(
          Effect.tapError((error) => Deferred.fail(told, error)),
          Effect.as(HttpServerResponse.empty())
        )
      )
      const served = HttpRouter.serve(route, { disableListenLog: true, disableLogger: true }).pipe(
        Layer.provideMerge(NodeHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
      )
      const { address } = Context.get(yield* Layer.build(served), HttpServer.HttpServer)
      const { status } = yield* exchange("port" in address ? address.port : 0, handshake("/"))
      assert.strictEqual(status, 500)
      const { message, reason } = yield* Effect.flip(Deferred.await(told))
      assert.strictEqual(reason._tag, "InvalidOption")
      assert.include(message, "that of WebsocketHttpServer.layer, which takes the place of NodeHttpServer.layer")
    }))

  it.live("other protocols are Effect's to upgrade to", () =>
    Effect.gen(function*() {
      const route = HttpRouter.add(
        "GET",
        "/raw",
        Effect.gen(function*() {
          const { reader, writer } = yield* (yield* HttpServerRequest).upgrade
          const { pull } = yield* reader
          const { write } = yield* writer
          for (const bytes of yield* pull) yield* write(bytes)
          return HttpServerResponse.empty()
        })
      )
      const { port } = yield* serving(route)
      const socket = yield* dial(port)
      socket.write(handshake("/raw", { Upgrade: "raw" }))
      yield* event(socket, "readable")
      socket.write("ping")
      const { headers, rest, status } = parse(Buffer.from(yield* takeAll(socket)))
      assert.deepStrictEqual([status, headers.get("upgrade"), rest.toString()], [101, "raw", "ping"])
    }))

  it.live("serves wss: by node:https, and by node:http2 for clients of HTTP/1.1", () =>
    Effect.gen(function*() {
      const certificate = Certificate.make()
      const servers = [
        () => createSecureServer(certificate),
        () => createHttp2Server({ ...certificate, allowHTTP1: true })
      ]
      for (const make of servers) {
        const { port } = yield* serving(websocket("/", echo), { server: make() })
        const ws = yield* WebsocketClient.connect(`wss://localhost:${port}/`, { tls: { ca: certificate.cert } })
        yield* ws.send("Hello")
        assert.strictEqual(yield* textOf(ws), "Hello")
      }
    }))

  it.live("counts what it opened and refused for WebsocketMetrics, if it is told to", () =>
    Effect.gen(function*() {
      const { connect, port } = yield* serving(websocket("/", echo), { websocket: { metrics: true } })
      yield* connect("/")
      yield* exchange(port, handshake("/", { "Sec-WebSocket-Key": undefined }))
      assert.strictEqual((yield* Metric.value(WebsocketMetrics.connectionsAccepted)).count, 1)
      assert.strictEqual((yield* Metric.value(WebsocketMetrics.connectionsOpen)).value, 1)
      const { occurrences } = yield* Metric.value(WebsocketMetrics.connectionsRefused)
      assert.deepStrictEqual([...occurrences], [["400", 1]])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map())))

  it.live("interrupts a handler that goes on for too long when its connection has ended", () =>
    Effect.gen(function*() {
      const interrupted = yield* Deferred.make<void>()
      const stay = () => Effect.onInterrupt(Effect.never, () => Deferred.succeed(interrupted, undefined))
      const { connect } = yield* serving(websocket("/", stay), {
        websocket: { closeDeadline, handlerDeadline: "10 millis" }
      })
      const ws = yield* connect("/")
      yield* ws.close()
      yield* Deferred.await(interrupted)
    }))

  it.live("listens alone for upgrades, and for as long as it serves", () =>
    Effect.gen(function*() {
      const server = createServer()
      const count = () => server.listenerCount("upgrade") + server.listenerCount("request")
      yield* Effect.scoped(
        Effect.tap(serving(page, { server }), () => Effect.sync(() => assert.strictEqual(count(), 2)))
      )
      assert.strictEqual(count(), 0)
    }))

  it.live("reads its options from the configuration, and fails as Effect's does where it cannot listen", () =>
    Effect.gen(function*() {
      const layer = WebsocketHttpServer.layerConfig(createServer, {
        port: Config.Port("PORT"),
        host: Config.succeed("127.0.0.1"),
        websocket: Config.succeed({ subprotocols: ["chat"] })
      })
      const address = Effect.map(
        HttpServer.HttpServer,
        ({ address }) => "port" in address ? address.port : 0
      )
      const provider = (port: number) => ConfigProvider.layer(ConfigProvider.fromUnknown({ PORT: `${port}` }))
      const { port } = yield* serving(page)
      const error = yield* Effect.flip(Effect.provide(address, Layer.provide(layer, provider(port))))
      assert.deepInclude((error as { readonly cause?: unknown }).cause, { code: "EADDRINUSE" })
    }))
})
