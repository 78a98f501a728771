/** What must end, because nothing is left that it could wait for. */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Dies of an effect that has not ended when it should have by far: inputs take milliseconds. */
// In a fiber of its own, because what hangs may be a finalizer, which cannot be interrupted.
export const mustEnd = <A, E, R>(effect: Effect.Effect<A, E, R>, what: string): Effect.Effect<A, E, R> =>
  Effect.flatMap(Effect.forkDetach(effect), (fiber) =>
    Effect.timeoutOrElse(Fiber.join(fiber), {
      duration: "10 seconds",
      orElse: () => Effect.die(new Error(`${what} hangs`))
    }))
