import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { rotate, Words } from "../../src/internal/words.ts"
import { elementOf, integer, maskingKey, oneOf } from "../support/arbitraries.ts"
import { bigEndian, concat, noise } from "../support/bytes.ts"

/** RFC 6455 5.3 as it stands, on a range of a copy. */
const naive = (bytes: Uint8Array, key: number, start: number, end: number): Uint8Array => {
  const octets = bigEndian(BigInt(key >>> 0), 4)
  return bytes.map((octet, i) => (i >= start && i < end ? octet ^ octets[(i - start) % 4]! : octet))
}

describe("words", { timeout: 60_000 }, () => {
  it("mask each range of memory of any length, and nothing beside it", () => {
    for (let length = 0; length <= 21; length++) {
      for (let offset = 0; offset <= 9; offset++) {
        for (let start = 0; start <= length; start++) {
          for (let end = start; end <= length; end++) {
            // What is before the bytes is somebody else's.
            const memory = noise(offset + length, 7)
            const bytes = memory.subarray(offset)
            const expected = naive(bytes, 0x12345678, start, end)
            const before = memory.slice(0, offset)
            new Words(bytes).mask(0x12345678, start, end)
            // Sparing with assertions: there are 20,240 ranges.
            if (!Buffer.from(memory).equals(concat([before, expected]))) {
              assert.fail(`${start} to ${end} of ${length} at ${offset}`)
            }
          }
        }
      }
    }
  })

  // From 32 words on they are taken in pairs.
  it.prop("mask one range after the other", {
    seed: maskingKey,
    key: maskingKey,
    length: oneOf(integer(0, 600), elementOf([124, 128, 132, 136, 256, 4096])),
    offset: integer(0, 9),
    cuts: Arbitrary.array(integer(0, 4096), { maxLength: 4 })
  }, ({ cuts, key, length, offset, seed }) => {
    const bytes = noise(offset + length, seed).subarray(offset)
    const words = new Words(bytes)
    let expected: Uint8Array = bytes.slice()
    const ends = [...cuts.map((cut) => cut % (length + 1)), length].sort((a, b) => a - b)
    let start = 0
    for (const end of ends) {
      expected = naive(expected, key, start, end)
      words.mask(key, start, end)
      start = end
    }
    assert.isTrue(Buffer.from(bytes).equals(expected))
  }, { arbitrary: { runs: 500 } })

  it("mask a short range with the key before it, whatever its alignment, and nothing beside the two", () => {
    for (let offset = 0; offset <= 4; offset++) {
      for (let start = 4; start <= 12; start++) {
        for (let length = 1; length <= 140; length++) {
          for (const behind of [0, 1, 2, 3, 4]) {
            const memory = noise(offset + start + length + behind, 11)
            const bytes = memory.subarray(offset)
            const end = start + length
            const [before, key, rest] = [
              memory.slice(0, offset + start - 4),
              bytes.slice(start - 4, start),
              bytes.slice(start)
            ]
            const expected = naive(rest, Buffer.from(key).readUInt32BE(), 0, length)
            const did = new Words(bytes).maskBehindKey(start, end)
            const found = [memory.slice(0, before.length), bytes.slice(start)]
            if (!Buffer.from(concat(found)).equals(concat([before, did ? expected : rest]))) {
              assert.fail(`${start} to ${end} at ${offset}, ${behind} behind it`)
            }
            // Short ones all, but where the memory ends amid a word.
            if (length <= 124 && !did && end + offset < (memory.length & ~3)) {
              assert.fail(`not done: ${start} to ${end} at ${offset}, ${behind} behind it`)
            }
          }
        }
      }
    }
  })

  it("rotate a key by octets", () => {
    assert.deepStrictEqual([0, 1, 2, 3].map((octets) => rotate(0x12345678, octets) >>> 0), [
      0x12345678,
      0x34567812,
      0x56781234,
      0x78123456
    ])
  })
})
