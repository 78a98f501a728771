import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { flushBehind, flushSoon } from "../../src/internal/flushing.ts"
import { turn } from "../support/server.ts"

/** Notes what is submitted, in its order, and then what is settled, of those with a rest. */
const recorder = () => {
  const seen: Array<string> = []
  return {
    seen,
    queue: (name: string, isAll = false) =>
      flushSoon({
        submit: (first) => {
          seen.push(Buffer.from(first).toString())
          return isAll
        },
        settle: () => seen.push(name.toUpperCase())
      }, Buffer.from(name))
  }
}

// One after the other: what waits is the process's.
describe("flushing", { concurrent: false }, () => {
  it.effect("comes behind the tick, once for each who queued", () =>
    Effect.gen(function*() {
      const { queue, seen } = recorder()
      for (const name of ["a", "b"]) queue(name)
      assert.deepStrictEqual(seen, [])
      yield* turn
      assert.deepStrictEqual(seen, ["a", "b", "A", "B"])
      yield* turn
      assert.deepStrictEqual(seen, ["a", "b", "A", "B"])
    }))

  it.effect("sees to the rest of those who have one, when all have submitted", () =>
    Effect.gen(function*() {
      const { queue, seen } = recorder()
      for (const name of ["a", "b", "c", "d"]) queue(name, name === "a" || name === "c")
      yield* turn
      assert.deepStrictEqual(seen, ["a", "b", "c", "d", "B", "D"])
    }))

  it.effect("comes behind what is done, all of it together, and not again", () =>
    Effect.gen(function*() {
      const { queue, seen } = recorder()
      flushBehind((name) => {
        queue(name)
        flushBehind(queue, "b")
        seen.push("done")
      }, "a")
      assert.deepStrictEqual(seen, ["done", "a", "b", "A", "B"])
      yield* turn
      assert.deepStrictEqual(seen, ["done", "a", "b", "A", "B"])
    }))

  it.effect("leaves to the tick what waits for it already", () =>
    Effect.gen(function*() {
      const { queue, seen } = recorder()
      queue("a")
      flushBehind(queue, "b")
      assert.deepStrictEqual(seen, [])
      yield* turn
      assert.deepStrictEqual(seen, ["a", "b", "A", "B"])
    }))

  it.effect("comes, too, behind what throws", () =>
    Effect.gen(function*() {
      const { queue, seen } = recorder()
      assert.throws(() =>
        flushBehind((name) => {
          queue(name)
          throw new Error("of the application")
        }, "a"), "of the application")
      assert.deepStrictEqual(seen, ["a", "A"])
      queue("b")
      yield* turn
      assert.deepStrictEqual(seen, ["a", "A", "b", "B"])
    }))
})
