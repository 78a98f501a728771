/// <reference types="node" preserve="true" />
/**
 * From a URL to an open connection: dials, and shakes hands (RFC 6455 section 4.1).
 *
 * @since 0.1.0
 */
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type * as Http from "node:http"
import type * as Https from "node:https"
import { cannotOpen } from "./internal/invalidOption.ts"
import { checkMessageOptions } from "./internal/messageOptions.ts"
import { open } from "./internal/open.ts"
import * as Websocket from "./Websocket.ts"
import type { OpenError } from "./WebsocketError.ts"
import * as WebsocketStream from "./WebsocketStream.ts"

/**
 * How to connect.
 *
 * @category models
 * @since 0.1.0
 */
export interface StreamOptions extends Omit<WebsocketStream.Options, "role" | "head" | "rsv1"> {
  /** Subprotocols that we speak, the one that we like best first. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** Further headers of the request: `Origin`, `Authorization`, `Cookie`. Default: none. */
  readonly headers?: OpeningHandshake.HeaderLines | undefined
  /** The path of a unix socket to dial instead of the URL's host: up to 107 bytes on Linux. Default: none. */
  readonly socketPath?: string | undefined
  /** What to trust and to show in a `wss:` handshake. The host name is verified unless this says otherwise. */
  readonly tls?: Https.RequestOptions | undefined
  /**
   * Who dials, which may be through a proxy: an `https.Agent` for `wss:`, an `http.Agent` for `ws:`. The connection never gets
   * into its pool. Default: a connection of our own, straight to the host.
   *
   * Given `proxyEnv`, Node's agents (24.5 and later) open a tunnel with CONNECT for `wss:`. For `ws:` they send the proxy the
   * whole URL instead, and the proxy has to know what an upgrade is; most do not, so prefer `wss:`. What another agent dials
   * in a later turn than it is asked, or waits for, is its own to destroy until it hands it over.
   */
  readonly agent?: Http.Agent | undefined
  /**
   * How long it may take until the connection is open: dialling, TLS, redirects and the opening handshake together. Default:
   * {@link defaultOpenDeadline}.
   */
  readonly openDeadline?: Duration.Input | undefined
  /**
   * How many redirects to follow (301, 302, 303, 307 and 308), `http:` and `https:` as `ws:` and `wss:`, and never from `wss:`
   * to `ws:`. Another host gets no `Authorization`, `Cookie` and `Proxy-Authorization` of ours. Default: 0.
   */
  readonly maxRedirects?: number | undefined
}

/**
 * How to connect for messages.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends StreamOptions, Omit<Websocket.Options, "subprotocol" | "deflate"> {
  /** Whether to offer to compress messages (RFC 7692), and how. Default: false. */
  readonly deflate?: boolean | PermessageDeflate.Options | undefined
}

