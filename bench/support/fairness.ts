/** Whether one connection that sends all it can keeps a thousand others waiting. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Settings } from "./compare.ts"
import type { Contestant } from "./contestants.ts"
import { startLoad } from "./loads.ts"
import { startServer } from "./servers.ts"

export interface Fairness {
  readonly contestant: Contestant
  /** Microseconds from a message to its echo, round by round. */
  readonly alone: ReadonlyArray<Quantiles>
  readonly flooded: ReadonlyArray<Quantiles>
  /** Messages a second of the one, round by round. */
  readonly flood: ReadonlyArray<number>
}

export interface Quantiles {
  readonly p50: number
  readonly p99: number
}

/** A thousand messages a second over a thousand connections, alone and beside the flood, in turn. */
export const fairness = (
  contestant: Contestant,
  { connections, rounds, seconds }: Settings & { readonly connections: number }
) =>
  Effect.gen(function*() {
    const { listen } = yield* startServer(contestant)
    // Two processes, so that the quiet ones' answers are not kept waiting by the other's.
    const quietLoad = yield* startLoad()
    const floodLoad = yield* startLoad()
    const port = yield* listen("echo")
    const options = { port, protocol: contestant.protocol, size: 125 }
    const quiet = yield* quietLoad.ask("open", { ...options, connections, depth: 1 })
    const flooding = yield* floodLoad.ask("open", { ...options, connections: 1, depth: 4096 })
    yield* quietLoad.ask("run", { pool: quiet, kind: "echo", seconds: 0 })
    yield* floodLoad.ask("run", { pool: flooding, kind: "echo", seconds: 0 })
    yield* Console.error(`fairness: ${contestant.name} answers as it should`)

    const runQuiet = (seconds: number) => quietLoad.ask("run", { pool: quiet, kind: "paced", perSecond: 1000, seconds })
    const runFlood = (seconds: number) => floodLoad.ask("run", { pool: flooding, kind: "echo", seconds })
    const alone: Array<Quantiles> = []
    const flooded: Array<Quantiles> = []
    const flood: Array<number> = []
    for (let round = 0; round <= rounds; round++) {
      const before = yield* runQuiet(seconds)
      const [beside, sent] = yield* Effect.all([runQuiet(seconds), runFlood(seconds)], { concurrency: 2 })
      // The first warms up.
      if (round === 0) continue
      alone.push(before)
      flooded.push(beside)
      flood.push(sent.messages / sent.seconds)
      yield* Console.error(
        `fairness, ${round} of ${rounds}: ${contestant.name} p99 ${(before.p99 / 1000).toFixed(1)} ms, flooded ${
          (beside.p99 / 1000).toFixed(1)
        } ms`
      )
    }
    const seen: Fairness = { contestant, alone, flooded, flood }
    return seen
  }).pipe(Effect.scoped)
