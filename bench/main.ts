/**
 * How fast, beside `ws`, Effect's own server and no protocol at all:
 *
 *     pnpm bench [--only W2] [--rounds 8] [--seconds 2] [--write] [--quick]
 *     pnpm bench codec
 *     pnpm bench idle [--connections 20000] [--rounds 5]
 *
 * Tables go to standard output, and how far it is to standard error.
 */
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Cause from "effect/Cause"
import * as CliError from "effect/cli/CliError"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { chart } from "./report/chart.ts"
import * as Document from "./report/document.ts"
import type { Section } from "./report/section.ts"
import { codecSection } from "./sections/codec.ts"
import { fairnessSection } from "./sections/fairness.ts"
import { defaultScale, growthSection } from "./sections/growth.ts"
import { idleSection } from "./sections/idle.ts"
import { quick } from "./sections/quick.ts"
import { rpcSection } from "./sections/rpc.ts"
import { measureWorkloads, workloadsSection } from "./sections/workloads.ts"
import * as Contestants from "./support/contestants.ts"
import * as Descriptors from "./support/descriptors.ts"
import { Failure } from "./support/failure.ts"
import { workloads } from "./support/workloads.ts"

const write = Flag.Boolean("write").pipe(
  Flag.withDescription("Write the sections that were measured to docs/benchmarks.md, and the picture beside it"),
  Flag.withDefault(false)
)

const rounds = (count: number) =>
  Flag.Int("rounds").pipe(
    Flag.withDescription("How often each is timed"),
    Flag.withDefault(count),
    Flag.filter((rounds) => rounds > 0, (rounds) => `Expected at least 1, got ${rounds}`)
  )

const codecRounds = 101
const idleRounds = 5

const seconds = Flag.Finite("seconds").pipe(
  Flag.withDescription("How long each is timed in a round"),
  Flag.withDefault(2),
  Flag.filter((seconds) => seconds > 0, (seconds) => `Expected more than 0, got ${seconds}`)
)

const only = Flag.Literals("only", workloads.map(({ name }) => name)).pipe(
  Flag.withDescription("One workload, and nothing else"),
  Flag.optional
)

const quickly = Flag.Boolean("quick").pipe(
  Flag.withDescription("Only check that everything works: a few seconds, and nothing is timed"),
  Flag.withDefault(false)
)

const manyConnections = 20_000

const connections = Flag.Int("connections").pipe(
  Flag.withDescription(`How many to open; without it ${manyConnections}, or as many as a process may hold`),
  Flag.filter((connections) => connections > 0, (connections) => `Expected at least 1, got ${connections}`),
  Flag.optional
)

const all = Effect.fnUntraced(function*(options: {
  readonly only: Option.Option<string>
  readonly quick: boolean
  readonly rounds: number
  readonly seconds: number
  readonly write: boolean
}) {
  if (options.quick) return yield* quick
  const settings = { rounds: options.rounds, seconds: options.seconds }
  const isPart = Option.isSome(options.only)
  if (isPart && options.write) return yield* new Failure({ message: "--write would drop the workloads beside --only" })
  const measured = yield* measureWorkloads(Contestants.all, settings, options.only)
  yield* report(workloadsSection(measured, settings), options, chart(measured))
  if (isPart) return
  // Each is told as soon as it is there: what comes later may fail for want of memory or descriptors.
  yield* report(yield* rpcSection(settings), options)
  const connections = Descriptors.atMost(manyConnections)
  yield* report(yield* growthSection(Contestants.growing, settings, defaultScale(connections)), options)
  yield* report(yield* fairnessSection(Contestants.idlers, settings), options)
  yield* report(yield* idleSection(Contestants.idlers, connections, idleRounds), options)
  yield* report(yield* codecSection(codecRounds), options)
})

const idle = Effect.fnUntraced(function*(options: {
  readonly connections: Option.Option<number>
  readonly rounds: number
  readonly write: boolean
}) {
  const connections = Option.getOrElse(options.connections, () => Descriptors.atMost(manyConnections))
  yield* report(yield* idleSection(Contestants.idlers, connections, options.rounds), options)
})

const codec = Effect.fnUntraced(function*(options: { readonly rounds: number; readonly write: boolean }) {
  yield* report(yield* codecSection(options.rounds), options)
})

const report = (section: Section, { write }: { readonly write: boolean }, picture?: string) =>
  Effect.gen(function*() {
    yield* Console.log(`\n## ${section.title}\n\n${section.body}`)
    if (write) yield* Document.write(section, picture)
  })

// What is wrong with the arguments has been told by then, and what is wrong here says where.
const tell = (cause: Cause.Cause<Failure | CliError.CliError>) => {
  const error = Cause.squash(cause)
  if (CliError.isCliError(error)) return Effect.void
  return Console.error(error instanceof Failure ? error.message : Cause.pretty(cause))
}

Command.make("bench", { only, quick: quickly, rounds: rounds(8), seconds, write }, all).pipe(
  Command.withDescription("How fast, beside others"),
  Command.withSubcommands([
    Command.make("codec", { rounds: rounds(codecRounds), write }, codec).pipe(
      Command.withDescription("Decoding, encoding, masking, UTF-8 and deflate alone, without sockets")
    ),
    Command.make("idle", { connections, rounds: rounds(idleRounds), write }, idle).pipe(
      Command.withDescription("What connections cost over which nothing goes")
    )
  ]),
  Command.run({ version: "0.1.0" }),
  Effect.tapCause(tell),
  Effect.provide(NodeServices.layer),
  NodeRuntime.runMain({ disableErrorReporting: true })
)