/**
 * 10 seconds.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultOpenDeadline: Duration.Input = "10 seconds"

/**
 * Connects, for messages. The connection is the scope's.
 *
 * **Details**
 *
 * Fails as {@link connectStream} does.
 *
 * **Gotchas**
 *
 * A server pings its clients, and a client pings nobody: where the path to the server is gone without a word, `receive` waits for
 * ever. Who has to notice pings while nothing comes, and not while the `receiveBuffer` is full, as no pong is read then. To leave a
 * server that does not answer takes the `closeDeadline`.
 *
 * **Example** (A server that falls silent)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 * import { type Websocket, WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { once } from "node:events"
 * import { createServer } from "node:http"
 * import type { AddressInfo } from "node:net"
 *
 * const server = createServer().listen(0, "127.0.0.1")
 * await once(server, "listening")
 * const { port } = server.address() as AddressInfo
 *
 * // Half a minute each, say, where the silence is of a network.
 * const silence = (ws: Websocket.Websocket["Service"]) =>
 *   ws.ping().pipe(Effect.timeout("20 millis"), Effect.delay("20 millis"), Effect.forever)
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.forkScoped(WebsocketUpgrade.run(server, ({ stream }) =>
 *     Effect.andThen(stream.write(Opcode.Text, "Hello"), Effect.never)))
 *   const ws = yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/`, { closeDeadline: "20 millis" })
 *   return yield* Effect.forever(Effect.raceFirst(ws.receive, silence(ws)))
 * })
 *
 * const error = await Effect.runPromise(Effect.flip(Effect.scoped(program)))
 * error._tag // => "TimeoutError"
 * server.close()
 * ```
 *
 * **Example** (One question to a server)
 *
 * ```ts
 * import { Websocket, WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { once } from "node:events"
 * import { createServer } from "node:http"
 * import type { AddressInfo } from "node:net"
 *
 * const server = createServer().listen(0, "127.0.0.1")
 * await once(server, "listening")
 * const { port } = server.address() as AddressInfo
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.forkScoped(WebsocketUpgrade.run(server, (connection) =>
 *     Effect.flatMap(Websocket.make(connection.stream, connection), (ws) =>
 *       ws.runForEach((message) => ws.send(message)))))
 *   const ws = yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/`)
 *   yield* ws.send("Hello")
 *   const message = yield* ws.receive
 *   return message._tag === "Text" && message.text
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "Hello"
 * server.close()
 * ```
 *
 * **Example** (A server that is busy)
 *
 * ```ts
 * import { WebsocketClient } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { once } from "node:events"
 * import { createServer } from "node:http"
 * import type { AddressInfo } from "node:net"
 *
 * const server = createServer((_, response) => {
 *   response.writeHead(503, { "Retry-After": "7" }).end("too many\n")
 * })
 * await once(server.listen(0, "127.0.0.1"), "listening")
 * const { port } = server.address() as AddressInfo
 *
 * const program = Effect.as(WebsocketClient.connect(`ws://127.0.0.1:${port}/`), "open").pipe(
 *   Effect.catchReason("OpenError", "Refused", ({ body, headers, status }) =>
 *     Effect.succeed(`${status}, ${body.trim()}: come back in ${headers["retry-after"]} s`))
 * )
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "503, too many: come back in 7 s"
 * server.close()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const connect = (
  url: string | URL,
  options?: Options
): Effect.Effect<Websocket.Websocket["Service"], OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const wrong = checkMessageOptions(options)
    if (wrong !== undefined) return yield* cannotOpen(wrong)
    const connection = yield* open(url, { ...options, openDeadline: options?.openDeadline ?? defaultOpenDeadline })
    return yield* Effect.mapError(Websocket.make(connection.stream, { ...options, ...connection }), cannotOpen)
  })

/**
 * Connects, and hands over the stream of frames. The connection is the scope's.
 *
 * **Details**
 *
 * Fails with an `OpenError` of reason
 *
 * - `InvalidOption` for a URL that is not `ws:` or `wss:` and for options that cannot be used, before anything is dialled;
 * - `Io` for a host that cannot be reached, is not who it should be, or breaks off;
 * - `Refused` for a status other than 101, with the response, and `InvalidRedirect` for a redirect that is not followed;
 * - `Handshake` for a 101 that opens no WebSocket connection;
 * - `Deadline` for all that takes too long.
 *
 * Whichever it is, or if it is interrupted: what was dialled is gone by then.
 *
 * A stream does not tell which of the `subprotocols` the server chose, if any: {@link connect} does.
 *
 * User and password in the URL are sent as Basic authentication (RFC 7617), unless there is a header `Authorization`. Neither
 * is ever in an error or a span. The span is `websocket.connect`, with host, port, scheme and path.
 *
 * **Example** (A URL of another scheme)
 *
 * ```ts
 * import { WebsocketClient } from "@websocket-stream/node"
 * import { Effect } from "effect"
 *
 * const program = Effect.scoped(WebsocketClient.connectStream("http://127.0.0.1/"))
 *
 * const error = await Effect.runPromise(Effect.flip(program))
 * error.message // => "url is http://127.0.0.1/, it must be an absolute URL of scheme ws: or wss:"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const connectStream = (
  url: string | URL,
  options?: StreamOptions
): Effect.Effect<WebsocketStream.WebsocketStream["Service"], OpenError, Scope.Scope> =>
  open(url, { ...options, deflate: false, openDeadline: options?.openDeadline ?? defaultOpenDeadline }).pipe(
    Effect.map(({ stream }) => stream)
  )

/**
 * The service over a connection to the URL; the connection is the layer's.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (url: string | URL, options?: Options): Layer.Layer<Websocket.Websocket, OpenError> =>
  Layer.effect(Websocket.Websocket, connect(url, options))

/**
 * The stream of frames over a connection to the URL; the connection is the layer's.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStream = (
  url: string | URL,
  options?: StreamOptions
): Layer.Layer<WebsocketStream.WebsocketStream, OpenError> =>
  Layer.effect(WebsocketStream.WebsocketStream, connectStream(url, options))
