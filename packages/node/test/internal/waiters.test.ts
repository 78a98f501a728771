import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { elementOf, integer } from "../../../core/test/support/arbitraries.ts"
import { Waiters } from "../../src/internal/waiters.ts"

const takeAll = (waiters: Waiters<string>): ReadonlyArray<string | undefined> => {
  const taken = []
  while (waiters.isAwaited) taken.push(waiters.takeWaiter())
  return taken
}

const step = Arbitrary.all({
  act: elementOf(["add", "add", "take", "leave", "leave"] as const),
  at: integer(0, 30)
})

describe("Waiters", () => {
  it.prop(
    "are taken in the order of those who came and have not left, however many come, leave and are taken in between",
    { steps: Arbitrary.array(step, { minLength: 20, maxLength: 300 }) },
    ({ steps }) => {
      const waiters = new Waiters<string>()
      const model: Array<string> = []
      steps.forEach(({ act, at }, index) => {
        if (act === "add") {
          waiters.addWaiter(`${index}`)
          model.push(`${index}`)
        } else if (act === "take") {
          assert.strictEqual(waiters.takeWaiter(), model.shift())
        } else {
          waiters.removeWaiter(model.splice(at, 1)[0] ?? "nobody")
        }
        assert.strictEqual(waiters.isAwaited, model.length > 0)
      })
      assert.deepStrictEqual(takeAll(waiters), model)
    }
  )

  it("first come, first served", () => {
    const waiters = new Waiters<string>()
    for (const name of ["a", "b", "c"]) waiters.addWaiter(name)
    assert.strictEqual(waiters.takeWaiter(), "a")
    waiters.addWaiter("d")
    assert.deepStrictEqual(takeAll(waiters), ["b", "c", "d"])
  })

  it("is awaited from when somebody waits until all have gone", () => {
    const waiters = new Waiters<string>()
    assert.isFalse(waiters.isAwaited)
    assert.isUndefined(waiters.takeWaiter())
    waiters.addWaiter("a")
    assert.isTrue(waiters.isAwaited)
    waiters.removeWaiter("a")
    assert.isFalse(waiters.isAwaited)
  })

  it("lets one go from anywhere, once, and minds none that is not there", () => {
    const waiters = new Waiters<string>()
    waiters.removeWaiter("nobody")
    for (const name of ["a", "b", "a", "c"]) waiters.addWaiter(name)
    waiters.removeWaiter("a")
    waiters.removeWaiter("c")
    waiters.removeWaiter("nobody")
    assert.deepStrictEqual(takeAll(waiters), ["b", "a"])
  })

  it("does not mix up those who wait at different places", () => {
    const [one, other] = [new Waiters<string>(), new Waiters<string>()]
    one.addWaiter("a")
    assert.isFalse(other.isAwaited)
    other.addWaiter("b")
    assert.deepStrictEqual([takeAll(one), takeAll(other)], [["a"], ["b"]])
  })
})
