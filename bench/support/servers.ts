import * as Effect from "effect/Effect"
import type { ServerCommands } from "../servers/main.ts"
import { type Child, start } from "./child.ts"
import type { Contestant } from "./contestants.ts"

/** A contestant's server, in a process of its own. */
export interface Server extends Child<ServerCommands> {
  readonly contestant: Contestant
}

export const startServer = Effect.fnUntraced(function*(contestant: Contestant, connections?: number) {
  const { env, module } = contestant
  const child = yield* start<ServerCommands>("servers/main.ts", { cpus: "server", args: [module], connections, env })
  const server: Server = { ...child, contestant }
  return server
})

/** The servers of all contestants. Who is not asked anything takes no time. */
export const startServers = (contestants: ReadonlyArray<Contestant>) =>
  Effect.forEach(contestants, (contestant) => startServer(contestant), { concurrency: 2 })
