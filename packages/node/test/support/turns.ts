/** Waiting for what happens in this process, by turns of its event loop and not by the clock. */
import * as Effect from "effect/Effect"

/** Waits until something holds, turn by turn of the event loop: all ends are of this process. */
export const until = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.andThen(turn, until(holds))))

/** One turn of the event loop. */
export const turn: Effect.Effect<void> = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})

/** Many turns of the event loop: what is on its way between two ends of this process has come by then. */
export const manyTurns: Effect.Effect<void> = Effect.asVoid(Effect.replicateEffect(turn, 50))
