import type * as Effect from "effect/Effect"

/** A table of the codec's, and what it is of. */
export interface Part {
  readonly title: string
  readonly header: ReadonlyArray<string>
  readonly rows: ReadonlyArray<ReadonlyArray<string>>
}

/** Checks that all get it right, and then times them, so many rounds in turn: with 0 it only checks. */
export type Measure = (rounds: number) => Effect.Effect<Part>
