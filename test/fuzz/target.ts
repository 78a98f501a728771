/** Something to feed inputs to, and the law that holds for all of them. */
import type * as Effect from "effect/Effect"
import type { Generator } from "./generator.ts"

export interface Target<A> {
  /** As the command line, the folder of its corpus and its module have it. */
  readonly name: string
  readonly inputs: Generator<A>
  /** Holds the law: dies, by an assertion or by whatever was thrown, where an input breaks it. */
  readonly check: (input: A) => Effect.Effect<void>
  /** How many inputs in `npm test`, beside the corpus. */
  readonly quick: number
}
