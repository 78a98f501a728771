import * as Effect from "effect/Effect"

/** Sends to all but one, one after the other, as a loop over the connections does. */
export const toOthers = <A, E, R>(
  all: Iterable<A>,
  sender: A,
  send: (other: A) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.forEach(all, (other) => other === sender ? Effect.void : send(other), { discard: true })
