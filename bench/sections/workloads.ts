import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { pinning, stamp } from "../report/machine.ts"
import { duration, short, withSpread } from "../report/numbers.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"
import type { Entry, Settings } from "../support/compare.ts"
import { type Contestant, reference } from "../support/contestants.ts"
import { sitting } from "../support/sitting.ts"
import { median, ratio } from "../support/statistics.ts"
import { type Described, workloads } from "../support/workloads.ts"

/** One workload, measured. */
export interface Measured {
  readonly workload: Described
  readonly entries: ReadonlyArray<Entry>
}

/** W1 to W6, or those that are named, each with fresh servers. */
export const measureWorkloads = (
  contestants: ReadonlyArray<Contestant>,
  settings: Settings,
  only: Option.Option<string>
) =>
  Effect.forEach(
    workloads.filter(({ name }) => Option.isNone(only) || only.value === name),
    (workload) => measure(contestants, settings, workload)
  )

/** One workload, with fresh servers. */
export const measure = Effect.fnUntraced(function*(
  contestants: ReadonlyArray<Contestant>,
  settings: Settings,
  workload: Described
) {
  // Of servers with the same code, the ones that were started first take some percent more than the last.
  const orders = [contestants, contestants.toReversed()]
  const sittings = yield* Effect.forEach(
    shares(settings.rounds),
    (rounds, i) => sitting(orders[i % orders.length]!, [workload], { ...settings, rounds })
  )
  const measured: Measured = {
    workload,
    entries: contestants.map((contestant) => joined(contestant, sittings.flat(2)))
  }
  return measured
})

// Processes with the same code are up to ten percent apart for as long as they live: more rounds of one say less than one of more.
// Of 7 rounds 3 would be in the one order and 4 in the other.
const shares = (rounds: number): ReadonlyArray<number> => {
  const sittings = Math.max(1, Math.min(sittingsAtMost, rounds))
  return Array.from({ length: sittings }, (_, i) => Math.floor((rounds + i) / sittings))
}

const sittingsAtMost = 4

const joined = (contestant: Contestant, entries: ReadonlyArray<Entry>): Entry => ({
  contestant,
  samples: entries.filter((entry) => entry.contestant === contestant).flatMap(({ samples }) => samples)
})

/** A table of ratios, and a table for each workload. */
export const workloadsSection = (measured: ReadonlyArray<Measured>, { rounds, seconds }: Settings): Section => {
  const body = [
    stamp(`${rounds} rounds of ${seconds} s for each, in turn, ${pinning}`),
    `CPU of the server for a message, as a ratio to ${reference.name}: higher is better, and 2 is half the CPU.`,
    summary(measured),
    ...measured.map(details)
  ]
  return { id: "workloads", title: "Messages", body: body.join("\n\n") }
}

const summary = (measured: ReadonlyArray<Measured>): string => {
  const contestants = measured[0]?.entries.map(({ contestant }) => contestant) ?? []
  const rows = contestants.map((contestant, i) => [
    contestant.name,
    ...measured.map(({ entries }) => short(ratio(cpuOf(referenceOf(entries)), cpuOf(entries[i]!)).median))
  ])
  return table(["", ...measured.map(({ workload }) => workload.name)], rows)
}

const details = (measured: Measured): string => {
  const { workload } = measured
  return `### ${workload.name}: ${workload.description}\n\n${costs(measured, "message")}`
}

/** A table of what each server took for what is counted, the ratio to the reference, or else to the first. */
export const costs = ({ entries }: Measured, counted: "message" | "call"): string => {
  const rows = entries.map((entry) => [
    entry.contestant.name,
    `${short(median(cpuOf(entry)))} µs`,
    withSpread(ratio(cpuOf(referenceOf(entries)), cpuOf(entry))),
    short(median(entry.samples.map(({ rate }) => rate))),
    duration(median(entry.samples.map(({ p50 }) => p50))),
    duration(median(entry.samples.map(({ p99 }) => p99))),
    `${Math.round(median(entry.samples.map(({ loadBusy }) => loadBusy)) * 100)} %`
  ])
  return table(
    ["", `CPU a ${counted}`, "ratio (least to most)", `${counted}s a second`, "p50", "p99", "load busy"],
    rows
  )
}

const cpuOf = ({ samples }: Entry): ReadonlyArray<number> => samples.map(({ cpu }) => cpu)

const referenceOf = (entries: ReadonlyArray<Entry>): Entry =>
  entries.find(({ contestant }) => contestant === reference) ?? entries[0]!
