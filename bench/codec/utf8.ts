import { Utf8 } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import { strict as assert } from "node:assert"
import { isUtf8 } from "node:buffer"
import { exactSize, short } from "../report/numbers.ts"
import { inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"

const texts = [
  { name: "ASCII", unit: "The quick brown fox jumps over the lazy dog. " },
  { name: "Cyrillic", unit: "Съешь же ещё этих мягких французских булок, да выпей чаю. " },
  { name: "Japanese", unit: "いろはにほへとちりぬるを" }
]
const sizes = [125, 1024, 64 * 1024]

/** Bytes that go through each in a round. */
const total = 4 * 1024 * 1024

/** Validation that can stop in the middle of a character, beside Node's that cannot. */
export const utf8: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const { name, unit } of texts) {
      for (const size of sizes) {
        const bytes = Buffer.from(unit.repeat(Math.ceil(size / Buffer.byteLength(unit))))
        checkUtf8(bytes)
        if (rounds === 0) continue
        const times = Math.ceil(total / bytes.length)
        const repeat = (task: () => unknown) =>
          Effect.sync(() => {
            for (let i = 0; i < times; i++) task()
          })
        const [us = 0, node = 0] = yield* inTurn(rounds, [
          repeat(() => Utf8.advance(Utf8.start, bytes)),
          repeat(() => isUtf8(bytes))
        ])
        const speed = (nanoseconds: number) => `${short(times * bytes.length / nanoseconds)} GB/s`
        rows.push([name, exactSize(size), speed(us), speed(node), short(node / us)])
      }
    }
    return {
      title: "Checking UTF-8",
      header: ["text", "bytes, about", "`Utf8.advance`", "`isUtf8` of Node, which `ws` uses", "ratio"],
      rows
    }
  })

const checkUtf8 = (bytes: Buffer): void => {
  assert.equal(Utf8.advance(Utf8.start, bytes), Utf8.start)
  assert.ok(isUtf8(bytes))
  const wrong = Buffer.from(bytes)
  wrong[wrong.length - 1] = 0xff
  assert.equal(Utf8.advance(Utf8.start, wrong), Utf8.invalid)
  assert.ok(!isUtf8(wrong))
}
