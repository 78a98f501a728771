import * as Effect from "effect/Effect"
import { compare, type Settings, type Workload } from "./compare.ts"
import type { Contestant } from "./contestants.ts"
import { startLoad } from "./loads.ts"
import { startServers } from "./servers.ts"

/** Starts the servers in their order, and a load, and compares them in each workload. Answers the entries of each. */
export const sitting = (
  contestants: ReadonlyArray<Contestant>,
  workloads: ReadonlyArray<Workload>,
  settings: Settings
) =>
  Effect.gen(function*() {
    const servers = yield* startServers(contestants)
    const load = yield* startLoad()
    return yield* Effect.forEach(workloads, (workload) => compare(load, servers, workload, settings))
  }).pipe(Effect.scoped)
