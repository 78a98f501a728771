import { assert, describe, it } from "@effect/vitest"
import * as Utf8 from "@websocket-stream/core/Utf8"
import * as Arbitrary from "effect/Arbitrary"
import { integer, maskingKey } from "./support/arbitraries.ts"
import { concat, copyAt, noise } from "./support/bytes.ts"
import { characters, cutsOf, invalidSequences, nearlyText, utf8 } from "./support/messages.ts"
import * as NaiveUtf8 from "./support/naiveUtf8.ts"

const isText = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The index of the byte that made the bytes invalid, read one by one. */
const invalidAt = (bytes: Uint8Array): number | undefined => {
  let state = Utf8.start
  for (let i = 0; i < bytes.length; i++) {
    state = Utf8.advance(state, bytes, i, i + 1)
    if (state === Utf8.invalid) return i
  }
  return undefined
}

/** Bytes that a loop over numbers leaves as they are: no array for each of a million cases. */
const scratch = new Uint8Array(4)
const stateOf = (...bytes: ReadonlyArray<number>): number => {
  scratch.set(bytes)
  return Utf8.advance(Utf8.start, scratch, 0, bytes.length)
}

/** What is wrong with what is said of the bytes. */
const mistakesWith = (...bytes: ReadonlyArray<number>): ReadonlyArray<string> => {
  const expected = NaiveUtf8.check(Uint8Array.from(bytes))
  const state = stateOf(...bytes)
  return [
    ...((state === Utf8.start) !== expected.isWhole ? [`${bytes.join()} is taken for a text`] : []),
    ...((state === Utf8.invalid) !== (expected.invalidAt !== undefined) ? [`${bytes.join()} is refused`] : [])
  ]
}

/** What a character may go on with, and what it may not, on both sides of every border. */
const classes = [0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff]

describe("Utf8", { timeout: 60_000 }, () => {
  const arbitraryBytes = Arbitrary.map(Arbitrary.all([integer(0, 12), maskingKey]), ([n, seed]) => noise(n, seed))

  for (const [kind, bytes] of [["nearly a text", nearlyText], ["any bytes", arbitraryBytes]] as const) {
    it.prop(`agrees with TextDecoder: ${kind}`, { bytes }, ({ bytes }) => {
      assert.strictEqual(Utf8.advance(Utf8.start, bytes) === Utf8.start, isText(bytes))
    }, { arbitrary: { runs: 500 } })

    it.prop(`fails at the first byte that no text has there: ${kind}`, { bytes }, ({ bytes }) => {
      const expected = NaiveUtf8.check(bytes)
      assert.strictEqual(invalidAt(bytes), expected.invalidAt)
      assert.strictEqual(Utf8.advance(Utf8.start, bytes) === Utf8.start, expected.isWhole)
      if (expected.invalidAt === undefined) return
      // Not before, and by no byte behind it any more.
      assert.notStrictEqual(Utf8.advance(Utf8.start, bytes, 0, expected.invalidAt), Utf8.invalid)
      assert.strictEqual(Utf8.advance(Utf8.start, bytes, 0, expected.invalidAt + 1), Utf8.invalid)
    }, { arbitrary: { runs: 300 } })
  }

  it.prop("any split gives the same state", {
    cut: Arbitrary.flatMap(
      nearlyText,
      (bytes) => Arbitrary.all({ bytes: Arbitrary.Constant(bytes), cuts: cutsOf(bytes, 6) })
    )
  }, ({ cut: { bytes, cuts } }) => {
    let state = Utf8.start
    let from = 0
    for (const to of [...cuts].sort((a, b) => a - b).concat(bytes.length)) {
      state = Utf8.advance(state, bytes, from, to)
      from = to
    }
    assert.strictEqual(state, Utf8.advance(Utf8.start, bytes))
  }, { arbitrary: { runs: 300 } })

  it("ends with the bytes, whatever range it is told", () => {
    for (const length of [0, 3, 100, 400]) {
      assert.strictEqual(Utf8.advance(Utf8.start, new Uint8Array(length), 0, 1000), Utf8.start)
    }
  })

  it("any split in two, in pieces of their own, of all that begins differently", () => {
    for (const bytes of [...characters.map(utf8), ...invalidSequences]) {
      const text = concat([utf8("a\u00e9"), bytes, utf8("z")])
      for (let cut = 0; cut <= text.length; cut++) {
        const between = Utf8.advance(Utf8.start, text.slice(0, cut))
        assert.strictEqual(Utf8.advance(between, text.slice(cut)), Utf8.advance(Utf8.start, text), text.join())
      }
    }
  })

  it("reads its range only, wherever the bytes lie", () => {
    const text = utf8("\u20ac".repeat(40) + "a".repeat(100))
    for (let offset = 0; offset < 8; offset++) {
      const bytes = copyAt(concat([[0xff, 0xff], text, [0xff, 0xff]]), offset)
      assert.strictEqual(Utf8.advance(Utf8.start, bytes, 2, bytes.length - 2), Utf8.start)
      assert.strictEqual(Utf8.advance(Utf8.start, bytes, 2), Utf8.invalid)
      assert.strictEqual(Utf8.advance(Utf8.start, bytes), Utf8.invalid)
    }
    assert.strictEqual(Utf8.advance(Utf8.start, text, 5, 5), Utf8.start)
    const between = Utf8.advance(Utf8.start, text, 0, 1)
    assert.strictEqual(Utf8.advance(between, text, 1, 1), between)
  })

  it("is final once it is invalid", () => {
    for (const bytes of [new Uint8Array(0), utf8("a"), utf8("a".repeat(100)), Uint8Array.of(0x80)]) {
      assert.strictEqual(Utf8.advance(Utf8.invalid, bytes), Utf8.invalid)
    }
  })
})

