/** What must end, because nothing is left that it could wait for. */
import * as Effect from "effect/Effect"

/** Dies of an effect that has not ended when it should have by far: inputs take milliseconds. */
export const mustEnd = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string): Effect.Effect<A, E, R> =>
  Effect.timeoutOrElse(effect, {
    duration: "20 seconds",
    orElse: () => Effect.die(new Error(`${what} hangs`))
  })
