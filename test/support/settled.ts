/** Waiting for what happens in this process, by turns of its event loop and not by the clock. */
import * as Effect from "effect/Effect"

/** One turn. */
export const turn: Effect.Effect<void> = Effect.promise(() => nextTurn())

/** Waits until something holds. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.promise(async () => {
    while (!holds()) await nextTurn()
  })

/** Waits until a number has stayed what it is for a hundred turns, in which whoever could move it would have. */
export const settled = (measure: () => number): Effect.Effect<void> =>
  Effect.promise(async () => {
    let last = measure()
    for (let turns = 0; turns < 100; turns++) {
      await nextTurn()
      const now = measure()
      if (now !== last) turns = 0
      last = now
    }
  })

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
