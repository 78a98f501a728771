/** Our end of a connection, in either role, with a raw peer at the other: a `Websocket` and what became of who used it. */
import { describe } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import { Websocket, WebsocketClient, WebsocketError, WebsocketUpgrade } from "@websocket-stream/node"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import type * as net from "node:net"
import { agent } from "./link.ts"
import * as RawPeer from "./rawPeer.ts"
import * as Sockets from "./sockets.ts"
import { listen } from "./transports.ts"

export type Ws = Websocket.Websocket["Service"]

export const roles: ReadonlyArray<Role> = ["server", "client"]

/** The same tests for both of our roles. */
export const inBothRoles = (tests: (role: Role) => void): void => {
  for (const role of roles) {
    describe(`we are the ${role}`, () => {
      tests(role)
    })
  }
}

export interface Options extends Omit<WebsocketClient.Options, "socketPath" | "tls" | "headers"> {
  /** What the peer offers or, as a server, answers as `Sec-WebSocket-Extensions`. Default: none. */
  readonly extensions?: string | undefined
  /** Uses our end; its scope is the connection's. Default: an echo. */
  readonly use?: ((ws: Ws) => Effect.Effect<unknown, unknown, Scope.Scope>) | undefined
}

export interface Opened {
  readonly ws: Ws
  readonly peer: RawPeer.RawPeer
  /** Our end's own socket, to look at and not to touch. */
  readonly socket: net.Socket
  /** How `use` ended. */
  readonly outcome: Effect.Effect<Exit.Exit<unknown, unknown>>
  /** What our end failed of: the reason that `receive` gave. */
  readonly reason: Effect.Effect<WebsocketError.ReadError["reason"]>
  /** Waits until our end has closed the connection after `use`: the closing handshake is over, or its deadline. */
  readonly closed: Effect.Effect<void>
  /** Interrupts `use`, and waits until the connection is closed. */
  readonly interrupt: Effect.Effect<void>
}

/** Sends everything back until the connection ends; why it did, receiving tells. */
export const echo = (ws: Ws): Effect.Effect<never, WebsocketError.ReadError> =>
  Effect.forever(Effect.flatMap(ws.receive, (message) => Effect.ignore(ws.send(message))))

export const open = Effect.fnUntraced(function*(role: Role, options: Options = {}) {
  const otherEnd = yield* Sockets.watch
  const { extensions, use = echo, ...ours } = options
  const ready = yield* Deferred.make<Ws>()
  const outcome = yield* Deferred.make<Exit.Exit<unknown, unknown>>()
  const closed = yield* Deferred.make<void>()
  const hold = <E, R>(ours: Effect.Effect<Ws, E, R>) =>
    Effect.addFinalizer(() => Deferred.succeed(closed, undefined)).pipe(
      Effect.andThen(ours),
      Effect.tapCause((cause) => Deferred.die(ready, Cause.squash(cause))),
      Effect.tap((ws) => Deferred.succeed(ready, ws)),
      Effect.flatMap((ws) => Effect.onExit(use(ws), (exit) => Deferred.succeed(outcome, exit)))
    )
  const { fiber, peer } =
    yield* (role === "server" ? asServer(ours, hold, extensions) : asClient(ours, hold, extensions))
  // First of all at the end, so that nobody waits for a peer that has no more to say.
  yield* Effect.addFinalizer(() => Effect.sync(() => peer.socket.destroy()))
  const opened: Opened = {
    ws: yield* Deferred.await(ready),
    peer,
    socket: otherEnd(peer.socket),
    outcome: Deferred.await(outcome),
    reason: Effect.map(Deferred.await(outcome), reasonOf),
    closed: Deferred.await(closed),
    interrupt: Fiber.interrupt(fiber)
  }
  return opened
})

type Ours = Omit<Options, "extensions" | "use">
type Hold = <E, R>(ours: Effect.Effect<Ws, E, R>) => Effect.Effect<unknown, unknown, R | Scope.Scope>

const asServer = Effect.fnUntraced(function*(options: Ours, hold: Hold, extensions: string | undefined) {
  const { address, server } = yield* listen("TCP")
  const fiber = yield* WebsocketUpgrade.run(
    server,
    (connection) => hold(Websocket.make(connection.stream, { ...options, ...connection })),
    options
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  const peer = yield* RawPeer.dial(Number(new URL(address.url).port), extensions)
  return { fiber, peer }
})

const asClient = Effect.fnUntraced(function*(options: Ours, hold: Hold, extensions: string | undefined) {
  const { accepted, url } = yield* RawPeer.wait(extensions)
  const fiber = yield* hold(WebsocketClient.connect(url, { agent: agent(), ...options })).pipe(
    Effect.scoped,
    Effect.ignoreCause,
    Effect.forkScoped({ startImmediately: true })
  )
  const peer = yield* accepted
  return { fiber, peer }
})

const reasonOf = (exit: Exit.Exit<unknown, unknown>): WebsocketError.ReadError["reason"] => {
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  if (WebsocketError.isReadError(error)) return error.reason
  throw new Error("our end did not fail of a ReadError", { cause: error ?? exit })
}
