import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { pinning, stamp } from "../report/machine.ts"
import { duration, short, size, withSpread } from "../report/numbers.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"
import { type Contestant, wsAsInstalled } from "../support/contestants.ts"
import { type Answered, type Idle, idle } from "../support/idling.ts"
import { median, ratio } from "../support/statistics.ts"

/** What was seen of a contestant, round by round. */
interface Entry {
  readonly contestant: Contestant
  readonly rounds: Array<Idle>
}

/** So many connections over which nothing goes, until all are asked at once. */
export const idleSection = Effect.fnUntraced(function*(
  contestants: ReadonlyArray<Contestant>,
  connections: number,
  rounds: number
) {
  const entries = contestants.map((contestant): Entry => ({ contestant, rounds: [] }))
  for (let round = 1; round <= rounds; round++) {
    yield* Console.error(`${connections} idle, ${round} of ${rounds}`)
    for (const { contestant, rounds } of entries) rounds.push(yield* idle(contestant, connections, { again: true }))
  }
  const base = entries.find(({ contestant }) => contestant === wsAsInstalled)
  const count = connections.toLocaleString("en")
  const body = [
    stamp(`${rounds} rounds, in turn, ${pinning}`),
    `${count} connections to one process: in ours and in Effect's a fiber of each waits for a message. Memory is the server's ` +
    "for each connection, after a full collection; then all answer a ping, all send a message back, and all close, and as many " +
    "are opened again: by then the code is compiled. Shown are medians, and how often what it takes `ws` as installed is in it: " +
    "lower is better.",
    table(
      ["", "resident", "to `ws`", "of it heap", "CPU to accept", "to `ws`", "again", "to `ws`", "accepted a second"],
      entries.map((entry) => costs(entry, base))
    ),
    table(["", "all pinged", "p99", "CPU a ping", "all echoed", "p99", "CPU a message"], entries.map(answers))
  ]
  const section: Section = { id: `idle-${connections}`, title: `${count} connections`, body: body.join("\n\n") }
  return section
})

const costs = (entry: Entry, base: Entry | undefined): ReadonlyArray<string> => {
  const column = ({ rounds }: Entry, figure: (seen: Idle) => number) => rounds.map(figure)
  const middle = (figure: (seen: Idle) => number) => median(column(entry, figure))
  const toBase = (figure: (seen: Idle) => number) =>
    base === undefined ? "" : withSpread(ratio(column(entry, figure), column(base, figure)))
  return [
    entry.contestant.name,
    size(middle(({ resident }) => resident)),
    toBase(({ resident }) => resident),
    size(middle(({ heap }) => heap)),
    duration(middle(({ acceptCpu }) => acceptCpu)),
    toBase(({ acceptCpu }) => acceptCpu),
    duration(middle(({ againCpu }) => againCpu!)),
    toBase(({ againCpu }) => againCpu!),
    short(middle(({ acceptRate }) => acceptRate))
  ]
}

const answers = ({ contestant, rounds }: Entry): ReadonlyArray<string> => [
  contestant.name,
  ...answered(rounds.flatMap(({ pings }) => pings ?? [])),
  ...answered(rounds.map(({ messages }) => messages))
]

const answered = (seen: ReadonlyArray<Answered>): ReadonlyArray<string> =>
  seen.length === 0 ? ["", "", ""] : [
    duration(median(seen.map(({ seconds }) => seconds)) * 1e6),
    duration(median(seen.map(({ p99 }) => p99))),
    duration(median(seen.map(({ serverCpu }) => serverCpu)))
  ]
