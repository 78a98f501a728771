import * as Effect from "effect/Effect"
import { pinning, stamp } from "../report/machine.ts"
import { duration, short, size } from "../report/numbers.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"
import type { Contestant } from "../support/contestants.ts"
import { type Answered, type Idle, idle } from "../support/idling.ts"

/** So many connections over which nothing goes, until all are asked at once. */
export const idleSection = Effect.fnUntraced(function*(contestants: ReadonlyArray<Contestant>, connections: number) {
  const seen = yield* Effect.forEach(contestants, (contestant) => idle(contestant, connections))
  const count = connections.toLocaleString("en")
  const body = [
    stamp(`one after the other, ${pinning}`),
    `${count} connections to one process: in ours and in Effect's a fiber of each waits for a message. Memory is the server's ` +
    "for each connection, after a full collection; then all answer a ping, all send a message back, and all close.",
    table(["", "resident", "of it heap", "CPU to accept", "accepted a second"], seen.map(costs)),
    table(["", "all pinged", "p99", "CPU a ping", "all echoed", "p99", "CPU a message"], seen.map(answers))
  ]
  const section: Section = { id: `idle-${connections}`, title: `${count} connections`, body: body.join("\n\n") }
  return section
})

const costs = ({ acceptCpu, acceptRate, contestant, heap, resident }: Idle): ReadonlyArray<string> => [
  contestant.name,
  size(resident),
  size(heap),
  duration(acceptCpu),
  short(acceptRate)
]

const answers = ({ contestant, messages, pings }: Idle): ReadonlyArray<string> => [
  contestant.name,
  ...answered(pings),
  ...answered(messages)
]

const answered = (seen: Answered | undefined): ReadonlyArray<string> =>
  seen === undefined ? ["", "", ""] : [duration(seen.seconds * 1e6), duration(seen.p99), duration(seen.serverCpu)]
