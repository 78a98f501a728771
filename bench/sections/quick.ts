import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { chart } from "../report/chart.ts"
import type { Settings } from "../support/compare.ts"
import { all, messages, net } from "../support/contestants.ts"
import { sharing } from "../support/processes.ts"
import { sitting } from "../support/sitting.ts"
import { workloads } from "../support/workloads.ts"
import { codecSection } from "./codec.ts"
import { fairnessSection } from "./fairness.ts"
import { growthSection } from "./growth.ts"
import { idleSection } from "./idle.ts"
import { rpcSection } from "./rpc.ts"
import { type Measured, workloadsSection } from "./workloads.ts"

/** What every server answers is compared with what it should be, once, and its time means nothing. */
const settings: Settings = { rounds: 1, seconds: 0 }

/** More than all servers together ever have here. */
const connections = 100

/** All of it with a few connections: the servers are right, and the benchmark still runs. */
export const quick = Effect.gen(function*() {
  const measured = yield* quickWorkloads
  const scale = { receivers: [1, 3], sizes: [16 * 1024, 64 * 1024], connections: [10] } as const
  const sections = [
    workloadsSection(measured, settings),
    yield* rpcSection(settings),
    yield* growthSection([net], settings, scale),
    yield* fairnessSection([net], settings, 10),
    yield* idleSection([messages], 10, 1),
    yield* codecSection(0)
  ]
  const tables = sections.flatMap(({ body }) => body.match(/^\| -/gm) ?? []).length
  const bars = chart(measured).match(/<rect class="(ours|peer)"/g)?.length
  yield* Console.log(
    `${all.length} servers and the codec answer as they should; ${tables} tables, and a picture of ${bars} bars`
  )
}).pipe(sharing(connections))

const quickWorkloads = Effect.map(
  sitting(
    all,
    workloads.map((workload) => ({ ...workload, connections: Math.min(workload.connections, 4) })),
    settings
  ),
  (entries) => workloads.map((workload, i): Measured => ({ workload, entries: entries[i]! }))
)
