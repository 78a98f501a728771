import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Milestone } from "../../src/internal/milestone.ts"

describe("Milestone", () => {
  it.effect("is waited for by all until it is reached, and by nobody from then on", () =>
    Effect.gen(function*() {
      const milestone = new Milestone()
      const waiting = yield* Effect.forEach([1, 2, 3], (n) => Effect.forkChild(Effect.as(milestone.reached, n)))
      yield* Effect.yieldNow
      assert.deepStrictEqual(waiting.map((fiber) => fiber.pollUnsafe()), [undefined, undefined, undefined])
      assert.isFalse(milestone.isReached)
      milestone.reach()
      assert.isTrue(milestone.isReached)
      assert.deepStrictEqual(yield* Effect.forEach(waiting, Fiber.join), [1, 2, 3])
      yield* milestone.reached
    }))

  it.effect("forgets who was interrupted", () =>
    Effect.gen(function*() {
      const milestone = new Milestone()
      const waiting = yield* Effect.forkChild(milestone.reached, { startImmediately: true })
      assert.isTrue(milestone.isAwaited)
      yield* Fiber.interrupt(waiting)
      assert.isFalse(milestone.isAwaited)
    }))
})
