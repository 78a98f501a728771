import * as Effect from "effect/Effect"
import { pinning, stamp } from "../report/machine.ts"
import { exactSize, short, size } from "../report/numbers.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"
import type { Entry, Settings } from "../support/compare.ts"
import type { Contestant } from "../support/contestants.ts"
import { type Idle, idle } from "../support/idling.ts"
import { sitting } from "../support/sitting.ts"
import { median } from "../support/statistics.ts"
import { broadcast, echo, MiB } from "../support/workloads.ts"

/** What is asked for more and more. */
export interface Scale {
  readonly receivers: ReadonlyArray<number>
  /** Bytes of a message: a small and a large one. */
  readonly sizes: readonly [number, number]
  readonly connections: ReadonlyArray<number>
}

export const defaultScale = (connections: number): Scale => ({
  receivers: [10, 100, 1000],
  sizes: [MiB, 16 * MiB],
  connections: [1000, 5000, connections]
})

/** What should grow no faster than what is asked for. */
export const growthSection = Effect.fnUntraced(function*(
  contestants: ReadonlyArray<Contestant>,
  settings: Settings,
  { connections, receivers, sizes }: Scale
) {
  const broadcasts = yield* sitting(contestants, receivers.map((count) => broadcast(`to ${count}`, count)), settings)
  const large = yield* sitting(
    contestants,
    sizes.map((size) => echo(exactSize(size), { connections: 1, depth: 1, size })),
    settings
  )
  const memory = yield* Effect.forEach(
    contestants,
    (contestant) => Effect.forEach(connections, (count) => idle(contestant, count, { again: false }))
  )
  const body = [
    stamp(`${settings.rounds} rounds of ${settings.seconds} s for each, in turn, ${pinning}`),
    `### A broadcast of 1 KiB\n\nCPU of the server for each receiver.`,
    table(["", ...receivers.map((count) => `to ${count.toLocaleString("en")}`)], cpuRows(broadcasts)),
    `### A large message\n\nCPU of the server for a message there and back. Linear is ${sizes[1] / sizes[0]} times.`,
    table(["", ...sizes.map(exactSize), "times"], withTimes(large)),
    `### An idle connection\n\nResident memory of the server for each, after a full collection.`,
    table(["", ...connections.map((count) => count.toLocaleString("en"))], memory.map(memoryRow))
  ]
  const section: Section = { id: "growth", title: "Growth", body: body.join("\n\n") }
  return section
})

const cpuRows = (measured: ReadonlyArray<ReadonlyArray<Entry>>) =>
  (measured[0] ?? []).map(({ contestant }, i) => [
    contestant.name,
    ...measured.map((entries) => `${short(cpuOf(entries[i]!))} µs`)
  ])

const withTimes = (measured: ReadonlyArray<ReadonlyArray<Entry>>) =>
  cpuRows(measured).map((row, i) => {
    const [small = 0, large = 0] = measured.map((entries) => cpuOf(entries[i]!))
    return [...row, short(large / small)]
  })

const cpuOf = ({ samples }: Entry): number => median(samples.map(({ cpu }) => cpu))

const memoryRow = (seen: ReadonlyArray<Idle>): ReadonlyArray<string> => [
  seen[0]?.contestant.name ?? "",
  ...seen.map(({ resident }) => size(resident))
]
