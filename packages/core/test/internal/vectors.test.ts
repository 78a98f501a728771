import { assert, describe, it } from "@effect/vitest"
import { makeMaskVectors } from "../../src/internal/vectors.ts"
import { elementOf, integer, maskingKey, oneOf } from "../support/arbitraries.ts"
import { noise } from "../support/bytes.ts"

/** Octet by octet, the lowest first. */
const naive = (bytes: Uint8Array, word: number, from: number, to: number): Uint8Array =>
  bytes.map((octet, i) => (i >= from && i < to ? octet ^ (word >>> ((i - from) % 4 * 8)) : octet))

// Blocks are of 16 KiB, and vectors of 16 bytes go two at a time.
const length = oneOf(integer(1, 100), elementOf([16383, 16384, 16385, 32767, 32768, 40_000]))

const maskVectors = makeMaskVectors(() => WebAssembly)

describe("vectors", () => {
  it.prop("mask a range of memory, and nothing beside it", {
    seed: maskingKey,
    word: maskingKey,
    length,
    before: integer(0, 40),
    after: integer(0, 40)
  }, ({ after, before, length, seed, word }) => {
    const bytes = noise(before + length + after, seed)
    const expected = naive(bytes, word, before, before + length)
    const from = bytes.byteOffset + before
    assert.strictEqual(maskVectors(bytes.buffer, word, from, from + length), from + length)
    assert.isTrue(Buffer.from(bytes).equals(expected))
  }, { arbitrary: { runs: 200 } })

  it("mask nothing where there is no WebAssembly, or none that may compile", () => {
    const errors = [
      new ReferenceError("WebAssembly is not defined"),
      new WebAssembly.CompileError("Wasm code generation disallowed by embedder")
    ]
    for (const error of errors) {
      const mask = makeMaskVectors(() => {
        throw error
      })
      const bytes = noise(100, 1)
      const before = bytes.slice()
      assert.strictEqual(mask(bytes.buffer, 0x12345678, 10, 90), 10)
      assert.deepStrictEqual(bytes, before)
    }
  })
})
