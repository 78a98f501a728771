/** The middle of the rounds, and how far apart they were. */
export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export const median = (values: ReadonlyArray<number>): number => {
  const sorted = values.toSorted((a, b) => a - b)
  const half = sorted.length >> 1
  // Of an even number the upper of the two in the middle alone would flatter who is ahead: where rounds are of two kinds, by a tenth.
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2
}

const spread = (values: ReadonlyArray<number>): Spread => ({
  median: median(values),
  min: Math.min(...values),
  max: Math.max(...values)
})

/** How often `b` is in `a`, round by round: both of a round saw the same noise. */
export const ratio = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): Spread =>
  spread(a.map((value, round) => value / b[round]!))
