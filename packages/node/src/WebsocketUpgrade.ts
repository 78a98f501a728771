/**
 * From an HTTP server's `upgrade` to a `WebsocketStream`: the opening handshake of RFC 6455 section 4.2 on a `node:http` or
 * `node:https` server that may serve other things, too.
 *
 * @since 0.1.0
 */
import { RequestError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import { constVoid } from "effect/Function"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"
import { deflateOptions } from "./internal/deflate.ts"
import { finish } from "./internal/duplex.ts"
import { Handshake, InvalidOption, OpenError, ReadError, WriteError } from "./WebsocketError.ts"
import * as WebsocketStream from "./WebsocketStream.ts"

/**
 * What an HTTP server hands over with its event `upgrade`: the request, its connection, and bytes that came behind it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Upgrade {
  readonly request: IncomingMessage
  readonly socket: Duplex
  readonly head: Uint8Array
}

/**
 * How to open a connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<WebsocketStream.Options, "role" | "head" | "rsv1"> {
  /** Subprotocols that we speak; of these the one that the client likes best is chosen, or none. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** Further headers of the 101. Default: none. */
  readonly headers?: OpeningHandshake.HeaderLines | undefined
  /**
   * Whether to compress messages (RFC 7692) for clients that offer to, and how. A `Websocket` does, given the connection; who
   * reads and writes frames has to do it by hand. Default: false.
   */
  readonly deflate?: boolean | PermessageDeflate.Options | undefined
}

/**
 * An open connection, with the request that it came from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly stream: WebsocketStream.WebsocketStream["Service"]
  readonly request: IncomingMessage
  /** The subprotocol that was chosen. */
  readonly subprotocol: string | undefined
  /** How messages are compressed, if they are. */
  readonly deflate: PermessageDeflate.Parameters | undefined
}

/**
 * Runs the handler for every WebSocket connection that the server gets, each in a fiber and a scope of its own, until it is
 * interrupted; then it interrupts the fibers and closes the scopes.
 *
 * **Details**
 *
 * A request that is no proper opening handshake gets its HTTP status, and the handler never sees it. A server that nobody
 * listens to for requests answers those, too, with a 426.
 *
 * A handler ends when it likes to, or with the `ReadError` or `WriteError` of a connection that ended. Other failures are
 * logged, and end their connection alone.
 *
 * **Example** (An echo server)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 * import { WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
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
 *   yield* Effect.forkScoped(WebsocketUpgrade.run(server, ({ stream }) =>
 *     Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll))))
 *   const stream = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`)
 *   yield* stream.write(Opcode.Text, "Hello")
 *   const frame = yield* stream.read
 *   return new TextDecoder().decode(frame.payload)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "Hello"
 * server.close()
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  server: Server,
  handler: (connection: Connection) => Effect.Effect<unknown, E, R>,
  options?: Options
): Effect.Effect<never, never, Exclude<R, Scope.Scope>> =>
  runUpgrades(server, (upgrade) => Effect.flatMap(accept(upgrade, options), handler))

/**
 * As {@link run}, before the handshake: the handler answers the request with {@link accept} or {@link reject}, and may take
 * its time and look at what it likes.
 *
 * @category running
 * @since 0.1.0
 */
export const runUpgrades = <E, R>(
  server: Server,
  handler: (upgrade: Upgrade) => Effect.Effect<unknown, E, R>
): Effect.Effect<never, never, Exclude<R, Scope.Scope>> =>
  Effect.gen(function*() {
    const fork = yield* FiberSet.makeRuntime<Exclude<R, Scope.Scope>>()
    const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      // Node takes its own listener off before the event: without another one an error would end the process.
      socket.on("error", constVoid)
      fork(Effect.scoped(handler({ request, socket, head })).pipe(Effect.catchCause(logUnlessEnd)))
    }
    yield* listen(server, "upgrade", onUpgrade)
    if (server.listenerCount("request") === 0) yield* listen(server, "request", refuse)
    return yield* Effect.never
  }).pipe(Effect.scoped)

