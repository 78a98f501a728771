/** How long the end of a stream may take. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { timerMillis } from "./timerMillis.ts"

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
    const timer = setTimeout(done, timerMillis(linger))
    begin(done)
    return Effect.sync(done)
  })
