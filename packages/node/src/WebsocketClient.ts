/**
 * From a URL to an open connection: dials, and shakes hands (RFC 6455 section 4.1).
 *
 * @since 0.1.0
 */
import { ResponseError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import * as Http from "node:http"
import * as Https from "node:https"
import type { Duplex } from "node:stream"
import { ioReason } from "./internal/duplex.ts"
import { Handshake, InvalidOption, OpenError } from "./WebsocketError.ts"
import * as WebsocketStream from "./WebsocketStream.ts"

/**
 * How to connect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<WebsocketStream.Options, "role" | "head"> {
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
  options?: Options
): Effect.Effect<WebsocketStream.WebsocketStream["Service"], OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const target = yield* Effect.fromResult(parseUrl(url)).pipe(Effect.mapError(invalidOption))
    const nonce = yield* Effect.sync(() => randomBytes(16))
    const request = yield* Effect.fromResult(OpeningHandshake.request({
      host: target.host,
      target: `${target.pathname}${target.search}`,
      nonce,
      subprotocols: options?.subprotocols,
      headers: options?.headers
    })).pipe(Effect.mapError(invalidOption))
    const { head, response, socket } = yield* dial(target, request, options)
    yield* Effect.fromResult(OpeningHandshake.confirm(response, request)).pipe(
      Effect.mapError((error) => new OpenError({ reason: new Handshake({ error }) })),
      Effect.tapError(() => Effect.sync(() => socket.destroy()))
    )
    return yield* WebsocketStream.make(socket, { ...options, role: "client", head }).pipe(
      Effect.mapError(invalidOption)
    )
  })

/**
 * The service over a connection to the URL; the connection is the layer's.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStream = (
  url: string | URL,
  options?: Options
): Layer.Layer<WebsocketStream.WebsocketStream, OpenError> =>
  Layer.effect(WebsocketStream.WebsocketStream, connectStream(url, options))

interface Answer {
  readonly response: { readonly status: number; readonly headers: OpeningHandshake.Headers }
  readonly socket: Duplex
  readonly head: Uint8Array
}

// The request belongs to the scope from before it is sent, so that no interruption leaves a socket behind.
const dial = (
  url: URL,
  handshake: OpeningHandshake.Request,
  options: Options | undefined
): Effect.Effect<Answer, OpenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => send(url, handshake, options)),
    (request) => Effect.sync(() => request.destroy())
  ).pipe(Effect.flatMap(answer))

const send = (url: URL, handshake: OpeningHandshake.Request, options: Options | undefined): Http.ClientRequest => {
  const scheme = url.protocol === "wss:" ? Https : Http
  return scheme.request({
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
}

const answer = (request: Http.ClientRequest): Effect.Effect<Answer, OpenError> =>
  Effect.callback((resume) => {
    request.on("error", (error) => resume(Effect.fail(new OpenError({ reason: ioReason(error) }))))
    request.on("upgrade", ({ headers, statusCode = 0 }, socket, head) => {
      // Until the stream has it: an error that nobody listens to ends the process.
      socket.on("error", ignore)
      resume(Effect.succeed({ response: { status: statusCode, headers }, socket, head }))
    })
    request.on("response", ({ statusCode: status = 0 }) => {
      const error = new ResponseError({ reason: { _tag: "StatusNot101", status } })
      resume(Effect.fail(new OpenError({ reason: new Handshake({ error }) })))
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

const ignore = () => {}

const invalidOption = (error: OptionError) => new OpenError({ reason: new InvalidOption({ error }) })
