import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { sweep } from "../../src/internal/sweep.ts"
import { Timepiece } from "../../src/internal/timepiece.ts"
import { until } from "../support/server.ts"

describe("sweep", () => {
  it.effect("asks all at every interval, with the time that it is, and others have their turns in between", () =>
    Effect.gen(function*() {
      const timepiece = new Timepiece(yield* Clock.Clock)
      const asked: Array<number> = []
      let turnedAfter = 0
      const all = Array.from({ length: 2500 }, (_, i) => ({
        sweep: (now: number) => {
          asked.push(now)
          if (i === 0) setImmediate(() => turnedAfter = asked.length)
        }
      }))
      yield* Effect.forkScoped(sweep(() => all, Duration.seconds(2), timepiece), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.deepStrictEqual(asked, [])
      for (const interval of [1, 2]) {
        yield* TestClock.adjust(interval === 1 ? "1 millis" : "2 seconds")
        yield* until(() => asked.length === interval * all.length)
        assert.isTrue(asked.slice(-all.length).every((now) => now === interval * 2000))
        assert.isBelow(turnedAfter, interval * all.length)
      }
    }))
})
