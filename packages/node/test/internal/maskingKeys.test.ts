import { assert, describe, it } from "@effect/vitest"
import { nextMaskingKey } from "../../src/internal/maskingKeys.ts"

describe("nextMaskingKey", () => {
  // More than are drawn at a time, and enough that ten standard deviations are a twentieth.
  const keys = Array.from({ length: 10_000 }, nextMaskingKey)

  it("answers another key each time", () => {
    // Two equal ones are to be expected in one of a hundred runs, four in none.
    assert.isAbove(new Set(keys).size, 9_996)
  })

  it("uses all 32 bits, each of them for half of the keys", () => {
    for (let bit = 0; bit < 32; bit++) {
      const set = keys.filter((key) => ((key >>> bit) & 1) === 1).length
      assert.approximately(set, 5_000, 500, `bit ${bit}`)
    }
  })
})
