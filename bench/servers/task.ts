import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** What a server does with a message: it goes back to who sent it, or to everybody else. */
export type Task = "echo" | "broadcast"

/** What each server module has: listens on a free port of 127.0.0.1, and answers the port. */
export type Listen = (task: Task) => Effect.Effect<number, Error, Scope.Scope>

/** Bytes. The largest message of all workloads, and more than some servers take unless they are told to. */
export const maxMessageSize = 32 * 1024 * 1024
