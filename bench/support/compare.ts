/** Runs one workload over several servers in turn, A B A B, so that all see the same noise. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { LoadCommands } from "../load/main.ts"
import type { Task } from "../servers/task.ts"
import type { Child } from "./child.ts"
import type { Contestant } from "./contestants.ts"
import type { Server } from "./servers.ts"

export interface Workload {
  readonly name: string
  readonly task: Task
  /** With a broadcast, one of them sends. */
  readonly connections: number
  /** Bytes of a message. */
  readonly size: number
  /** Messages in flight on each connection. */
  readonly depth: number
}

export interface Settings {
  /** 0 checks what the servers answer, and times nothing. */
  readonly rounds: number
  /** How long each contestant has in each round. */
  readonly seconds: number
}

/** One contestant in one round. */
export interface Sample {
  /** Microseconds of the server's CPU for a message: of an echo there and back, of a broadcast to one receiver. */
  readonly cpu: number
  /** Messages a second. */
  readonly rate: number
  /** Microseconds. */
  readonly p50: number
  readonly p99: number
  /** How much of its core the load took, from 0 to 1. */
  readonly loadBusy: number
}

export interface Entry {
  readonly contestant: Contestant
  readonly samples: ReadonlyArray<Sample>
}

/** The samples of each server, a round each. */
export const compare = Effect.fnUntraced(function*(
  load: Child<LoadCommands>,
  servers: ReadonlyArray<Server>,
  workload: Workload,
  { rounds, seconds }: Settings
) {
  const entrants = yield* Effect.forEach(servers, (server) => enter(load, server, workload))
  if (rounds > 0) yield* Effect.forEach(entrants, (entrant) => entrant.run(Math.min(1, seconds)), { discard: true })
  for (let round = 1; round <= rounds; round++) {
    for (const { contestant, run, samples } of entrants) {
      const sample = yield* run(seconds)
      samples.push(sample)
      yield* Console.error(`${workload.name}, ${round} of ${rounds}: ${contestant.name} ${sample.cpu.toFixed(2)} µs`)
    }
  }
  yield* Effect.forEach(entrants, (entrant) => entrant.leave, { discard: true })
  const entries: ReadonlyArray<Entry> = entrants
  return entries
})

/** Opens the connections and checks what comes back, before anything is timed. */
const enter = Effect.fnUntraced(function*(
  load: Child<LoadCommands>,
  { contestant, cpu, listen }: Server,
  { connections, depth, name, size, task }: Workload
) {
  const port = yield* listen(task)
  const pool = yield* load.ask("open", { port, protocol: contestant.protocol, connections, depth, size })
  yield* load.ask("run", { pool, kind: task, seconds: 0 })
  yield* Console.error(`${name}: ${contestant.name} answers as it should`)

  const samples: Array<Sample> = []
  const run = Effect.fnUntraced(function*(seconds: number) {
    // A check of each connection first. While it is timed, every byte is compared, too.
    yield* load.ask("run", { pool, kind: task, seconds: 0 })
    const before = yield* cpu
    const seen = yield* load.ask("run", { pool, kind: task, seconds })
    const after = yield* cpu
    const sample: Sample = {
      cpu: (after - before) / seen.messages,
      rate: seen.messages / seen.seconds,
      p50: seen.p50,
      p99: seen.p99,
      loadBusy: seen.cpu / 1e6 / seen.seconds
    }
    return sample
  })
  return { contestant, run, samples, leave: load.ask("reset", pool) }
})
