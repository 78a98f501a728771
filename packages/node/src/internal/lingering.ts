/** How long the end of a stream may take. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/**
 * Begins what is to be done, and ends it when it is, after `linger`, or when it is interrupted.
 *
 * The time is real even where the clock of a test stands still: no virtual time makes a peer read.
 */
export const lingering = (
  linger: Duration.Input,
  begin: (done: () => void) => void,
  end: (done: () => void) => void
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => {
      clearTimeout(timer)
      end(done)
      resume(Effect.void)
    }
    const timer = setTimeout(done, Math.min(Duration.toMillis(linger), longestTimer))
    begin(done)
    return Effect.sync(done)
  })

/** Milliseconds, 24 days. Node takes a longer time, or an infinite one, for a millisecond. */
export const longestTimer = 2 ** 31 - 1
