/** Connections by the ten thousand: more than one process and one address has room for. */
import * as Effect from "effect/Effect"
import type { Kind, LoadCommands, OpenOptions } from "../load/main.ts"
import type { Seen } from "../load/run.ts"
import { Failure } from "./failure.ts"
import { start } from "./processes.ts"

/** All connections of all processes as one. */
export interface Crowd {
  readonly run: (kind: Kind) => Effect.Effect<Seen, Failure>
  /** Ends all of them without a word. */
  readonly reset: Effect.Effect<void, Failure>
}

const processes = (connections: number): number => Math.ceil(connections / connectionsOfOne)

const connectionsOfOne = 20_000

export const startLoad = (connections?: number) => start<LoadCommands>("load/main.ts", { cpus: "load", connections })

/** The processes for so many connections. They open none yet. */
export const startLoads = Effect.fnUntraced(function*(connections: number) {
  yield* checkPorts(connections)
  const starting = startLoad(Math.min(connections, connectionsOfOne))
  return yield* Effect.all(Array.from({ length: processes(connections) }, () => starting), { concurrency: 2 })
})

/** Opens the connections, from as many addresses as there are processes. */
export const openAll = Effect.fnUntraced(function*(
  loads: Effect.Success<ReturnType<typeof startLoads>>,
  { connections, ...options }: Omit<OpenOptions, "sources" | "handshakes" | "depth">
) {
  const each = Math.ceil(connections / loads.length)
  const pools = yield* Effect.forEach(loads, (load, i) => {
    const count = Math.max(0, Math.min(each, connections - i * each))
    // All processes together stay below the queue of the listening socket, which is 511 in Node.
    const handshakes = Math.max(8, Math.floor(256 / loads.length))
    return Effect.map(
      load.ask("open", { ...options, connections: count, depth: 1, handshakes, sources: sources(i) }),
      (pool) => ({ load, pool })
    )
  }, { concurrency: "unbounded" })
  const crowd: Crowd = {
    run: (kind) =>
      Effect.map(
        Effect.forEach(pools, ({ load, pool }) => load.ask("run", { pool, kind, seconds: 0 }), {
          concurrency: "unbounded"
        }),
        together
      ),
    reset: Effect.forEach(pools, ({ load, pool }) => load.ask("reset", pool), { discard: true })
  }
  return crowd
})

/** The latest is when all are done, and the slowest percentiles stand for all. */
const together = (all: ReadonlyArray<Seen>): Seen => ({
  messages: all.reduce((sum, { messages }) => sum + messages, 0),
  seconds: Math.max(...all.map(({ seconds }) => seconds)),
  p50: Math.max(...all.map(({ p50 }) => p50)),
  p99: Math.max(...all.map(({ p99 }) => p99)),
  cpu: all.reduce((sum, { cpu }) => sum + cpu, 0)
})

/**
 * The addresses of one process: to Linux all of 127.0.0.0/8 is this machine. A connection takes a port of its address, which has
 * 28,000, and when half of them are taken the search for one costs more than all the rest.
 */
const sources = (process: number): ReadonlyArray<string> | undefined =>
  isLinux ? Array.from({ length: addressesOfOne }, (_, i) => `127.0.${1 + process}.${1 + i}`) : undefined

const isLinux = process.platform === "linux"
const addressesOfOne = 5

const checkPorts = (connections: number): Effect.Effect<void, Failure> =>
  isLinux || connections <= portsOfAnAddress
    ? Effect.void
    : Effect.fail(new Failure({ message: "one address has no ports for so many: take fewer with --connections" }))

/** What most systems give that are not Linux. */
const portsOfAnAddress = 16_384
