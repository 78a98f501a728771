/** One side of a connection as Effect's `Socket`, ours or Effect's own, and a raw peer at the other end. */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type * as net from "node:net"
import type { Connect, Serve } from "./columns.ts"
import * as RawPeer from "./rawPeer.ts"
import * as Sockets from "./sockets.ts"

export interface Connected {
  readonly reader: Socket.Reader
  readonly writer: Socket.Writer
  readonly peer: RawPeer.RawPeer
  /** The socket under our side, to look at and not to touch. */
  readonly under: net.Socket
}

/** Connects a client to a raw server. */
export const asClient = (connect: Connect): Effect.Effect<Connected, unknown, Scope.Scope> =>
  between(Effect.gen(function*() {
    const { accepted, url } = yield* RawPeer.wait()
    const socket = yield* connect(url)
    const [peer, reader] = yield* Effect.all([accepted, socket.reader], { concurrency: "unbounded" })
    return { reader, peer, writer: yield* socket.writer }
  }))

/** Connects a raw client to a server, whose handler ends with the scope. */
export const asServer = (serve: Serve): Effect.Effect<Connected, unknown, Scope.Scope> =>
  between(Effect.gen(function*() {
    const opened = yield* Deferred.make<Omit<Connected, "peer" | "under">>()
    const left = yield* Deferred.make<void>()
    const { port } = yield* serve((socket) =>
      Effect.gen(function*() {
        yield* Deferred.succeed(opened, { reader: yield* socket.reader, writer: yield* socket.writer })
        yield* Deferred.await(left)
      }).pipe(Effect.scoped)
    )
    yield* Effect.addFinalizer(() => Deferred.succeed(left, undefined))
    const peer = yield* RawPeer.dial(port)
    return { ...yield* Deferred.await(opened), peer }
  }))

const between = <E, R>(connected: Effect.Effect<Omit<Connected, "under">, E, R>) =>
  Effect.gen(function*() {
    const otherEnd = yield* Sockets.watch
    const { peer, ...ours } = yield* connected
    // First of all at the end, so that nobody waits for a peer that has no more to say.
    yield* Effect.addFinalizer(() => Effect.sync(() => peer.socket.destroy()))
    return { ...ours, peer, under: otherEnd(peer.socket) }
  })

/** What became of an effect: what its `SocketError` says of the close, or is called if it was none. */
export const outcomeOf = (exit: Exit.Exit<unknown, unknown> | undefined): unknown => {
  if (exit === undefined) return "pending"
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  if (!Socket.isSocketError(error)) return error
  const { reason } = error
  return reason._tag === "SocketCloseError" ? closed(reason.code, reason.closeReason) : reason._tag
}

/** What becomes of who uses a connection that was closed so. */
export const closed = (code: number, reason = "") => ({ code, reason })
