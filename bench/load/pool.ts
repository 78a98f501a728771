/** Connections to one server, and the runs over them. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Failure } from "../support/failure.ts"
import { type Address, type Connection, open as dial, type Shared } from "./connection.ts"
import * as Exchange from "./exchange.ts"

export interface Options extends Omit<Address, "source"> {
  /** The addresses to come from, in turn. Default: the system's choice. */
  readonly sources?: ReadonlyArray<string> | undefined
  readonly connections: number
  /** Requests in flight on each. */
  readonly depth: number
  /** Handshakes at a time: more than a listening socket has room for have to wait for the system to try again. */
  readonly handshakes?: number | undefined
}

export interface Pool {
  readonly connections: ReadonlyArray<Connection>
  readonly shared: Shared
  /** Waits until the servers have closed all of them. */
  readonly closed: Effect.Effect<void>
  /** Ends what is still open, and waits for it. */
  readonly reset: Effect.Effect<void>
}

/** Opens all connections. They are reset with the scope. */
export const open = (
  { connections: count, depth, handshakes = 100, sources = [], ...to }: Options
): Effect.Effect<Pool, Failure, Scope.Scope> =>
  Effect.gen(function*() {
    const shared: Shared = { traffic: undefined }
    const opened = new Set<Connection>()
    const waiting: Array<() => void> = []
    const onClose = (connection: Connection) => {
      opened.delete(connection)
      // A server closes when it was asked to, and not before it has said so.
      if (shared.traffic !== undefined && (shared.traffic.exchange !== Exchange.close || connection.inFlight > 0)) {
        shared.traffic.onFailure(new Failure({ message: "the server closed a connection" }))
      }
      if (opened.size === 0) { for (const resume of waiting) resume() }
    }
    const closed = Effect.callback<void>((resume) => {
      if (opened.size === 0) resume(Effect.void)
      else waiting.push(() => resume(Effect.void))
    })
    const reset = Effect.suspend(() => {
      shared.traffic = undefined
      for (const connection of opened) connection.reset()
      return closed
    })
    yield* Effect.addFinalizer(() => reset)
    const open = (i: number) =>
      Effect.map(dial({ ...to, source: sources[i % sources.length] }, shared, { depth, onClose }), (connection) => {
        opened.add(connection)
        return connection
      })
    const connections = yield* Effect.all(Array.from({ length: count }, (_, i) => open(i)), { concurrency: handshakes })
    return { connections, shared, closed, reset }
  })
