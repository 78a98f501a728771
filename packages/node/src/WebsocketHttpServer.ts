/**
 * Effect's `HttpServer` and our WebSockets on one port: a route upgrades, middleware runs before it, and other routes answer. In
 * the place of `NodeHttpServer`, whose options, layers and errors these are.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Clock from "effect/Clock"
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as HttpServer from "effect/http/HttpServer"
import { ServeError } from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { EarlyArrivals } from "./internal/earlyArrivals.ts"
import { serve } from "./internal/httpServer.ts"
import { HttpUpgrade, HttpUpgrades } from "./internal/httpUpgrade.ts"
import { cannotOpen } from "./internal/invalidOption.ts"
import * as Meter from "./internal/meter.ts"
import { settings } from "./internal/serverOptions.ts"
import { Timepiece } from "./internal/timepiece.ts"
import type * as Websocket from "./Websocket.ts"
import { Handshake, OpenError } from "./WebsocketError.ts"
import type * as WebsocketServer from "./WebsocketServer.ts"
import type * as WebsocketUpgrade from "./WebsocketUpgrade.ts"

/**
 * How to serve: as `NodeHttpServer` does, and besides.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<NodeHttpServer.Options, "websocket"> {
  /** As a `WebsocketServer` has them, with the same defaults. How long a request may take is the server's own to say. */
  readonly websocket?: Omit<WebsocketServer.ServingOptions, "handshakeDeadline"> | undefined
}

/**
 * How to open one connection in another way than the server's others.
 *
 * @category models
 * @since 0.1.0
 */
export interface UpgradeOptions
  extends
    Omit<WebsocketUpgrade.Options, "mode">,
    Omit<Websocket.Options, "subprotocol" | "deflate" | "closeDeadline" | "metrics">
{}

/**
 * The servers of Node that can be served: `node:http`, `node:https` and `node:http2`, where an upgrade comes by HTTP/1.1 only.
 *
 * @category models
 * @since 0.1.0
 */
export type Evaluate = Parameters<typeof NodeHttpServer.make>[0]

/**
 * Opens the WebSocket that the request asks for, in the handler of a route. It is closed with the scope, which is the request's
 * unless there is a nearer one: with 1000 if that ended well, 1001 if it was interrupted and 1011 if it failed.
 *
 * **Details**
 *
 * The options come before those of the server, one by one. A handler ends when it likes to, its response is dropped, and to end
 * with the `ReadError` or `WriteError` of its connection that is over is no failure. Others are logged, and not sent.
 *
 * The end of its client interrupts a handler of HTTP, unless the client has sent something behind its request, which a handler may
 * still upgrade to receive: one that may be slow to decide is to limit its own time. Behind the upgrade it does not: there may be
 * messages yet to receive, and `receive` fails behind the last of them. A handler that waits for something else has `closed` to
 * look at, or is interrupted after `handlerDeadline`.
 *
 * Fails with an `OpenError` of reason `Handshake` for a request that opens no connection, and of reason `InvalidOption` for options
 * that cannot be used: the client gets the status that belongs to it. It is `InvalidOption`, too, and a 500, for an upgrade that came
 * by a server of another module, such as `NodeHttpServer.layer` or `layerTest`.
 * Dies if it is asked a second time for the same request, and interrupts a handler that asks while the server shuts down.
 *
 * **Example** (A route that greets)
 *
 * ```ts
 * import { WebsocketClient, WebsocketHttpServer } from "@websocket-stream/node"
 * import { Effect, Layer } from "effect"
 * import { HttpRouter, HttpServer, HttpServerResponse } from "effect/http"
 * import { createServer } from "node:http"
 *
 * const greet = Effect.gen(function*() {
 *   const ws = yield* WebsocketHttpServer.upgrade()
 *   const message = yield* ws.receive
 *   yield* ws.send(message._tag === "Text" ? `Hello, ${message.text}` : "Hello")
 *   return HttpServerResponse.empty()
 * })
 *
 * const served = HttpRouter.serve(HttpRouter.add("GET", "/greet", greet), { disableLogger: true, disableListenLog: true })
 * const layer = Layer.provideMerge(served, WebsocketHttpServer.layer(createServer, { port: 0, host: "127.0.0.1" }))
 *
 * const program = Effect.gen(function*() {
 *   const url = yield* HttpServer.addressFormattedWith(Effect.succeed)
 *   const ws = yield* WebsocketClient.connect(`${url.replace("http", "ws")}/greet`)
 *   yield* ws.send("Ada")
 *   const message = yield* ws.receive
 *   return message._tag === "Text" && message.text
 * })
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, layer))) // => "Hello, Ada"
 * ```
 *
 * @category handlers
 * @since 0.1.0
 */
export const upgrade = (
  options?: UpgradeOptions
): Effect.Effect<Websocket.Websocket["Service"], OpenError, HttpServerRequest | Scope.Scope> =>
  Effect.flatMap(
    HttpServerRequest,
    (request) => HttpUpgrade.of(request)?.open(options) ?? Effect.fail(notOurs(request))
  )

