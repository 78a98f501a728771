/** The middle of the rounds, and how far apart they were. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!

const spread = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** How often `b` is in `a`, round by round: both of a round saw the same noise. */
export const ratio = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Spread =>
  spread(a.map((value, round) => value / b[round]!))
