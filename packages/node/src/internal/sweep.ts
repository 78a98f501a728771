/** One timer for all connections of a server: what each has to be asked from time to time. */
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

export interface Swept {
  /** Looks at its deadlines. `now` is in nanoseconds, of a clock that does not jump. */
  readonly sweep: (now: bigint) => void
}

/** Asks all of them at every interval, until it is interrupted. */
export const sweep = (all: ReadonlySet<Swept>, interval: Duration.Duration): Effect.Effect<never> =>
  Effect.sleep(interval).pipe(
    Effect.andThen(Clock.monotonicTimeNanos),
    Effect.map((now) => {
      for (const swept of all) swept.sweep(now)
    }),
    Effect.forever
  )