/**
 * A server that listens for as long as the scope is open.
 *
 * **Details**
 *
 * `HttpServerRequest.upgrade` and `upgradeWith` give an Effect `Socket` over our WebSocket, so that `RpcServer` and others run
 * as they are; acquiring its reader shakes hands, and the scope of the reader closes the connection. Unlike Effect's own,
 * `upgradeWith` may add headers to the 101. Upgrades to other protocols than WebSocket stay Effect's.
 *
 * From Node 24.9 on `h2c`, `TLS` and `HTTP` are none of these: clients as Java's HttpClient and curl ask for them in passing, with any
 * request, and are answered as if they had not. As upgrades they would get a 411 for a body in chunks, no 100, and the end of their
 * connection.
 *
 * An upgrade runs through the same middleware and routes as any other request, and a route that does not upgrade answers it. One
 * that is no proper opening handshake gets the status that belongs to it. A client that takes nothing of such an answer for the
 * `idleDeadline` is cut.
 *
 * It listens before it is served: who comes meanwhile waits for that, as the layers of an application may take their time, and is
 * hung up on where the scope ends before.
 *
 * The end of the scope of `serve` stops the listening, and drains the WebSockets as that of a `WebsocketServer` does, while
 * other requests have the `gracefulShutdownTimeout`.
 *
 * Fails with a `ServeError` if it cannot listen, and for options of WebSockets that cannot be used: its cause is the
 * `OptionError` then.
 *
 * **Gotchas**
 *
 * It answers every upgrade, by a 404 where no route does. Whoever else opens upgrades of the same server of Node, as
 * `WebsocketUpgrade.runUpgrades` may, has such answers written into its connections: here it is routes that part the paths.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  evaluate: Evaluate,
  options: Options
): Effect.Effect<HttpServer.HttpServer["Service"], ServeError, Scope.Scope> =>
  Effect.gen(function*() {
    const { websocket, ...listen } = options
    const checked = yield* Effect.mapError(settings(websocket ?? {}), (cause) => new ServeError({ cause }))
    const clock = yield* Clock.Clock
    // Before anybody connects, so that there is something to read.
    yield* Meter.currentIf(checked.options.metrics)
    const server = evaluate()
    const early = yield* Effect.acquireRelease(
      Effect.sync(() => new EarlyArrivals(server)),
      (early) => Effect.sync(() => early.release())
    )
    const listening = yield* Scope.fork(yield* Effect.scope)
    // Before the end of `listening`, which waits for who has no answer.
    yield* Effect.addFinalizer(() => Effect.sync(() => early.end()))
    const http = yield* Scope.provide(NodeHttpServer.make(() => server, listen), listening)
    return HttpServer.make({
      address: http.address,
      serve: (app, middleware) =>
        Effect.tap(
          serve(http, server, new HttpUpgrades(checked, new Timepiece(clock)), app, middleware),
          () => Effect.sync(() => early.release())
        )
    })
  })

/**
 * The service alone.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerServer = (evaluate: Evaluate, options: Options): Layer.Layer<HttpServer.HttpServer, ServeError> =>
  Layer.effect(HttpServer.HttpServer, make(evaluate, options))

/**
 * The service, with those that a server on Node has use for.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  evaluate: Evaluate,
  options: Options
): Layer.Layer<HttpServer.HttpServer | HttpServices, ServeError> =>
  Layer.merge(layerServer(evaluate, options), NodeHttpServer.layerHttpServices)

/**
 * As {@link layer}, with options that are read from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  evaluate: Evaluate,
  options: Config.Wrap<Options>
): Layer.Layer<HttpServer.HttpServer | HttpServices, ServeError | Config.ConfigError> =>
  Layer.merge(
    Layer.effect(HttpServer.HttpServer, Effect.flatMap(Config.unwrap(options), (options) => make(evaluate, options))),
    NodeHttpServer.layerHttpServices
  )

/**
 * File system, paths and the like, of Node.
 *
 * @category models
 * @since 0.1.0
 */
export type HttpServices = Layer.Success<typeof NodeHttpServer.layerHttpServices>

// Our servers know each of their upgrades, so that one which nobody knows came by another.
const notOurs = ({ headers }: HttpServerRequest): OpenError => {
  // Whether its headers ask for an upgrade: what else a request has, or lacks, as HTTP/2 does a Host, is beside the point.
  const read = OpeningHandshake.read({ method: "GET", httpVersion: "1.1", headers: { host: "", ...headers } })
  return Result.isFailure(read) && read.failure.reason._tag === "NotAnUpgrade"
    ? new OpenError({ reason: new Handshake({ error: read.failure }) })
    : cannotOpen(anotherServer())
}

const anotherServer = () =>
  new OptionError({
    option: "server",
    value: "of another module",
    expected: "that of WebsocketHttpServer.layer, which takes the place of NodeHttpServer.layer"
  })
