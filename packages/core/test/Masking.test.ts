import { assert, describe, it } from "@effect/vitest"
import * as Masking from "@websocket-stream/core/Masking"
import * as Arbitrary from "effect/Arbitrary"
import { edgeLengths, elementOf, integer, maskingKey, oneOf } from "./support/arbitraries.ts"
import { bigEndian, copyAt, noise, splitAt } from "./support/bytes.ts"

/** RFC 6455 5.3 as it stands: octet i of the payload meets octet i modulo 4 of the key. */
const naive = (bytes: Uint8Array, key: number, keyOffset = 0): Uint8Array => {
  const octets = bigEndian(BigInt(key >>> 0), 4)
  return bytes.map((octet, i) => octet ^ octets[(keyOffset + i) % 4]!)
}

const masked = (bytes: Uint8Array, key: number, keyOffset?: number): Uint8Array => {
  const copy = bytes.slice()
  Masking.applyInPlace(copy, key, keyOffset)
  return copy
}

// 64 is where words take over from bytes, and words are of 8.
const payload = Arbitrary.map(
  Arbitrary.all({ length: oneOf(integer(0, 200), elementOf(edgeLengths)), seed: maskingKey }),
  ({ length, seed }) => noise(length, seed)
)
const byteOffset = integer(0, 15)
const keyOffset = oneOf(integer(0, 9), integer(0, Number.MAX_SAFE_INTEGER - 300_000))

describe("Masking", { timeout: 60_000 }, () => {
  it("unmasks the Hello of RFC 6455 5.7", () => {
    const bytes = Uint8Array.of(0x7f, 0x9f, 0x4d, 0x51, 0x58)
    Masking.applyInPlace(bytes, 0x37fa213d)
    assert.strictEqual(new TextDecoder().decode(bytes), "Hello")
  })

  it("writes to nothing behind the bytes, whatever range it is told", () => {
    for (const end of [10, 11, 63, 64, 1000]) {
      const memory = noise(100, 1)
      Masking.applyInPlace(memory.subarray(0, 10), 0x37fa213d, 0, 0, end)
      assert.deepStrictEqual(memory.subarray(10), noise(100, 1).subarray(10))
    }
  })

  it("writes nothing to a range that ends before it begins", () => {
    for (let end = 0; end <= 8; end++) {
      const bytes = noise(16, 1)
      Masking.applyInPlace(bytes, 0x37fa213d, 0, 8, end)
      assert.deepStrictEqual(bytes, noise(16, 1))
    }
  })

  it.prop("is octet i ^ key[i % 4]", { payload, key: maskingKey, keyOffset }, ({ key, keyOffset, payload }) => {
    assert.deepStrictEqual(masked(payload, key), naive(payload, key))
    assert.deepStrictEqual(masked(payload, key, keyOffset), naive(payload, key, keyOffset))
  }, { arbitrary: { runs: 200 } })

  it.prop("twice is nothing", { payload, key: maskingKey, keyOffset }, ({ key, keyOffset, payload }) => {
    assert.deepStrictEqual(masked(masked(payload, key, keyOffset), key, keyOffset), payload)
  })

  it.prop("with a key of zeros is nothing", { payload }, ({ payload }) => {
    assert.deepStrictEqual(masked(payload, 0), payload)
  })

  it.prop("takes the key signed or not", { payload, key: maskingKey }, ({ key, payload }) => {
    assert.deepStrictEqual(masked(payload, key | 0), masked(payload, key))
  })

  it.prop(
    "piece by piece with a running offset equals the whole",
    { payload, key: maskingKey, cuts: Arbitrary.array(integer(0, 70_000), { maxLength: 9 }) },
    ({ cuts, key, payload }) => {
      const pieces = splitAt(payload, cuts.map((cut) => cut % (payload.length + 1)))
      let offset = 0
      const parts = pieces.map((piece) => {
        Masking.applyInPlace(piece, key, offset)
        offset += piece.length
        return Buffer.from(piece)
      })
      assert.isTrue(Buffer.concat(parts).equals(masked(payload, key)))
    },
    { arbitrary: { runs: 200 } }
  )

  it.prop(
    "changes the range that it is given and no byte outside of it, at any alignment",
    { payload, key: maskingKey, keyOffset, byteOffset, start: integer(0, 70_000), length: integer(0, 70_000) },
    ({ byteOffset, key, keyOffset, length, payload, start: from }) => {
      const start = from % (payload.length + 1)
      const end = start + (length % (payload.length - start + 1))
      // Also the bytes of the buffer around the view.
      const buffer = noise(byteOffset + payload.length + 16, 1)
      buffer.set(payload, byteOffset)
      const expected = buffer.slice()
      expected.set(naive(payload.subarray(start, end), key, keyOffset), byteOffset + start)
      Masking.applyInPlace(buffer.subarray(byteOffset, byteOffset + payload.length), key, keyOffset, start, end)
      assert.deepStrictEqual(buffer, expected)
    },
    { arbitrary: { runs: 300 } }
  )

  it("all short ranges at all alignments and offsets of the key", () => {
    const bytes = noise(100, 1)
    const key = 0x12fe56dc
    for (let byteOffset = 0; byteOffset < 8; byteOffset++) {
      for (let keyOffset = 0; keyOffset < 4; keyOffset++) {
        for (let end = 0; end <= bytes.length; end++) {
          const range = copyAt(bytes.subarray(0, end), byteOffset)
          Masking.applyInPlace(range, key, keyOffset)
          assert.deepStrictEqual(Buffer.from(range), Buffer.from(naive(bytes.subarray(0, end), key, keyOffset)))
        }
      }
    }
  })

  it("masks from the start of the range unless told otherwise", () => {
    const bytes = new Uint8Array(6)
    Masking.applyInPlace(bytes, 0x01020304, 0, 2)
    assert.deepStrictEqual(bytes, Uint8Array.of(0, 0, 1, 2, 3, 4))
  })
})
