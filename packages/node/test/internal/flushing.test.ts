import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { flushBehind, flushSoon } from "../../src/internal/flushing.ts"

const nextTurn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

// One after the other: what waits is the process's.
describe("flushing", { concurrent: false }, () => {
  it.effect("comes behind the tick, once for each who queued", () =>
    Effect.gen(function*() {
      const flushed: Array<string> = []
      for (const name of ["a", "b"]) flushSoon({ flush: () => flushed.push(name) })
      assert.deepStrictEqual(flushed, [])
      yield* nextTurn
      assert.deepStrictEqual(flushed, ["a", "b"])
      yield* nextTurn
      assert.deepStrictEqual(flushed, ["a", "b"])
    }))

  it.effect("comes behind what is done, all of it together, and not again", () =>
    Effect.gen(function*() {
      const seen: Array<string> = []
      const queue = (name: string) => flushSoon({ flush: () => seen.push(name) })
      flushBehind(() => {
        queue("a")
        flushBehind(() => queue("b"))
        seen.push("done")
      })
      assert.deepStrictEqual(seen, ["done", "a", "b"])
      yield* nextTurn
      assert.deepStrictEqual(seen, ["done", "a", "b"])
    }))

  it.effect("leaves to the tick what waits for it already", () =>
    Effect.gen(function*() {
      const flushed: Array<string> = []
      const queue = (name: string) => flushSoon({ flush: () => flushed.push(name) })
      queue("a")
      flushBehind(() => queue("b"))
      assert.deepStrictEqual(flushed, [])
      yield* nextTurn
      assert.deepStrictEqual(flushed, ["a", "b"])
    }))

  it.effect("comes, too, behind what throws", () =>
    Effect.gen(function*() {
      const flushed: Array<string> = []
      const queue = (name: string) => flushSoon({ flush: () => flushed.push(name) })
      assert.throws(() =>
        flushBehind(() => {
          queue("a")
          throw new Error("of the application")
        }), "of the application")
      assert.deepStrictEqual(flushed, ["a"])
      queue("b")
      yield* nextTurn
      assert.deepStrictEqual(flushed, ["a", "b"])
    }))
})
