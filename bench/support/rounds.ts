import * as Effect from "effect/Effect"
import { median } from "./statistics.ts"

/** Nanoseconds of the clock on the wall. */
export const wall = (): number => Number(process.hrtime.bigint())

/** Nanoseconds of CPU, of all threads. */
export const cpu = (): number => {
  const { system, user } = process.cpuUsage()
  return (system + user) * 1000
}

/** Times tasks in turn, so that all see the same noise. Answers the median of each, in nanoseconds. */
export const inTurn = (
  rounds: number,
  tasks: ReadonlyArray<Effect.Effect<unknown>>,
  clock: () => number = wall
): Effect.Effect<ReadonlyArray<number>> =>
  Effect.gen(function*() {
    const times = tasks.map((): Array<number> => [])
    for (let round = -warmUps; round < rounds; round++) {
      for (const [i, task] of tasks.entries()) {
        const start = clock()
        yield* task
        const nanoseconds = clock() - start
        if (round >= 0) times[i]!.push(nanoseconds)
      }
    }
    return times.map(median)
  })

const warmUps = 10
