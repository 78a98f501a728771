import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { lingering } from "../../src/internal/lingering.ts"

describe("lingering", () => {
  const ways: ReadonlyArray<readonly [when: string, end: (fiber: Fiber.Fiber<void>, done: () => void) => unknown]> = [
    ["when it is done", (_, done) => done()],
    ["when it is interrupted", (fiber) => fiber.interruptUnsafe()]
  ]
  for (const [when, end] of ways) {
    it.effect(`ends at once ${when}, however long it might take`, () =>
      Effect.gen(function*() {
        let finish = () => {}
        let ends = 0
        const begin = (done: () => void) => {
          finish = done
        }
        const fiber = yield* Effect.forkChild(lingering("1 hour", begin, () => ends++), { startImmediately: true })
        assert.strictEqual(ends, 0)
        end(fiber, finish)
        yield* Fiber.await(fiber)
        assert.strictEqual(ends, 1)
      }))
  }
})