describe("Utf8, byte by byte", { timeout: 60_000 }, () => {
  it("every one and every two bytes", () => {
    // One assertion, here and below: there are two hundred thousand cases.
    const mistakes: Array<string> = []
    for (let first = 0; first < 0x100; first++) {
      mistakes.push(...mistakesWith(first))
      for (let second = 0; second < 0x100; second++) mistakes.push(...mistakesWith(first, second))
    }
    assert.deepStrictEqual(mistakes.slice(0, 3), [])
  })

  it("every three and four bytes, but for those that no rule tells from each other", () => {
    const mistakes: Array<string> = []
    for (let first = 0xc0; first < 0x100; first++) {
      for (let second = 0x7e; second < 0xc2; second++) {
        for (const third of classes) {
          for (const bytes of [[first, second, third], ...classes.map((fourth) => [first, second, third, fourth])]) {
            mistakes.push(...mistakesWith(...bytes))
          }
        }
      }
    }
    assert.deepStrictEqual(mistakes.slice(0, 3), [])
  })

  it("every character there is", () => {
    let text = ""
    for (let code = 0; code <= 0x10_ffff; code++) {
      if (code === 0xd800) code = 0xe000
      text += String.fromCodePoint(code)
    }
    assert.strictEqual(Utf8.advance(Utf8.start, utf8(text)), Utf8.start)
  })

  it("no surrogate, no overlong form and nothing above U+10FFFF, decided by the second byte", () => {
    for (let code = 0xd800; code <= 0xdfff; code++) {
      assert.strictEqual(invalidAt(Uint8Array.of(0xed, code >> 6 & 0x3f | 0x80, code & 0x3f | 0x80)), 1)
    }
    for (let second = 0x80; second < 0xa0; second++) assert.strictEqual(invalidAt(Uint8Array.of(0xe0, second)), 1)
    for (let second = 0x80; second < 0x90; second++) assert.strictEqual(invalidAt(Uint8Array.of(0xf0, second)), 1)
    for (let second = 0x90; second < 0xc0; second++) assert.strictEqual(invalidAt(Uint8Array.of(0xf4, second)), 1)
    for (const first of [0xc0, 0xc1, 0xf5, 0xf6, 0xf7, 0xf8, 0xfc, 0xfe, 0xff]) {
      assert.strictEqual(invalidAt(Uint8Array.of(first)), 0)
    }
  })
})

describe("Utf8, where words are read", { timeout: 60_000 }, () => {
  // 64 bytes are read as words from, and those begin at a multiple of 8 in memory.
  const lengths = [62, 63, 64, 65, 71, 72, 73, 80, 127, 128, 200]

  it("long ASCII is a text at every alignment", () => {
    for (let offset = 0; offset < 9; offset++) {
      for (const length of lengths) {
        assert.strictEqual(Utf8.advance(Utf8.start, copyAt(utf8("~".repeat(length)), offset)), Utf8.start)
      }
    }
  })

  it("one byte that is not ASCII is seen at every position and alignment", () => {
    for (let offset = 0; offset < 9; offset++) {
      for (const length of lengths) {
        const bytes = copyAt(new Uint8Array(length).fill(0x7f), offset)
        for (let at = 0; at < length; at++) {
          for (const [byte, isInvalid] of [[0x80, true], [0xff, true], [0xc3, at < length - 1]] as const) {
            bytes[at] = byte
            assert.strictEqual(Utf8.advance(Utf8.start, bytes) === Utf8.invalid, isInvalid)
          }
          assert.notStrictEqual(Utf8.advance(Utf8.start, bytes, 0, at + 1), Utf8.start)
          bytes[at] = 0x7f
        }
      }
    }
  })

  it("a character of two bytes stands at every position and alignment", () => {
    for (let offset = 0; offset < 9; offset++) {
      for (const length of lengths) {
        const bytes = copyAt(new Uint8Array(length).fill(0x20), offset)
        for (let at = 0; at + 1 < length; at++) {
          bytes.set([0xc3, 0xa9], at)
          assert.strictEqual(Utf8.advance(Utf8.start, bytes), Utf8.start)
          bytes.fill(0x20, at, at + 2)
        }
      }
    }
  })
})
