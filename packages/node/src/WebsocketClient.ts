/**
 * From a URL to an open connection: dials, and shakes hands (RFC 6455 section 4.1).
 *
 * @since 0.1.0
 */
import type { ResponseError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"
import { deflateOptions } from "./internal/deflate.ts"
import { ioReason } from "./internal/duplex.ts"
import * as Websocket from "./Websocket.ts"
import { Handshake, InvalidOption, OpenError } from "./WebsocketError.ts"
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
  /** The path of a unix socket to dial instead of the URL's host. Default: none. */
  readonly socketPath?: string | undefined
  /** What to trust and to show in a `wss:` handshake. The host name is verified unless this says otherwise. */
  readonly tls?: Https.RequestOptions | undefined
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
 * Connects, for messages. The connection is the scope's.
 *
 * **Details**
 *
 * Fails as {@link connectStream} does.
 *
 * **Example** (One question to a server)
 *
 * ```ts
 * import { Websocket, WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
 * import { Effect, Stream } from "effect"
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
 *       Stream.runForEach(ws.messages, (message) => ws.send(message)))))
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
 * @category constructors
 * @since 0.1.0
 */
export const connect = (
  url: string | URL,
  options?: Options
): Effect.Effect<Websocket.Websocket["Service"], OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const wanted = yield* Effect.fromResult(deflateOptions(options?.deflate)).pipe(Effect.mapError(invalidOption))
    const connection = yield* open(url, options, wanted)
    return yield* Effect.mapError(Websocket.make(connection.stream, { ...options, ...connection }), invalidOption)
  })

/**
 * Connects, and hands over the stream of frames. The connection is the scope's.
 *
 * **Details**
 *
 * Fails with an `OpenError` of reason `InvalidOption` for a URL that is not `ws:` or `wss:` and for options that cannot be
 * used, `Io` for a host that cannot be reached or breaks off, `Handshake` for a server that does not open the connection.
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
  Effect.map(open(url, options, undefined), ({ stream }) => stream)

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

interface Connection {
  readonly stream: WebsocketStream.WebsocketStream["Service"]
  readonly subprotocol: string | undefined
  readonly deflate: PermessageDeflate.Parameters | undefined
}

const open = (
  url: string | URL,
  options: StreamOptions | undefined,
  wanted: PermessageDeflate.Parameters | undefined
): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const target = yield* Effect.fromResult(parseUrl(url)).pipe(Effect.mapError(invalidOption))
    const nonce = yield* Effect.sync(() => randomBytes(16))
    const request = yield* Effect.fromResult(OpeningHandshake.request({
      host: target.host,
      target: `${target.pathname}${target.search}`,
      nonce,
      subprotocols: options?.subprotocols,
      extensions: wanted === undefined ? undefined : PermessageDeflate.offer(wanted),
      headers: options?.headers
    })).pipe(Effect.mapError(invalidOption))
    const { head, response, socket } = yield* dial(target, request, options)
    const { deflate, subprotocol } = yield* Effect.fromResult(confirm(response, request, wanted)).pipe(
      Effect.mapError((error) => new OpenError({ reason: new Handshake({ error }) })),
      Effect.tapError(() => Effect.sync(() => socket.destroy()))
    )
    const stream = yield* WebsocketStream.make(socket, {
      ...options,
      role: "client",
      head,
      rsv1: deflate !== undefined
    }).pipe(Effect.mapError(invalidOption))
    return { stream, subprotocol, deflate }
  })

const confirm = (
  response: Answer["response"],
  request: OpeningHandshake.Request,
  wanted: PermessageDeflate.Parameters | undefined
): Result.Result<Pick<Connection, "subprotocol" | "deflate">, ResponseError> =>
  Result.flatMap(OpeningHandshake.confirm(response, request), ({ extensions, subprotocol }) =>
    // What was not offered was refused by then.
    Result.map(PermessageDeflate.confirm(extensions, wanted ?? PermessageDeflate.defaults), (deflate) => ({
      subprotocol,
      deflate
    })))

interface Answer {
  readonly response: { readonly status: number; readonly headers: OpeningHandshake.Headers }
  readonly socket: Duplex
  readonly head: Uint8Array
}

// The request belongs to the scope from before it is sent, so that no interruption leaves a socket behind.
const dial = (
  url: URL,
  handshake: OpeningHandshake.Request,
  options: StreamOptions | undefined
): Effect.Effect<Answer, OpenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => send(url, handshake, options)),
    (request) =>
      Effect.sync(() => {
        request.destroy()
        // An upgraded request counts as destroyed, and leaves its socket alone.
        request.socket?.destroy()
      })
  ).pipe(Effect.flatMap(answer))

const send = (
  url: URL,
  handshake: OpeningHandshake.Request,
  options: StreamOptions | undefined
): Http.ClientRequest => {
  const scheme = url.protocol === "wss:" ? Https : Http
  const request = scheme.request({
    ...options?.tls,
    // A literal IPv6 address stands in brackets in a URL, and nowhere else.
    host: url.hostname.startsWith("[") ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port,
    socketPath: options?.socketPath,
    method: handshake.method,
    path: handshake.target,
    headers: handshake.headers.flat(),
    // A connection of its own, and nothing that keeps it for later.
    agent: false
  })
  // From the first moment and for good: a request that is destroyed before it is answered raises an error.
  return request.on("error", constVoid)
}

const answer = (request: Http.ClientRequest): Effect.Effect<Answer, OpenError> =>
  Effect.callback((resume) => {
    request.on("error", (error) => resume(Effect.fail(new OpenError({ reason: ioReason(error) }))))
    request.on("upgrade", ({ headers, statusCode = 0 }, socket, head) => {
      // Until the stream has it: an error that nobody listens to ends the process.
      socket.on("error", constVoid)
      resume(Effect.succeed({ response: { status: statusCode, headers }, socket, head }))
    })
    // What is no upgrade is an answer, too: the handshake finds what is wrong with it.
    request.on("response", ({ headers, socket, statusCode = 0 }) => {
      resume(Effect.succeed({ response: { status: statusCode, headers }, socket, head: new Uint8Array(0) }))
    })
    request.end()
  })

const parseUrl = (url: string | URL): Result.Result<URL, OptionError> => {
  const wrong = (expected: string) => Result.fail(new OptionError({ option: "url", value: url, expected }))
  const parsed = URL.parse(url)
  if (parsed === null || (parsed.protocol !== "ws:" && parsed.protocol !== "wss:")) {
    return wrong("an absolute URL of scheme ws: or wss:")
  }
  // RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used".
  if (parsed.hash !== "") return wrong("free of a fragment")
  return Result.succeed(parsed)
}

const invalidOption = (error: OptionError) => new OpenError({ reason: new InvalidOption({ error }) })
