/** Feeds a target: fresh inputs, and changed ones of those that have proved interesting. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { turn } from "../../packages/node/test/support/turns.ts"
import type { Coverage } from "./coverage.ts"
import { minimise } from "./minimise.ts"
import { Random } from "./random.ts"
import type { Target } from "./target.ts"

export interface Options<A> {
  readonly seed: number
  /** What to begin with. */
  readonly corpus: ReadonlyArray<A>
  /** Whether to go on after so many inputs. */
  readonly goesOn: (inputs: number) => boolean
  /** Without it nothing is found to be interesting, and only the corpus is changed. */
  readonly coverage?: Coverage | undefined
  /** Told of each input before it is tried. Default: nobody. */
  readonly trying?: ((input: A) => void) | undefined
}

export interface Report<A> {
  readonly inputs: number
  /** Those that reached code which none before them did, as small as they could be made. */
  readonly found: ReadonlyArray<A>
  readonly failure: Failure<A> | undefined
}

export interface Failure<A> {
  /** As small as it could be made. */
  readonly input: A
  readonly original: A
  /** What it breaks. */
  readonly cause: Cause.Cause<never>
}

/** Stops at the first input that breaks the law. */
export const run = <A>(target: Target<A>, options: Options<A>): Effect.Effect<Report<A>> =>
  Effect.gen(function*() {
    const { coverage, goesOn, trying = () => {} } = options
    const { inputs: generator } = target
    const random = new Random(options.seed)
    const pool = [...options.corpus]
    const found: Array<A> = []
    let inputs = 0

    const attempt = (input: A) =>
      Effect.exit(Effect.suspend(() => {
        trying(input)
        return target.check(input)
      }))
    const breaks = (input: A) => Effect.map(attempt(input), Exit.isFailure)
    const next = (): A => {
      if (pool.length === 0 || random.oneIn(4)) return generator.make(random)
      let input = random.pick(pool)
      for (let changes = random.pick([1, 1, 2, 5]); changes > 0; changes--) input = generator.change(random, input)
      return input
    }
    const fail = Effect.fnUntraced(function*(original: A) {
      const input = yield* minimise(original, generator, breaks, triesForFailures)
      const exit = yield* attempt(input)
      // What fails only now and then may not do so when it is tried again.
      const cause = Exit.isFailure(exit) ? exit.cause : Cause.die(new Error("it failed once, and not again"))
      return { inputs, found, failure: { input, original, cause } }
    })
    const keepInteresting = Effect.fnUntraced(function*(batch: ReadonlyArray<A>, coverage: Coverage) {
      const together = coverage.take()
      if (!coverage.isNew(together)) return
      const reachesNew = (input: A) =>
        Effect.map(attempt(input), (exit) => Exit.isSuccess(exit) && coverage.isNew(coverage.take()))
      for (const input of batch) {
        if (!(yield* reachesNew(input))) continue
        const smallest = yield* minimise(input, generator, reachesNew, triesForCorpus)
        yield* attempt(smallest)
        coverage.add(coverage.take())
        pool.push(smallest)
        found.push(smallest)
      }
      // What runs only once in a process was there the first time, and belongs to none of them.
      coverage.add(together)
    })

    for (const input of pool) {
      inputs++
      if (yield* breaks(input)) return yield* fail(input)
    }
    if (coverage !== undefined) coverage.add(coverage.take())
    for (let batches = 0; goesOn(inputs); batches++) {
      const isLookedAt = coverage !== undefined && batches % lookedAt === 0
      // Of the batches before it.
      if (isLookedAt) coverage.take()
      const batch = Array.from({ length: batchSize }, next)
      for (const input of batch) {
        inputs++
        if (yield* breaks(input)) return yield* fail(input)
      }
      if (isLookedAt) yield* keepInteresting(batch, coverage)
      // Others run beside this in the tests, and timers and signals are looked at.
      yield* turn
    }
    return { inputs, found, failure: undefined }
  })

const batchSize = 50
// One batch of so many, because to find out which of its inputs was the first to reach something takes longer than to run them.
const lookedAt = 5
const triesForFailures = 5000
const triesForCorpus = 30
