/** Times two tasks in turn, so that both see the same noise. Answers the median of each, in nanoseconds. */
export const inTurn = (
  rounds: number,
  a: () => unknown,
  b: () => unknown
): readonly [a: number, b: number] => {
  const times = { a: [] as Array<number>, b: [] as Array<number> }
  for (let round = -warmUps; round < rounds; round++) {
    const [timeA, timeB] = [time(a), time(b)]
    if (round < 0) continue
    times.a.push(timeA)
    times.b.push(timeB)
  }
  return [median(times.a), median(times.b)]
}

const warmUps = 10

const time = (task: () => unknown): number => {
  const start = process.hrtime.bigint()
  task()
  return Number(process.hrtime.bigint() - start)
}

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1]!
