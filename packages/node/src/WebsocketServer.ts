/// <reference types="node" preserve="true" />
/**
 * A server: listens, shakes hands, and runs a handler for each connection in a fiber and a scope of its own. It drains its
 * connections when it closes, and gives each of them deadlines that one timer for all of them keeps.
 *
 * @since 0.1.0
 */
import { OptionError } from "@websocket-stream/core/OptionError"
import type * as Config from "effect/Config"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Server } from "node:http"
import type { ServerOptions } from "node:https"
import { cannotListen } from "./internal/invalidOption.ts"
import { addressOf, listen, makeServer } from "./internal/listening.ts"
import type { Reception } from "./internal/reception.ts"
import { defaults, type Settings, settings } from "./internal/serverOptions.ts"
import * as Serving from "./internal/serving.ts"
import type * as Websocket from "./Websocket.ts"
import type { ListenError } from "./WebsocketError.ts"
import type { Refusal, WebsocketRequest } from "./WebsocketRequest.ts"
import type * as WebsocketUpgrade from "./WebsocketUpgrade.ts"

/**
 * Where a server listens.
 *
 * @category models
 * @since 0.1.0
 */
export type Address =
  | { readonly _tag: "Tcp"; readonly host: string; readonly port: number }
  | { readonly _tag: "Unix"; readonly path: string }

/**
 * What is run for a connection. Its end decides what the peer is told: 1000 for a success, 1001 for an interruption, 1011 for a
 * failure or a defect, which is logged and not sent. To end with the `ReadError` or `WriteError` of a connection that is over
 * is no failure. Where a tracer was provided it runs in a span, `websocket.handler`; without one that would only weigh.
 *
 * Its scope ends before the peer is told: a finalizer may still send, and who has something to undo at once, such as to leave a room,
 * does not wait for a peer that is slow to agree. Where the peer, or a server that closes, has sent a Close frame before, nothing can
 * be sent any more: what is to be said when the server closes is to be said before its scope, or that of `run`, ends.
 *
 * The end of its client does not interrupt it: there may be messages yet to receive, and `receive` fails behind the last of them. A
 * handler that waits for something else has `closed` to look at, without which it stays, and counts among `maxConnections`, until a
 * `send` fails, or `handlerDeadline` has passed. What its client sends all the same delays that: `ws.runForEach(() => Effect.void)`
 * in place of `closed` drops it.
 *
 * **Example** (A feed that is only pushed)
 *
 * ```ts
 * import { WebsocketClient, WebsocketServer } from "@websocket-stream/node"
 * import { Deferred, Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
 *   const left = yield* Deferred.make<number>()
 *   yield* Effect.forkScoped(server.run((ws) => {
 *     const push = Effect.forever(Effect.andThen(ws.send("news"), Effect.sleep("1 hour")))
 *     return Effect.raceFirst(push, ws.closed).pipe(
 *       Effect.tap(({ received }) => Deferred.succeed(left, received.code))
 *     )
 *   }))
 *   const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
 *   const message = yield* ws.receive
 *   yield* ws.close(4000)
 *   return [message._tag === "Text" && message.text, yield* Deferred.await(left)]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["news", 4000]
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export type Handler<A, E, R> = (ws: Websocket.Websocket["Service"], admitted: A) => Effect.Effect<unknown, E, R>

/**
 * How to run a handler.
 *
 * @category models
 * @since 0.1.0
 */
export interface RunOptions<A, R> {
  /**
   * Runs before the connection is open, with its `WebsocketRequest`: what it answers is the handler's, and a `Refusal` is the
   * client's. Has as long as `handshakeDeadline`, and the end of its client does not interrupt it. Its scope is the
   * handler's, too: what it acquires is there until the handler has ended. Default: everybody is admitted.
   *
   * Written where it is given, it is best piped or a generator: behind `Effect.map(self, f)` there, TypeScript takes what the handler
   * gets for `unknown`, and the handler's parameter has to have a type.
   */
  readonly admit: Effect.Effect<A, Refusal, R>
  /** What the 101 says to this client instead of what the options say: a cookie, what a server behind us speaks. */
  readonly answer?: ((admitted: A) => Pick<WebsocketUpgrade.Options, "subprotocols" | "headers">) | undefined
}

/**
 * A server that listens.
 *
 * @category services
 * @since 0.1.0
 */
