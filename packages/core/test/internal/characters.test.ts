import { assert, describe, it } from "@effect/vitest"
import * as Utf8 from "@websocket-stream/core/Utf8"
import * as Arbitrary from "effect/Arbitrary"
import { isUtf8 } from "node:buffer"
import * as Characters from "../../src/internal/characters.ts"
import { elementOf, integer } from "../support/arbitraries.ts"
import { concat } from "../support/bytes.ts"
import { nearlyText, utf8 } from "../support/messages.ts"

const texts = Arbitrary.map(Arbitrary.array(nearlyText, { minLength: 8, maxLength: 16 }), concat)

/** The states that a text can be in: those behind the beginnings of all kinds of characters. */
const states = [Utf8.invalid]
for (const character of ["a", "\u00e9", "\u0800", "\u20ac", "\ud7ff", "\u{10000}", "\u{f0000}", "\u{10ffff}"]) {
  const bytes = utf8(character)
  for (let end = 0; end < bytes.length; end++) states.push(Utf8.advance(Utf8.start, bytes, 0, end))
}

describe("characters", { timeout: 60_000 }, () => {
  it.prop(
    "advance as the table does, from every state",
    { state: elementOf(states), bytes: texts },
    ({ bytes, state }) => {
      assert.strictEqual(Characters.advance(state, bytes, isUtf8), Utf8.advance(state, bytes))
    },
    { arbitrary: { runs: 300 } }
  )

  it.prop(
    "a text cut anywhere has the state that it has there",
    { text: texts, cut: integer(0, 1000) },
    ({ cut, text }) => {
      const at = cut % (text.length + 1)
      const before = Characters.advance(Utf8.start, text.subarray(0, at), isUtf8)
      assert.strictEqual(Characters.advance(before, text.subarray(at), isUtf8), Utf8.advance(Utf8.start, text))
    },
    { arbitrary: { runs: 300 } }
  )

  it("every character at both ends, cut at each of its bytes, behind every state", () => {
    const characters = ["a", "\u00e9", "\u20ac", "\u{1f30d}"].map(utf8)
    const wrong = [[0x80], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xff]]
    const ends = [...characters, ...wrong].flatMap((character) =>
      Array.from({ length: character.length + 1 }, (_, end) => character.slice(0, end))
    )
    const mistakes: Array<string> = []
    for (const length of [119, 124, 125, 127, 128, 129, 300]) {
      const middle = utf8("\u20ac".repeat(Math.floor(length / 3)) + "a".repeat(length % 3))
      for (const state of states) {
        for (const first of ends) {
          for (const last of ends) {
            const bytes = concat([first, middle, last])
            if (Characters.advance(state, bytes, isUtf8) !== Utf8.advance(state, bytes)) {
              mistakes.push(`${state}: ${Buffer.from(bytes).toString("hex")}`)
            }
          }
        }
      }
    }
    assert.deepStrictEqual(mistakes.slice(0, 3), [])
  })

  it("asks for whole characters only, and not for a few bytes", () => {
    const asked: Array<number> = []
    const counting = (bytes: Uint8Array): boolean => {
      asked.push(bytes.length)
      return isUtf8(bytes)
    }
    const text = utf8("\u20ac".repeat(200))
    const between = Characters.advance(Utf8.start, text.subarray(0, 400), counting)
    Characters.advance(between, text.subarray(400), counting)
    Characters.advance(Utf8.start, text.subarray(0, 127), counting)
    // The last character of a part is not asked for, cut or not.
    assert.deepStrictEqual(asked, [399, 195])
  })
})
