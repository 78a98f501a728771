/// <reference types="node" preserve="true" />
/**
 * From an HTTP server's `upgrade` to a `WebsocketStream`: the opening handshake of RFC 6455 section 4.2 on a `node:http` or
 * `node:https` server that may serve other things, too.
 *
 * @since 0.1.0
 */
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type * as Origin from "@websocket-stream/core/Origin"
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"
import { declineHttp } from "./internal/declining.ts"
import { forgetting } from "./internal/forgetting.ts"
import { logUnlessEnd, type Stage } from "./internal/handlerEnd.ts"
import * as Opening from "./internal/upgrade.ts"
import type { OpenError } from "./WebsocketError.ts"
import type * as WebsocketStream from "./WebsocketStream.ts"

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
  /**
   * The origins whose pages may connect besides those of our own host, or what says whether one may: `() => true` lets all in.
   * Others get a 403 (RFC 6455 10.2). Default: none.
   */
  readonly origins?: Origin.Allowed | undefined
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
 * Where somebody listens for requests and nobody else for upgrades, one that asks for `h2c`, `TLS` or `HTTP` is a request as any
 * other from Node 24.9 on: Java's HttpClient and curl ask for `h2c` in passing. Before that Node takes them for upgrades, which get a
 * 426, or a 405 for a POST.
 *
 * A handler ends when it likes to, or with the `ReadError` or `WriteError` of its connection that ended. Other failures are
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
 * its time and look at what it likes. Where it fails without an answer, the client gets a 500, and where it is interrupted a 503.
 * Where it succeeds without one, the connection is left to whoever has its socket, and no deadline of ours ends it.
 *
 * So several may part the paths of one server. A request gets one answer, of whoever is first: {@link accept} fails behind it, and
 * {@link reject} does nothing.
 *
 * **Example** (Who has the token may come in)
 *
 * ```ts
 * import { OpeningHandshake, Opcode } from "@websocket-stream/core"
 * import { WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { once } from "node:events"
 * import { createServer } from "node:http"
 * import type { AddressInfo } from "node:net"
 *
 * const greet = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade) {
 *   if (upgrade.request.url !== "/?token=secret") {
 *     const response = yield* Effect.fromResult(OpeningHandshake.refuse({ status: 401, body: "who are you?" }))
 *     return yield* WebsocketUpgrade.reject(upgrade, response)
 *   }
 *   const { stream } = yield* WebsocketUpgrade.accept(upgrade)
 *   yield* stream.write(Opcode.Text, "Hello")
 * })
 *
 * const server = createServer().listen(0, "127.0.0.1")
 * await once(server, "listening")
 * const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/`
 *
 * const program = Effect.gen(function*() {
 *   yield* Effect.forkScoped(WebsocketUpgrade.runUpgrades(server, greet))
 *   const { reason } = yield* Effect.flip(WebsocketClient.connectStream(url))
 *   const stream = yield* WebsocketClient.connectStream(`${url}?token=secret`)
 *   const { payload } = yield* stream.read
 *   return [reason._tag, new TextDecoder().decode(payload)]
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["Refused", "Hello"]
 * server.close()
 * ```
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
      const upgrade = Opening.receiveUpgrade(request, socket, head)
      if (upgrade === undefined) return
      // Behind a yield, because until its first the set does not know the fiber, nor waits for it.
      fork(answered(socket, Effect.andThen(Effect.yieldNow, forgetting(() => handler(upgrade)))))
    }
    yield* declineHttp(server)
    yield* listen(server, "upgrade", onUpgrade)
    yield* listen(server, "request", Opening.requestListener(server))
    return yield* Effect.never
  }).pipe(Effect.scoped)

/**
 * Opens the connection: answers the request with a 101 and takes the socket over, until the scope closes.
 *
 * **Details**
 *
 * Fails with an `OpenError` of reason `Handshake` for a request that opens no connection, which got its HTTP status by
 * then, and `InvalidOption` for options that cannot be used, which got a 500, and for an upgrade that was answered already.
 *
 * @category handshake
 * @since 0.1.0
 */
export const accept = (upgrade: Upgrade, options?: Options): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.flatMap(Opening.readOffer(upgrade, options), (offer) => Opening.openUpgrade(upgrade, offer, options))

/**
 * Answers the request with an HTTP response instead, unless it was answered, and closes the socket. `OpeningHandshake.refuse`
 * makes one of what an application says; a header that would not stay in its line is a defect here.
 *
 * @category handshake
 * @since 0.1.0
 */
export const reject: (upgrade: Upgrade, response: OpeningHandshake.Response) => Effect.Effect<void> = Opening.reject

// Not written where it is used: what runs at the end would keep the request, by the scope that functions share.
const answered = <E, R>(
  socket: Duplex,
  handled: Effect.Effect<unknown, E, R>
): Effect.Effect<unknown, never, Exclude<R, Scope.Scope>> => {
  // As the handler has left it: its scope closes what it has opened.
  let stage: Stage = "Unopened"
  const left = Effect.sync(() => {
    stage = Opening.stageOf(socket)
  })
  return Effect.scoped(Effect.onError(handled, () => left)).pipe(
    // No client is left without an answer. What was opened may be a longer scope's.
    Effect.onError((cause) => Opening.reject({ socket }, unanswered(cause))),
    Effect.catchCause((cause) => logUnlessEnd(cause, stage))
  )
}

const unanswered = (cause: Cause.Cause<unknown>) =>
  Cause.hasInterruptsOnly(cause) ? Opening.serviceUnavailable : Opening.internalServerError

const listen = (server: Server, event: "upgrade" | "request", listener: (...args: Array<any>) => void) =>
  Effect.acquireRelease(
    Effect.sync(() => server.on(event, listener)),
    () => Effect.sync(() => server.off(event, listener))
  )
