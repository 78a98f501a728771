import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { Pieces, view } from "../../src/internal/pieces.ts"
import { elementOf, integer, maskingKey, oneOf } from "../support/arbitraries.ts"
import { concat, copyAt, noise } from "../support/bytes.ts"
import { liveArrayBuffers } from "../support/garbage.ts"

/** On both sides of a block, in buffers of their own or as the smaller part of one. */
const piece = Arbitrary.map(
  Arbitrary.all({
    length: oneOf(integer(0, 300), elementOf([0, 1, 4095, 4096, 4097, 8192, 20_000])),
    before: elementOf([0, 0, 3, 30_000]),
    seed: maskingKey
  }),
  ({ before, length, seed }) => copyAt(noise(length, seed), before)
)

describe("pieces", { timeout: 60_000 }, () => {
  it.prop("join to the bytes that were appended, time after time", {
    payloads: Arbitrary.array(Arbitrary.array(piece, { minLength: 1, maxLength: 12 }), { maxLength: 4 })
  }, ({ payloads }) => {
    // Memory as it may be found: whatever is not written shows.
    const pieces = new Pieces((length) => new Uint8Array(length).fill(0xee))
    for (const parts of payloads) {
      const expected = concat(parts)
      const before = parts.map((part) => part.slice())
      let length = 0
      for (const part of parts) {
        pieces.append(part, expected.length)
        length += part.length
        assert.strictEqual(pieces.length, length)
      }
      const whole = pieces.join()
      assert.strictEqual(pieces.length, 0)
      assert.isTrue(Buffer.from(whole).equals(expected))
      // Nobody else has it, and the parts are as they were.
      assert.strictEqual(whole.buffer.byteLength, expected.length)
      whole.fill(0xff)
      assert.isTrue(parts.every((part, i) => Buffer.from(part).equals(before[i]!)))
    }
  }, { arbitrary: { runs: 200 } })

  it.prop("join to what has come of a payload that was announced to be longer, and to nothing else", {
    parts: Arbitrary.array(piece, { minLength: 1, maxLength: 6 }),
    missing: oneOf(integer(1, 300), elementOf([1, 4096, 65_536])),
    // To slice an array copies it, and a Buffer answers a view.
    allocate: elementOf([
      (length: number) => new Uint8Array(length).fill(0xee),
      (length: number): Uint8Array => Buffer.alloc(length, 0xee)
    ])
  }, ({ allocate, missing, parts }) => {
    const pieces = new Pieces(allocate)
    const expected = concat(parts)
    for (const part of parts) pieces.append(part, expected.length + missing)
    const whole = pieces.join()
    assert.isTrue(Buffer.from(whole).equals(expected))
    assert.strictEqual(whole.buffer.byteLength, expected.length)
  }, { arbitrary: { runs: 200 } })

  it("forget what they have given", () => {
    const pieces = new Pieces()
    pieces.append(noise(10, 1), 20_000)
    pieces.append(noise(5000, 1), 20_000)
    pieces.append(noise(10, 1), 20_000)
    assert.lengthOf(pieces.join(), 5020)
    assert.strictEqual(pieces.length, 0)
    pieces.append(noise(3, 2), 3)
    assert.deepStrictEqual(pieces.join(), noise(3, 2))
  })

  it("B8 weigh at most about twice what they say, in whatever sizes they come", () => {
    for (const sizes of [[1], [100], [4096], [4097, 1], [5000, 10], [1, 2, 4000, 4100]]) {
      const pieces = new Pieces()
      const before = liveArrayBuffers()
      while (pieces.length < 200_000) for (const size of sizes) pieces.append(new Uint8Array(size), 2 ** 40)
      assert.isAtMost(liveArrayBuffers() - before, 2 * pieces.length + 2 * 4096, sizes.join(", "))
      pieces.join()
    }
  })

  it("a view is a plain byte array over the same memory, of a Buffer, too", () => {
    const bytes = Buffer.from([0, 1, 2, 3, 4, 5]).subarray(1)
    const range = view(bytes, 1, 3)
    assert.strictEqual(range.constructor, Uint8Array)
    assert.deepStrictEqual(range, Uint8Array.of(2, 3))
    assert.strictEqual(range.buffer, bytes.buffer)
  })
})
