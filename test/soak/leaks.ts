/**
 * Connections that come and vanish by the thousand leave nothing behind: heap, handles, timers, listeners and fibers.
 *
 *     pnpm leaks [--cycles 100000]
 *
 * The figures go to standard output, and the status is 1 if anything is left.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { WebsocketServer } from "@websocket-stream/node"
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as Record from "effect/Record"
import * as Schedule from "effect/Schedule"
import * as diagnostics from "node:diagnostics_channel"
import { EventEmitter } from "node:events"
import { size } from "../../bench/report/numbers.ts"
import { table } from "../../bench/report/table.ts"
import { collected } from "../../bench/support/collected.ts"
import { steadyResources } from "../support/resources.ts"
import { cycles, handler, type To } from "./cycles.ts"
import { Broken } from "./numbered.ts"

const count = Flag.Int("cycles").pipe(
  Flag.withDescription("How many connections"),
  Flag.withDefault(100_000),
  Flag.filter((count) => count > 0, (count) => `Expected at least 1, got ${count}`)
)

/** What there is besides objects, by name. */
type Counts = { readonly [what: string]: number }

interface Left {
  readonly counts: Counts
  readonly memory: NodeJS.MemoryUsage
}

let fibers = 0
let servers: ReadonlyArray<EventEmitter> = []

const listenersOf = (emitter: EventEmitter): number =>
  emitter.eventNames().reduce((sum, name) => sum + emitter.listenerCount(name), 0)

const counts: Effect.Effect<Counts> = Effect.map(steadyResources, (resources) => ({
  fibers,
  "listeners of the process": listenersOf(process),
  "listeners of the server": servers.reduce((sum, server) => sum + listenersOf(server), 0),
  ...Record.mapKeys(resources, (kind) => `open: ${kind}`)
}))

/** Waits until there is no more of anything than there was, and answers what there is. */
const settle = (before: Counts): Effect.Effect<Left> =>
  Effect.gen(function*() {
    const isBack = Effect.flatMap(
      counts,
      (counts) => moreThan(before, counts).length === 0 ? Effect.void : Effect.fail("more")
    )
    yield* Effect.ignore(Effect.retry(isBack, { schedule: Schedule.spaced("20 millis"), times: 1000 }))
    const memory = yield* collected
    return { counts: yield* counts, memory }
  })

const moreThan = (before: Counts, after: Counts): ReadonlyArray<string> =>
  Object.keys(after).filter((what) => after[what]! > (before[what] ?? 0))

const run = (to: To, times: number) =>
  Effect.forEach(
    Array.from({ length: times }, (_, i) => cycles[i % cycles.length]!),
    (cycle) =>
      Effect.scoped(cycle.run(to)).pipe(
        Effect.catchCause((cause) => new Broken({ message: `a connection ${cycle.name}: ${Cause.pretty(cause)}` }))
      ),
    { concurrency: 16, discard: true }
  )

const leaks = Effect.fnUntraced(function*(options: { readonly cycles: number }) {
  diagnostics.subscribe("tracing:net.server.listen:asyncStart", (message) => {
    if (typeof message !== "object" || message === null || !("server" in message)) return
    if (message.server instanceof EventEmitter) servers = [message.server]
  })
  const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0, deflate: true })
  yield* Effect.forkScoped(server.run(handler))
  const url = WebsocketServer.url(server.address)
  const to: To = { url, port: Number(new URL(url).port) }
  yield* collected
  const idle = yield* counts
  // What is compiled and cached for the first of them is no leak.
  yield* run(to, Math.min(options.cycles, warmUp))
  const before = yield* settle(idle)
  const began = performance.now()
  const rounds = Math.min(10, Math.ceil(options.cycles / cycles.length))
  const heaps: Array<number> = []
  for (let round = 0; round < rounds; round++) {
    const from = Math.floor(options.cycles * round / rounds)
    const times = Math.floor(options.cycles * (round + 1) / rounds) - from
    yield* run(to, times)
    const { memory } = yield* settle(idle)
    heaps.push(memory.heapUsed)
    const seconds = ((performance.now() - began) / 1000).toFixed(0)
    yield* Console.error(`${from + times} connections, ${seconds} s, heap ${size(memory.heapUsed)}`)
  }
  const after = yield* settle(idle)
  yield* Console.log(figures(options.cycles, before, after, heaps))
  const problems = judge(options.cycles, idle, after, heaps)
  if (problems.length > 0) return yield* new Broken({ message: problems.join("\n") })
  yield* Console.log("\nNothing is left of them.")
}, Effect.scoped)

const warmUp = 2000

/** Bytes that the heap may have more by chance: what is compiled late, and where the collector is. */
const chance = 1024 * 1024

// The least, because the engine also throws out what it had compiled, which would hide a leak.
const growthOf = (heaps: ReadonlyArray<number>): number =>
  heaps.at(-1)! - Math.min(...heaps.slice(0, Math.ceil(heaps.length / 2)))

const judge = (times: number, idle: Counts, after: Left, heaps: ReadonlyArray<number>): ReadonlyArray<string> => {
  const problems = moreThan(idle, after.counts).map((what) =>
    `${what}: ${idle[what] ?? 0} when nobody had come, and ${after.counts[what]} now that all have gone`
  )
  const growth = growthOf(heaps)
  return growth > chance ? [...problems, `the heap has grown by ${size(growth)} over ${times} connections`] : problems
}

const figures = (times: number, before: Left, after: Left, heaps: ReadonlyArray<number>): string => {
  const rows = Object.keys({ ...before.counts, ...after.counts }).map((what) => [
    what,
    `${before.counts[what] ?? 0}`,
    `${after.counts[what] ?? 0}`
  ])
  const bytes = (what: string, pick: (memory: NodeJS.MemoryUsage) => number) => [
    what,
    size(pick(before.memory)),
    size(pick(after.memory))
  ]
  const title = `${times.toLocaleString("en")} connections, of ${cycles.length} kinds`
  return table([title, "before", "after"], [
    bytes("heap", ({ heapUsed }) => heapUsed),
    ["heap, least of the first half and last", size(heaps.at(-1)! - growthOf(heaps)), size(heaps.at(-1)!)],
    bytes("outside of the heap", ({ external }) => external),
    bytes("resident", ({ rss }) => rss),
    ...rows
  ])
}

Command.make("leaks", { cycles: count }, leaks).pipe(
  Command.withDescription("What connections leave behind"),
  Command.run({ version: "0.1.0" }),
  Effect.tapErrorTag("Broken", ({ message }) => Console.error(message)),
  Effect.provide([NodeServices.layer, Logger.layer([])]),
  Effect.provideService(Metric.FiberRuntimeMetrics, {
    recordFiberStart: () => {
      fibers++
    },
    recordFiberEnd: () => {
      fibers--
    }
  }),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