/**
 * Opens the connection: answers the request with a 101 and takes the socket over, until the scope closes.
 *
 * **Details**
 *
 * Fails with an `OpenError` of reason `Handshake` for a request that opens no connection, which got its HTTP status by
 * then, and `InvalidOption` for options that cannot be used, which got a 500.
 *
 * @category handshake
 * @since 0.1.0
 */
export const accept = (upgrade: Upgrade, options?: Options): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const { head, request, socket } = upgrade
    const offer = OpeningHandshake.read(received(request))
    if (Result.isFailure(offer)) {
      yield* reject(upgrade, OpeningHandshake.reject(offer.failure))
      return yield* new OpenError({ reason: new Handshake({ error: offer.failure }) })
    }
    // RFC 6455 4.1: the client lists its subprotocols "ordered by preference".
    const subprotocol = offer.success.subprotocols.find((name) => options?.subprotocols?.includes(name))
    const wanted = deflateOptions(options?.deflate)
    if (Result.isFailure(wanted)) return yield* misconfigured(upgrade, wanted.failure)
    const agreed = wanted.success === undefined || offer.success.extensions === undefined
      ? undefined
      : PermessageDeflate.accept(offer.success.extensions, wanted.success)
    const response = OpeningHandshake.accept(offer.success, {
      subprotocol,
      extensions: agreed?.header,
      headers: options?.headers
    })
    if (Result.isFailure(response)) return yield* misconfigured(upgrade, response.failure)
    const rsv1 = agreed !== undefined
    const stream = yield* WebsocketStream.make(socket, { ...options, role: "server", head, rsv1 }).pipe(
      Effect.catchTag("OptionError", (error) => misconfigured(upgrade, error))
    )
    // Before anybody has the stream, so that nothing can be written ahead of it.
    socket.write(format(response.success))
    return { stream, request, subprotocol, deflate: agreed?.parameters }
  })

/**
 * Answers the request with an HTTP response instead, and closes the socket.
 *
 * @category handshake
 * @since 0.1.0
 */
export const reject = (upgrade: Upgrade, response: OpeningHandshake.Response): Effect.Effect<void> =>
  Effect.suspend(() => {
    upgrade.socket.write(format(response))
    return finish(upgrade.socket, WebsocketStream.defaultLinger)
  })

const listen = (server: Server, event: "upgrade" | "request", listener: (...args: Array<any>) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => server.on(event, listener)),
    () => Effect.sync(() => server.off(event, listener))
  )

// What nobody else answers: a request that is no opening handshake.
const refuse = (_: IncomingMessage, response: ServerResponse): void => {
  const { body, headers, status } = OpeningHandshake.reject(new RequestError({ reason: { _tag: "NotAnUpgrade" } }))
  response.statusCode = status
  for (const [name, value] of headers) response.setHeader(name, value)
  response.end(body)
}

const misconfigured = (upgrade: Upgrade, error: OptionError): Effect.Effect<never, OpenError> =>
  Effect.andThen(
    reject(upgrade, { status: 500, headers: [["Connection", "close"]], body: "" }),
    new OpenError({ reason: new InvalidOption({ error }) })
  )

const received = ({ headers, httpVersion, method }: IncomingMessage): OpeningHandshake.ReceivedRequest => ({
  method: method ?? "",
  httpVersion,
  headers
})

const format = ({ body, headers, status }: OpeningHandshake.Response): string => {
  // RFC 9110 8.6: "A server MUST NOT send a Content-Length header field in any response with a status code of 1xx".
  const length: OpeningHandshake.HeaderLines = status === 101
    ? []
    : [["Content-Length", `${Buffer.byteLength(body)}`]]
  const lines = [...headers, ...length].map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n${body}`
}

// A connection that ended, or was never opened, is no fault of the handler's.
const logUnlessEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  const isEnd = error instanceof ReadError || error instanceof WriteError || error instanceof OpenError
  return isEnd || Cause.hasInterruptsOnly(cause)
    ? Effect.logDebug("WebSocket connection ended", cause)
    : Effect.logError("WebSocket handler failed", cause)
}
