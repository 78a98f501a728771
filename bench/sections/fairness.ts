import * as Effect from "effect/Effect"
import { pinning, stamp } from "../report/machine.ts"
import { duration, short } from "../report/numbers.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"
import type { Settings } from "../support/compare.ts"
import type { Contestant } from "../support/contestants.ts"
import { type Fairness, fairness, type Quantiles } from "../support/fairness.ts"
import { median } from "../support/statistics.ts"

/** What a flood on one connection does to a thousand others. */
export const fairnessSection = Effect.fnUntraced(
  function*(contestants: ReadonlyArray<Contestant>, settings: Settings, connections = 1000) {
    const seen = yield* Effect.forEach(contestants, (contestant) => fairness(contestant, { ...settings, connections }))
    const body = [
      stamp(`${settings.rounds} rounds of ${settings.seconds} s, with and without the flood in turn, ${pinning}`),
      `${
        connections.toLocaleString("en")
      } connections send 1,000 messages of 125 B a second together, alone and beside one connection that always has ` +
      "4,096 in flight. The round trips are those of the others. Both loads share their cores, which raw `net` shows.",
      table(
        ["", "p50 alone", "p99 alone", "p50 flooded", "p99 flooded", "times, p99", "flood, messages a second"],
        seen.map(row)
      )
    ]
    const section: Section = { id: "fairness", title: "Fairness", body: body.join("\n\n") }
    return section
  }
)

const row = ({ alone, contestant, flood, flooded }: Fairness): ReadonlyArray<string> => {
  const [quiet, beside] = [middle(alone), middle(flooded)]
  return [
    contestant.name,
    duration(quiet.p50),
    duration(quiet.p99),
    duration(beside.p50),
    duration(beside.p99),
    short(beside.p99 / quiet.p99),
    short(median(flood))
  ]
}

const middle = (rounds: ReadonlyArray<Quantiles>): Quantiles => ({
  p50: median(rounds.map(({ p50 }) => p50)),
  p99: median(rounds.map(({ p99 }) => p99))
})