export class WebsocketServer extends Context.Service<WebsocketServer, {
  /** With the port that the system chose, where it was asked to. */
  readonly address: Address
  /**
   * Runs the handler for each connection, until it is interrupted or the server closes: then the connections are asked to leave by
   * `drainCode`, their handlers waited for, and interrupted after `drainDeadline`; who comes meanwhile gets a 503. What cannot be
   * interrupted is waited for without a bound, as everywhere in Effect, though its connection is cut. While nothing runs, clients
   * wait; of two that run, the later gets them.
   */
  readonly run: {
    <E, R>(
      handler: Handler<void, E, R>
    ): Effect.Effect<never, never, Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>>
    <A, E, R, RA>(
      handler: Handler<A, E, R>,
      options: RunOptions<A, RA>
    ): Effect.Effect<never, never, Exclude<Exclude<R | RA, Scope.Scope>, WebsocketRequest>>
  }
}>()("@websocket-stream/node/WebsocketServer") {}

/**
 * How to serve, wherever the connections come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface ServingOptions
  extends Omit<WebsocketUpgrade.Options, "mode">, Omit<Websocket.Options, "subprotocol" | "deflate">
{
  /**
   * How long a client may take from dialling to the first byte of its request, from there to the end of it, and `admit` after that.
   * Default: {@link defaultHandshakeDeadline}.
   */
  readonly handshakeDeadline?: Duration.Input | undefined
  /**
   * How often to ping, which measures the round trip and is heard where the peer is silent. Default: {@link defaultHeartbeat}, or two
   * fifths of `idleDeadline` where that is less. More than `idleDeadline` cuts who says nothing of itself.
   */
  readonly heartbeat?: Duration.Input | undefined
  /**
   * How long a peer may send nothing, not even a pong, or take nothing of what waits for it, before the connection is cut:
   * `receive` and `send` fail with the reason `Io`, of code `ETIMEDOUT`. While messages wait to be received it is not the peer who
   * is silent; nor is who takes of what waits for it, which no ping gets past. Default: {@link defaultIdleDeadline}.
   */
  readonly idleDeadline?: Duration.Input | undefined
  /** How long a connection may live before it is closed with 1001. Default: for ever. */
  readonly maxLife?: Duration.Input | undefined
  /**
   * How long a handler may go on when its connection has ended, from the last message that it received, before it is interrupted,
   * which is logged as a warning: one that waits for something else would never learn of it, and keep its place. Default:
   * {@link defaultHandlerDeadline}.
   */
  readonly handlerDeadline?: Duration.Input | undefined
  /**
   * Connections that may be open or opening at a time, or whose handler still runs; others get a 503. Default:
   * {@link defaultMaxConnections}.
   */
  readonly maxConnections?: number | undefined
  /** How long to wait for handlers when the server closes. Default: {@link defaultDrainDeadline}. */
  readonly drainDeadline?: Duration.Input | undefined
  /** What peers are told when the server closes. Default: 1001. */
  readonly drainCode?: number | undefined
}

/**
 * Where to listen: at a `port`, or at the `path` of a unix socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface ListenOptions {
  /** 0 lets the system choose. */
  readonly port?: number | undefined
  /** The name or address to listen at. Default: all addresses of the machine. */
  readonly host?: string | undefined
  /** The path of a unix socket, instead of a port: up to 107 bytes on Linux, where a name behind a NUL needs no file. */
  readonly path?: string | undefined
  /** A certificate and its key, as `node:https` takes them, to serve `wss:`. Default: none. */
  readonly tls?: ServerOptions | undefined
}

