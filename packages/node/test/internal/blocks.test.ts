import { assert, describe, it } from "@effect/vitest"
import { Blocks } from "../../src/internal/blocks.ts"

describe("Blocks", () => {
  it("are cut into parts that begin at whole words and have no byte in common", () => {
    const blocks = new Blocks(64)
    const parts = [1, 8, 9, 0, 64, 63, 1, 1].map((length, i) => blocks.take(length).fill(i + 1))
    assert.deepStrictEqual(parts.map(({ length }) => length), [1, 8, 9, 0, 64, 63, 1, 1])
    for (const [i, part] of parts.entries()) {
      assert.strictEqual(part.byteOffset % 8, 0)
      assert.isTrue(part.every((byte) => byte === i + 1))
    }
    assert.strictEqual(new Set(parts.map(({ buffer }) => buffer)).size, 4)
  })

  it("give the last part again when it is taken back", () => {
    const blocks = new Blocks(64)
    blocks.take(3)
    const taken = blocks.take(20)
    blocks.takeBack(20)
    const { buffer, byteOffset } = blocks.take(56)
    assert.deepStrictEqual([buffer, byteOffset], [taken.buffer, taken.byteOffset])
  })

  it("are given away by nobody, with the parts of others", () => {
    const part = new Blocks(64).take(8)
    assert.throws(() => structuredClone(part, { transfer: [part.buffer] }), /could not be cloned|transfer/)
  })
})
