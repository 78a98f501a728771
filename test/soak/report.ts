/** What the soak has seen, as a table, and which laws it broke. */
import { duration, short, size } from "../../bench/report/numbers.ts"
import { table } from "../../bench/report/table.ts"
import { median } from "../../bench/support/statistics.ts"
import type { Course, Lap } from "./laps.ts"
import type { Rest } from "./server.ts"

/** One line, while it runs. */
export const progress = ({ problems }: Course, lap: Lap, seconds: number, messages: number): string => {
  const { delay, heap, most, resident } = lap.rest
  const broken = problems.length === 0 ? "" : `; ${problems.length} PROBLEMS, the first: ${problems[0]}`
  return `${clock(seconds)} ${lap.clients} clients, ${messages} messages; at rest heap ${size(heap)}, resident ` +
    `${size(resident)}; at most ${most.connections} connections, ${size(most.resident)}; ` +
    `loop p99 ${delay.p99.toFixed(0)} ms, max ${delay.max.toFixed(0)} ms${broken}`
}

/** All messages that went either way, as the clients count them. */
export const messagesOf = ({ traffic }: Course): number =>
  Object.values(traffic).reduce((sum, { received, sent }) => sum + received + sent, 0)

/** The figures at the end. */
export const figures = (course: Course, laps: ReadonlyArray<Lap>, seconds: number): string => {
  const { counts, traffic } = course
  const [first, last] = [laps[0]!, laps.at(-1)!]
  const kinds = Object.entries(traffic).sort(([a], [b]) => a < b ? -1 : 1)
  const all = messagesOf(course)
  const bytes = kinds.reduce((sum, [, { bytes }]) => sum + bytes, 0)
  const rows: ReadonlyArray<ReadonlyArray<string>> = [
    ["seed", `${course.seed}`],
    ["time", clock(seconds)],
    ["clients that came and went", whole(last.clients)],
    ["messages, numbered and hashed", `${whole(all)} (${short(all / seconds)} a second)`],
    ["bytes of them", `${size(bytes)} (${size(bytes / seconds)} a second)`],
    ...[...counts].sort(([a], [b]) => a < b ? -1 : 1).map(([what, times]) => [what, whole(times)]),
    ["connections at a time, at most", `${Math.max(...laps.map(({ rest }) => rest.most.connections))}`],
    ["event loop's delay, median", milliseconds(median(laps.map(({ rest }) => rest.delay.p50)))],
    ["event loop's delay, p99 (worst lap)", ofLaps(laps, ({ rest }) => rest.delay.p99)],
    ["event loop's delay, longest", milliseconds(Math.max(...laps.map(({ rest }) => rest.delay.max)))],
    ["heap at rest, first and last lap", fromTo(first, last, ({ rest }) => rest.heap)],
    ["heap at rest, slope a client", slopeOf(laps, ({ rest }) => rest.heap)],
    ["outside of the heap, first and last lap", fromTo(first, last, ({ rest }) => rest.external)],
    ["resident at rest, first and last lap", fromTo(first, last, ({ rest }) => rest.resident)],
    ["resident at rest, slope a client", slopeOf(laps, ({ rest }) => rest.resident)],
    ["resident under load, at most", size(Math.max(...laps.map(({ rest }) => rest.most.resident)))],
    ["the clients' own heap, slope a client", slopeOf(laps, ({ clientHeap }) => clientHeap)],
    ["open at rest, last lap", Object.entries(last.rest.resources).map(([kind, n]) => `${n} ${kind}`).join(", ")]
  ]
  const ofKinds = kinds.map(([kind, { bytes, connections, received, sent }]) => [
    kind,
    ...[connections, sent, received].map(whole),
    size(bytes)
  ])
  return [
    table(["kind", "clients", "messages to the server", "from the server", "bytes"], ofKinds),
    table(["figure", ""], rows)
  ].join("\n\n")
}

/** The laws of memory and of what is open, where there are laps enough to tell. Of messages each client keeps them. */
export const leaks = (laps: ReadonlyArray<Lap>, before: Rest["resources"]): ReadonlyArray<string> => {
  const problems: Array<string> = []
  for (const [kind, count] of Object.entries(laps.at(-1)!.rest.resources)) {
    const had = before[kind] ?? 0
    if (count > had) {
      problems.push(`${had} ${kind} were open before anybody had come, and ${count} are when all have gone`)
    }
  }
  const warm = settled(laps)
  if (warm.length < 6) return problems
  const grown = (what: string, pick: (lap: Lap) => number, atMost: number) => {
    const growth = growthOf(warm, pick)
    if (growth > atMost) problems.push(`${what} grew by ${size(growth)} from the first third to the last`)
  }
  grown("the server's heap", ({ rest }) => rest.heap, 1024 * 1024)
  grown("the clients' heap", ({ clientHeap }) => clientHeap, 1024 * 1024)
  grown("what the server holds outside of its heap", ({ rest }) => rest.external, 1024 * 1024)
  // The allocator of the system keeps what it once had, and more of it the longer it is torn: of 290 MiB after 3,000 clients
  // glibc's malloc_trim left 215, of 242 after 300 it left 221. So this is only for what runs away.
  grown("the server's memory", ({ rest }) => rest.resident, 256 * 1024 * 1024)
  return problems
}

// In the first laps code is compiled, and caches fill.
const settled = (laps: ReadonlyArray<Lap>): ReadonlyArray<Lap> => laps.slice(Math.floor(laps.length / 5))

// Medians, because a lap that is measured in the middle of something is one lap.
const growthOf = (laps: ReadonlyArray<Lap>, pick: (lap: Lap) => number): number => {
  const third = Math.floor(laps.length / 3)
  return median(laps.slice(-third).map(pick)) - median(laps.slice(0, third).map(pick))
}

/** Bytes a client, by least squares. */
const slopeOf = (laps: ReadonlyArray<Lap>, pick: (lap: Lap) => number): string => {
  const warm = settled(laps)
  if (warm.length < 3) return "too few laps to tell"
  const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length
  const [x, y] = [mean(warm.map(({ clients }) => clients)), mean(warm.map(pick))]
  const above = mean(warm.map((lap) => (lap.clients - x) * (pick(lap) - y)))
  const slope = above / mean(warm.map((lap) => (lap.clients - x) ** 2))
  return `${slope.toFixed(1)} B, over ${whole(warm.at(-1)!.clients - warm[0]!.clients)} clients`
}

const fromTo = (first: Lap, last: Lap, pick: (lap: Lap) => number): string =>
  `${size(pick(first))}, ${size(pick(last))}`

const ofLaps = (laps: ReadonlyArray<Lap>, pick: (lap: Lap) => number): string => {
  const values = laps.map(pick)
  return `${milliseconds(median(values))} (${milliseconds(Math.max(...values))})`
}

const milliseconds = (value: number): string => duration(value * 1000)

const whole = (value: number): string => value.toLocaleString("en")

const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${`${Math.floor(seconds % 60)}`.padStart(2, "0")}`