/**
 * How to listen and serve.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends ListenOptions, ServingOptions {}

/**
 * 10 seconds.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultHandshakeDeadline: Duration.Input = defaults.handshakeDeadline

/**
 * 30 seconds.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultHeartbeat: Duration.Input = defaults.heartbeat

/**
 * 75 seconds: two heartbeats, and time to answer the second.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultIdleDeadline: Duration.Input = defaults.idleDeadline

/**
 * 1 minute.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultHandlerDeadline: Duration.Input = defaults.handlerDeadline

/**
 * 10 seconds.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultDrainDeadline: Duration.Input = defaults.drainDeadline

/**
 * 65,536. Each takes a descriptor, of which the system may have to be asked for more.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultMaxConnections: number = defaults.maxConnections

/**
 * Listens for as long as the scope lives.
 *
 * **Details**
 *
 * The end of the scope stops the listening, and drains the connections as the interruption of `run` does. It waits for their
 * handlers up to `drainDeadline`, however silent their peers are. Requests that open no connection get their HTTP status.
 * Deadlines are kept to within half of the shortest of them. Fails with a `ListenError`: of reason `InvalidOption`, which names the
 * option, for a port or path in use, a certificate that is none, a limit out of range; of reason `Io` for what else the system
 * says, as that there are no descriptors left.
 *
 * **Gotchas**
 *
 * What runs in another scope that ends before, as {@link serve} does over a {@link layer}, knows nothing of the server's end: its
 * connections are drained while the server still listens, who comes back at once gets a 503, and the port is free behind the drain.
 * For a successor that is to listen meanwhile, run in the server's own scope.
 *
 * **Example** (An echo server)
 *
 * ```ts
 * import { WebsocketClient, WebsocketServer } from "@websocket-stream/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
 *   yield* Effect.forkScoped(server.run((ws) => ws.runForEach((message) => ws.send(message))))
 *   const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
 *   yield* ws.send("Hello")
 *   const message = yield* ws.receive
 *   return message._tag === "Text" && message.text
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "Hello"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<WebsocketServer["Service"], ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const checked = yield* check(options, true)
    const scope = yield* Effect.scope
    const server = yield* makeServer(options, checked)
    // Nobody is to come while the others leave. What was forked in this scope ends, and drains, before our own finalizers run, and
    // knows by the state of the scope whose end it is.
    const stopListening = () => {
      if (scope.state._tag === "Closed") server.close()
    }
    const reception = yield* Serving.receiveUpgrades(checked, server, stopListening)
    return service(reception, yield* listen(server, options))
  })

/**
 * Serves the upgrades of a `node:http` or `node:https` server that somebody else has let listen, and that may serve other things.
 *
 * **Details**
 *
 * The end of the scope drains the connections as {@link make} does, and leaves the server as it is. Of several that are attached,
 * one that still drains among them, the last gets who comes. Beside `WebsocketUpgrade.run` each client gets one answer, of whoever
 * is first, and the other logs an error. How long a client may take for its request is the server's own to say.
 * Fails with a `ListenError` for options that cannot be used, and for a server that does not listen.
 *
 * **Gotchas**
 *
 * It answers every upgrade, whatever its path, but for what `WebsocketUpgrade.run` leaves to the application, too. Whoever else listens
 * for upgrades and answers them writes into our connections, as Effect's own `HttpServer` does, whose routes answer with a 404: a
 * `WebsocketHttpServer` is for those.
 *
 * **Example** (A server that answers requests, too)
 *
 * ```ts
 * import { WebsocketClient, WebsocketServer } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { once } from "node:events"
 * import { createServer } from "node:http"
 *
 * const http = createServer((_, response) => response.end("a page"))
 * await once(http.listen(0, "127.0.0.1"), "listening")
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* WebsocketServer.attach(http)
 *   yield* Effect.forkScoped(server.run((ws) => ws.send("a message")))
 *   const url = WebsocketServer.url(server.address)
 *   const page = yield* Effect.promise(() => fetch(url.replace("ws", "http")).then((response) => response.text()))
 *   const ws = yield* WebsocketClient.connect(url)
 *   const message = yield* ws.receive
 *   return [page, message._tag === "Text" && message.text]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["a page", "a message"]
 * http.close()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const attach = (
  server: Server,
  options: ServingOptions = {}
): Effect.Effect<WebsocketServer["Service"], ListenError, Scope.Scope> =>
  Effect.gen(function*() {
    const checked = yield* check(options)
    const address = addressOf(server)
    if (address === undefined) {
      const expected = "one that listens: wait for its event listening before you attach"
      return yield* cannotListen(new OptionError({ option: "server", value: "not listening", expected }))
    }
    return service(yield* Serving.receiveUpgrades(checked, server, constVoid), address)
  })

/**
 * The service, listening for as long as the layer lives. Fails as {@link make} does.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<WebsocketServer, ListenError> =>
  Layer.effect(WebsocketServer, make(options))

/**
 * The same, with options that are read from the configuration: a `Config` for each, in `limits` and `tls` for each of theirs, or one
 * for all of them.
 *
 * **Details**
 *
 * Fails as {@link layer} does, and with a `ConfigError` for what is missing there, or is of no use. What is not read from it is a
 * `Config.succeed`. A `Config.Port` takes no 0.
 *
 * **Example** (A port that the environment says)
 *
 * ```ts
 * import { WebsocketServer } from "@websocket-stream/node"
 * import { Config, ConfigProvider, Effect, Layer } from "effect"
 *
 * const Server = WebsocketServer.layerConfig({
 *   host: Config.succeed("127.0.0.1"),
 *   port: Config.Int("PORT"),
 *   idleDeadline: Config.Duration("IDLE_DEADLINE").pipe(Config.withDefault(WebsocketServer.defaultIdleDeadline)),
 *   limits: { maxMessageSize: Config.Int("MAX_MESSAGE_SIZE") },
 *   metrics: Config.succeed(true)
 * })
 *
 * const program = (env: Record<string, string>) =>
 *   WebsocketServer.WebsocketServer.use(({ address }) => Effect.succeed(address._tag)).pipe(
 *     Effect.provide(Layer.provide(Server, ConfigProvider.layer(ConfigProvider.fromEnv({ env })))),
 *     Effect.catchTag("ListenError", (error) => Effect.succeed(error.message))
 *   )
 *
 * await Effect.runPromise(program({ PORT: "0", MAX_MESSAGE_SIZE: "65536" })) // => "Tcp"
 * const wrong = await Effect.runPromise(program({ PORT: "-1", MAX_MESSAGE_SIZE: "65536" }))
 * wrong // => "port is -1, it must be a whole number from 0 to 65535, or path be given"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>
): Layer.Layer<WebsocketServer, ListenError | Config.ConfigError> =>
  Layer.effect(
    WebsocketServer,
    // Whoever has a `Config` has loaded it. With it comes `Schema`, and nobody else is to start 50 ms later and to hold 4.6 MB for it.
    Effect.promise(() => import("effect/Config")).pipe(
      Effect.flatMap((Config) => Config.unwrap(options)),
      Effect.flatMap(make)
    )
  )

/**
 * Runs a handler on the service, until it is interrupted: see the service's `run`.
 *
 * @category running
 * @since 0.1.0
 */
