import * as Effect from "effect/Effect"

/**
 * An effect that runs once, and is forgotten as soon as it runs. What comes behind an effect, a finalizer or a handler of errors,
 * holds it while it runs, and with it all that it was made of: the request of a connection, for as long as that lives.
 */
export const forgetting = <A, E, R>(make: () => Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  let held: (() => Effect.Effect<A, E, R>) | undefined = make
  return Effect.suspend(() => {
    const once = held!
    held = undefined
    return once()
  })
}
