/** One timer for all connections of a server: what each has to be asked from time to time. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Timepiece } from "./timepiece.ts"

export interface Swept {
  /** Looks at its deadlines. `now` is in milliseconds, of the server's timepiece. */
  readonly sweep: (now: number) => void
}

/** Asks all of them at every interval, until it is interrupted. */
export const sweep = (
  all: () => Iterable<Swept>,
  interval: Duration.Duration,
  timepiece: Timepiece
): Effect.Effect<never> =>
  Effect.sleep(interval).pipe(
    Effect.andThen(Effect.suspend(() => sweepOnce(all()[Symbol.iterator](), timepiece.millis()))),
    Effect.forever
  )

// Messages have their turns between: a look at 200,000 connections takes as long as twenty thousand of them.
const sweepOnce = (rest: Iterator<Swept>, now: number): Effect.Effect<void> =>
  Effect.suspend(() => {
    for (let i = 0; i < atOnce; i++) {
      const next = rest.next()
      if (next.done === true) return Effect.void
      next.value.sweep(now)
    }
    return Effect.andThen(Effect.yieldNow, sweepOnce(rest, now))
  })

const atOnce = 1000
