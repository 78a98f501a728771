/** Waiting for what has come to rest in this process, by turns of its event loop and not by the clock. */
import * as Effect from "effect/Effect"
import { turn } from "../../packages/node/test/support/turns.ts"

/** Waits until a number has stayed what it is for a hundred turns, in which whoever could move it would have. */
export const settled = (measure: () => number): Effect.Effect<void> =>
  Effect.gen(function*() {
    let last = measure()
    for (let turns = 0; turns < 100; turns++) {
      yield* turn
      const now = measure()
      if (now !== last) turns = 0
      last = now
    }
  })
