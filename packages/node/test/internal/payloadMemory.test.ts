import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { allocate } from "../../src/internal/allocate.ts"
import type { Seen } from "../support/payloadMemory.ts"
import { run } from "../support/programs.ts"

describe("memory of payloads", () => {
  it.effect("is garbage by a look at the young objects alone, and kept when it is given back", () =>
    Effect.gen(function*() {
      // Alone: what others leave behind would be looked at with it.
      const seen = yield* run<Seen>("payloadMemory.ts")
      // Their room is 32 MiB at most, and so often it is filled. Arrays of payloads alone fill the least there is thrice.
      for (const [size, collections] of seen.young) assert.isAtLeast(collections, 10, `${size} bytes`)
      // All 256 where the system has its way. Others than glibc have theirs.
      if (isGlibc()) assert.isBelow(seen.pages, 64)
    }))

  it.effect("is its holder's: none is given out twice", () =>
    Effect.sync(() => {
      const payloads = Array.from({ length: 200 }, (_, i) => allocate(i % 2 === 0 ? 64 * 1024 : 2048).fill(i))
      payloads.forEach((payload, i) => assert.isTrue(payload.every((byte) => byte === i)))
      assert.strictEqual(new Set(payloads.map(({ buffer }) => buffer)).size, payloads.length)
    }))
})

const isGlibc = (): boolean => {
  const header: unknown = Reflect.get(process.report.getReport(), "header")
  return process.platform === "linux" && Reflect.has(Object(header), "glibcVersionRuntime")
}
