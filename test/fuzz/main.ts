/**
 * Fuzzing, to find what no test was written for:
 *
 *     pnpm fuzz [--target frames] [--minutes 10] [--seed 1]
 *
 * Each target is fed by turns with fresh inputs and with changed ones of its corpus, for so many minutes, and holds one law: frames,
 * or a typed error, and bounded memory; never a throw, a hang or an unhandled event. What reaches code that nothing reached before
 * joins the corpus. What breaks the law is made small, printed as a test, and joins the corpus, too: `npm test` fails from then on,
 * until it is repaired.
 *
 * The corpus, and a few inputs of fixed seeds, are run by `npm test`.
 */
import * as Cause from "effect/Cause"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { runProgram } from "../support/program.ts"
import * as Corpus from "./corpus.ts"
import * as Coverage from "./coverage.ts"
import * as Notation from "./notation.ts"
import { type Failure, run } from "./run.ts"
import type { Target } from "./target.ts"
import { targets } from "./targets.ts"
import { guarded } from "./unhandled.ts"
import * as Watchdog from "./watchdog.ts"

const minutes = Flag.Finite("minutes").pipe(
  Flag.withDescription("How long each target is fed"),
  Flag.withDefault(1),
  Flag.filter((minutes) => minutes > 0, (minutes) => `Expected more than 0, got ${minutes}`)
)

const seed = Flag.Int("seed").pipe(
  Flag.withDescription("What all chance comes from; without it another one each time, which is told"),
  Flag.optional
)

const only = Flag.Literals("target", targets.map(({ name }) => name)).pipe(
  Flag.withDescription("One target, and no other"),
  Flag.optional
)

class Broken extends Data.TaggedError("Broken")<{ readonly targets: ReadonlyArray<string> }> {
  override get message(): string {
    return `${this.targets.join(", ")}: an input breaks the law; it is in the corpus, and above as a test`
  }
}

interface Flags {
  readonly minutes: number
  readonly only: Option.Option<string>
  readonly seed: Option.Option<number>
}

const fuzz = Effect.fnUntraced(function*({ minutes, only, seed }: Flags) {
  const chosen = Option.getOrElse(seed, () => Date.now() % 2 ** 31)
  yield* Console.log(`seed ${chosen}`)
  const broken: Array<string> = []
  for (const target of targets) {
    if (Option.isSome(only) && target.name !== only.value) continue
    if (yield* fuzzOne(target, chosen, minutes)) broken.push(target.name)
  }
  if (broken.length > 0) return yield* new Broken({ targets: broken })
})

/** Whether the target is broken. */
const fuzzOne = <A>(target: Target<A>, seed: number, minutes: number): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    const began = Date.now()
    const watchdog = yield* Watchdog.make(target.name)
    const { failure, found, inputs } = yield* run(
      { ...target, check: (input: A) => guarded(target.check(input)) },
      {
        seed,
        corpus: Corpus.read(target.name).map(({ input }) => input),
        goesOn: () => Date.now() - began < minutes * 60_000,
        coverage: yield* Coverage.make,
        trying: watchdog.watch
      }
    )
    for (const input of found) Corpus.write(target.name, input)
    const seconds = (Date.now() - began) / 1000
    yield* Console.log(
      `${target.name}: ${inputs} inputs, ${Math.round(inputs / seconds)} a second, ` +
        `${found.length} new in the corpus, ${failure === undefined ? "no failure" : "1 failure"}`
    )
    if (failure !== undefined) yield* tell(target, failure)
    return failure !== undefined
  }).pipe(Effect.scoped)

const tell = <A>(target: Target<A>, { cause, input }: Failure<A>) =>
  Effect.gen(function*() {
    const path = Corpus.write(target.name, input)
    yield* Console.log(`\n${Notation.toTest(target.name, input)}\n${path}\n\n${Cause.pretty(cause)}\n`)
  })

runProgram(
  Command.make("fuzz", { minutes, only, seed }, fuzz).pipe(
    Command.withDescription("Feeds the library what no peer should send: frames, or a typed error, and bounded memory")
  )
)
