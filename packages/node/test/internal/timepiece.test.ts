import { assert, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { Timepiece } from "../../src/internal/timepiece.ts"

it.effect("counts whole milliseconds since it was made, whatever the time of day is set to", () =>
  Effect.gen(function*() {
    let monotonic = 7_999_999n
    let timeOfDay = 1_000_000
    const clock: Clock.Clock = Object.assign(Object.create(yield* Clock.Clock), {
      monotonicTimeNanosUnsafe: () => monotonic,
      currentTimeMillisUnsafe: () => timeOfDay,
      currentTimeNanosUnsafe: () => BigInt(timeOfDay) * 1_000_000n
    })
    const timepiece = new Timepiece(clock)
    assert.strictEqual(timepiece.millis(), 0)
    // An hour back, as at the end of summer where somebody sets it by hand.
    timeOfDay -= 3_600_000
    monotonic += 999_999n
    assert.strictEqual(timepiece.millis(), 0)
    monotonic += 1n
    assert.strictEqual(timepiece.millis(), 1)
    assert.strictEqual(timepiece.nanos(), monotonic)
  }))