export const run: {
  <E, R>(
    handler: Handler<void, E, R>
  ): Effect.Effect<never, never, WebsocketServer | Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>>
  <A, E, R, RA>(
    handler: Handler<A, E, R>,
    options: RunOptions<A, RA>
  ): Effect.Effect<never, never, WebsocketServer | Exclude<Exclude<R | RA, Scope.Scope>, WebsocketRequest>>
} = <A, E, R, RA>(
  handler: Handler<A, E, R>,
  options: RunOptions<A, RA> = unconditional
): Effect.Effect<never, never, WebsocketServer | Exclude<Exclude<R | RA, Scope.Scope>, WebsocketRequest>> =>
  WebsocketServer.use((server) => server.run(handler, options))

/**
 * Runs a handler for as long as the layer lives. Its end comes before the server's: see the gotchas of {@link make}.
 *
 * **Example** (A server as a layer)
 *
 * ```ts
 * import { WebsocketClient, WebsocketServer } from "@websocket-stream/node"
 * import { Effect, Layer } from "effect"
 *
 * const Shout = WebsocketServer.serve((ws) =>
 *   ws.runForEach((message) => ws.send(message._tag === "Text" ? message.text.toUpperCase() : message)))
 *
 * const Server = Layer.provideMerge(Shout, WebsocketServer.layer({ host: "127.0.0.1", port: 0 }))
 *
 * const program = Effect.gen(function*() {
 *   const { address } = yield* WebsocketServer.WebsocketServer
 *   const ws = yield* WebsocketClient.connect(WebsocketServer.url(address))
 *   yield* ws.send("hello")
 *   const message = yield* ws.receive
 *   return message._tag === "Text" && message.text
 * })
 *
 * await Effect.runPromise(Effect.scoped(Effect.provide(program, Server))) // => "HELLO"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const serve: {
  <E, R>(
    handler: Handler<void, E, R>
  ): Layer.Layer<never, never, WebsocketServer | Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>>
  <A, E, R, RA>(
    handler: Handler<A, E, R>,
    options: RunOptions<A, RA>
  ): Layer.Layer<never, never, WebsocketServer | Exclude<Exclude<R | RA, Scope.Scope>, WebsocketRequest>>
} = <A, E, R, RA>(
  handler: Handler<A, E, R>,
  options: RunOptions<A, RA> = unconditional
): Layer.Layer<never, never, WebsocketServer | Exclude<Exclude<R | RA, Scope.Scope>, WebsocketRequest>> =>
  Layer.effectDiscard(Effect.forkScoped(run(handler, options)))

/**
 * Where a client of this machine finds a server: the URL to dial, of `localhost` where the server listens at all addresses. A
 * unix socket is for `socketPath` to name besides.
 *
 * @category addresses
 * @since 0.1.0
 */
export const url = (address: Address, scheme: "ws" | "wss" = "ws"): string => {
  if (address._tag === "Unix") return `${scheme}://localhost/`
  const { host, port } = address
  if (host === "0.0.0.0" || host === "::") return `${scheme}://localhost:${port}/`
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}/`
}

const service = (reception: Reception, address: Address): WebsocketServer["Service"] => ({
  address,
  run: <A, E, R, RA>(handler: Handler<A, E, R>, options: RunOptions<A, RA> = unconditional) =>
    Serving.run(reception, handler, options)
})

// Only where the handler takes nothing that it could have been given: see the signatures of `run`.
const unconditional: RunOptions<any, never> = { admit: Effect.void }

const check = (options: ServingOptions, ownsServer = false): Effect.Effect<Settings, ListenError> =>
  Effect.mapError(settings(options, ownsServer), cannotListen)
