/**
 * A server under every kind of client for as long as you like: nothing lost, nothing twice, nothing out of order, and memory flat.
 *
 *     pnpm soak [--minutes 60] [--seed 7] [--laps 1] [--clients 300]
 *
 * How far it is goes to standard error, the figures to standard output. The status is 1 if a law was broken. A seed makes the
 * same clients again; who is how fast, the machine decides.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { start } from "../../bench/support/child.ts"
import { anySeed, type Course, type Lap, run } from "./laps.ts"
import { Broken } from "./numbered.ts"
import * as Report from "./report.ts"
import type { SoakCommands } from "./server.ts"

const atLeastOne = <A extends number>(self: Flag.Flag<A>) =>
  Flag.filter(self, (value) => value > 0, (value) => `Expected more than 0, got ${value}`)

const minutes = Flag.Finite("minutes").pipe(
  Flag.withDescription("How long to go on, whole laps"),
  Flag.withDefault(1),
  atLeastOne
)

const laps = Flag.Int("laps").pipe(
  Flag.withDescription("How many laps, however long they take"),
  atLeastOne,
  Flag.optional
)

const clients = Flag.Int("clients").pipe(
  Flag.withDescription("How many come and go in a lap"),
  Flag.withDefault(300),
  atLeastOne
)

const seed = Flag.Int("seed").pipe(Flag.withDescription("Which clients; without it a new one"), Flag.optional)

/** Milliseconds. Much longer than a busy machine keeps a well-behaved client from answering a ping. */
const idleDeadline = 10_000

const soak = Effect.fnUntraced(function*(options: {
  readonly clients: number
  readonly laps: Option.Option<number>
  readonly minutes: number
  readonly seed: Option.Option<number>
}) {
  const server = yield* start<SoakCommands>("../test/soak/server.ts", { cpus: "server" })
  const course: Course = {
    server,
    url: yield* server.ask("listen", { idleDeadline }),
    seed: Option.isSome(options.seed) ? options.seed.value : yield* anySeed,
    traffic: {},
    counts: new Map(),
    problems: []
  }
  const { resources } = yield* server.ask("rest")
  const began = performance.now()
  const seconds = () => (performance.now() - began) / 1000
  const done: Array<Lap> = []
  yield* Console.error(`seed ${course.seed}`)
  const isOver = () =>
    Option.isSome(options.laps) ? done.length >= options.laps.value : seconds() >= options.minutes * 60
  while (!isOver() && course.problems.length === 0) {
    const lap = yield* run(course, done.length * options.clients, options.clients)
    done.push(lap)
    yield* Console.error(Report.progress(course, lap, seconds(), Report.messagesOf(course)))
  }
  yield* Console.log(`\n${Report.figures(course, done, seconds())}\n`)
  const problems = [...course.problems, ...Report.leaks(done, resources)]
  if (problems.length > 0) return yield* new Broken({ message: `${problems.length} problems:\n${problems.join("\n")}` })
  yield* Console.log("Nothing was lost, nothing came twice, out of order or changed, and nothing is left.")
}, Effect.scoped)

Command.make("soak", { clients, laps, minutes, seed }, soak).pipe(
  Command.withDescription("A server under every kind of client"),
  Command.run({ version: "0.1.0" }),
  Effect.tapErrorTag("Broken", ({ message }) => Console.error(message)),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
