import { assert, describe, it } from "@effect/vitest"
import { Waiters } from "../../src/internal/waiters.ts"

const takeAll = (waiters: Waiters<string>): ReadonlyArray<string | undefined> => {
  const taken = []
  while (!waiters.isEmpty) taken.push(waiters.take())
  return taken
}

describe("Waiters", () => {
  it("first come, first served", () => {
    const waiters = new Waiters<string>()
    for (const name of ["a", "b", "c"]) waiters.add(name)
    assert.strictEqual(waiters.take(), "a")
    waiters.add("d")
    assert.deepStrictEqual(takeAll(waiters), ["b", "c", "d"])
  })

  it("is empty until somebody waits, and when all have gone", () => {
    const waiters = new Waiters<string>()
    assert.isTrue(waiters.isEmpty)
    assert.isUndefined(waiters.take())
    waiters.add("a")
    assert.isFalse(waiters.isEmpty)
    waiters.remove("a")
    assert.isTrue(waiters.isEmpty)
  })

  it("lets one go from anywhere, once, and minds none that is not there", () => {
    const waiters = new Waiters<string>()
    waiters.remove("nobody")
    for (const name of ["a", "b", "a", "c"]) waiters.add(name)
    waiters.remove("a")
    waiters.remove("c")
    waiters.remove("nobody")
    assert.deepStrictEqual(takeAll(waiters), ["b", "a"])
  })

  it("does not mix up those who wait at different places", () => {
    const [one, other] = [new Waiters<string>(), new Waiters<string>()]
    one.add("a")
    assert.isTrue(other.isEmpty)
    other.add("b")
    assert.deepStrictEqual([takeAll(one), takeAll(other)], [["a"], ["b"]])
  })
})
