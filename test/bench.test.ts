import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { median, ratio } from "../bench/support/statistics.ts"
import * as Process from "./support/childProcess.ts"
import * as Examples from "./support/examples.ts"

const bench = (...args: ReadonlyArray<string>) =>
  Process.start(process.execPath, ["bench/main.ts", ...args], { cwd: new URL("../", import.meta.url) })

describe("bench", { timeout: Examples.timeout }, () => {
  it.live("checks every server and the codec, and makes its tables and its picture", () =>
    Effect.gen(function*() {
      const { ended, line } = yield* bench("--quick")
      // uWebSockets.js may be there, or bufferutil not: each is one server more or less.
      assert.match(
        yield* line,
        /^[678] servers and the codec answer as they should; 21 tables, and a picture of \d+ bars$/
      )
      assert.strictEqual((yield* ended).status, 0)
    }))

  it.live("says what to do where the machine has no room for as many connections", () =>
    Effect.gen(function*() {
      const { ended } = yield* bench("idle", "--connections", "2000000000")
      const { status, stderr } = yield* ended
      assert.strictEqual(status, 1)
      assert.match(stderr, /2000000000 connections .* take fewer with --connections$/m)
    }))

  it("takes for the median what is in the middle, or half-way between the two that are", () => {
    assert.strictEqual(median([9, 1, 2]), 2)
    assert.strictEqual(median([9, 1, 2, 4]), 3)
    assert.deepStrictEqual(ratio([2, 6, 8, 10], [1, 2, 8, 2]), { median: 2.5, min: 1, max: 5 })
  })
})
