import * as Effect from "effect/Effect"
import type { Generator } from "./generator.ts"

/** The smallest input that can be found for which something still holds, within so many tries. */
export const minimise = <A>(
  input: A,
  { smaller }: Generator<A>,
  holds: (input: A) => Effect.Effect<boolean>,
  tries: number
): Effect.Effect<A> =>
  Effect.gen(function*() {
    let smallest = input
    let left = tries
    search: while (true) {
      for (const candidate of smaller(smallest)) {
        if (left-- <= 0) return smallest
        if (!(yield* holds(candidate))) continue
        smallest = candidate
        continue search
      }
      return smallest
    }
  })
