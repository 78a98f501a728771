import { assert, describe, it } from "@effect/vitest"
import { liveMemory } from "../../../core/test/support/garbage.ts"
import { shared } from "../../src/internal/sharedText.ts"

/** A string of its own each time. */
const made = (first: string, length: number): string => Buffer.alloc(length, first).toString("latin1")

/** Bytes that are held of so many texts. */
const heldBy = (count: number, text: (index: number) => string): number => {
  const held = []
  const before = liveMemory().objects
  for (let i = 0; i < count; i++) held.push(text(i))
  const grown = liveMemory().objects - before
  assert.lengthOf(held, count)
  return grown
}

describe("shared", () => {
  it("answers the text", () => {
    for (const text of ["", "a", "a", "ä", made("b", 256), made("b", 257)]) assert.strictEqual(shared(text), text)
  })

  it("holds a text of many once", () => {
    // Ten megabytes of copies: what other tests leave behind is less than half of that.
    assert.isAbove(heldBy(40_000, () => made("a", 250)), 6_000_000)
    assert.isBelow(heldBy(40_000, () => shared(made("a", 250))), 4_000_000)
  })

  it("holds little of what comes once, and nothing that is long", () => {
    const once = heldBy(20_000, (index) => {
      shared(`${made("c", 240)}${index}`)
      shared(`${made("d", 300)}${index}`)
      return ""
    })
    assert.isBelow(once, 4_000_000)
  })
})
