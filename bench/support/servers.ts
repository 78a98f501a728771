import * as Effect from "effect/Effect"
import type { Memory, ServerCommands } from "../servers/main.ts"
import type { Task } from "../servers/task.ts"
import type { Contestant } from "./contestants.ts"
import { Failure } from "./failure.ts"
import { start } from "./processes.ts"

/** A contestant's server, in another process. */
export interface Server {
  readonly contestant: Contestant
  /** Answers the port. */
  readonly listen: (task: Task) => Effect.Effect<number, Failure>
  /** Microseconds of CPU that its process has taken so far. */
  readonly cpu: Effect.Effect<number, Failure>
  /** What its process has after a full collection. */
  readonly memory: Effect.Effect<Memory, Failure>
}

export const startServer = Effect.fnUntraced(function*(contestant: Contestant, connections?: number) {
  const { env, module, name } = contestant
  const { ask } = yield* start<ServerCommands>("servers/main.ts", { cpus: "server", connections, env })
  const named = Effect.mapError(({ message }: Failure) => new Failure({ message: `${name}: ${message}` }))
  const server: Server = {
    contestant,
    listen: (task) => named(ask("listen", { module, task })),
    cpu: named(ask("cpu")),
    memory: named(ask("memory"))
  }
  return server
})

/** The servers of all contestants. Who is not asked anything takes no time. */
export const startServers = (contestants: ReadonlyArray<Contestant>) =>
  Effect.forEach(contestants, (contestant) => startServer(contestant), { concurrency: 2 })
