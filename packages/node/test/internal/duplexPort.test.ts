import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { finish } from "../../src/internal/duplexPort.ts"
import { ioReason } from "../../src/internal/io.ts"
import { Scripted } from "../support/scripted.ts"
import { park, turns } from "../support/streams.ts"

describe("finish", () => {
  it.effect("sends what is queued, ends and destroys the stream, and leaves no listener", () =>
    Effect.gen(function*() {
      const duplex = new Scripted({ stalled: true })
      duplex.write("queued")
      const finishing = yield* park(finish(duplex, "Infinity"))
      assert.isTrue(duplex.writableEnded)
      assert.isFalse(duplex.destroyed)
      duplex.acceptAll()
      yield* Fiber.join(finishing)
      assert.strictEqual(Buffer.from(duplex.sentBytes).toString(), "queued")
      assert.isTrue(duplex.destroyed)
      assert.deepStrictEqual([duplex.listenerCount("finish"), duplex.listenerCount("close")], [0, 0])
    }))

  it.effect("destroys the stream when it is interrupted", () =>
    Effect.gen(function*() {
      const duplex = new Scripted({ stalled: true })
      duplex.write("stuck")
      yield* Fiber.interrupt(yield* park(finish(duplex, "Infinity")))
      assert.isTrue(duplex.destroyed)
    }))

  it.live("is over when linger is, however long the peer takes", () =>
    Effect.gen(function*() {
      const duplex = new Scripted({ stalled: true })
      duplex.write("stuck")
      yield* finish(duplex, "1 millis")
      assert.isTrue(duplex.destroyed)
    }))

  it.live("is not over at once for a time that is longer than a timer can be", () =>
    Effect.gen(function*() {
      const duplex = new Scripted({ stalled: true })
      duplex.write("slow")
      const finishing = yield* park(finish(duplex, "365 days"))
      // Node would make a timer of 1 ms of it, and such timers end in the order in which they began.
      yield* Effect.sleep(1)
      assert.isFalse(duplex.destroyed)
      duplex.acceptAll()
      yield* Fiber.join(finishing)
      yield* turns
    }))
})

describe("ioReason", () => {
  it("carries what Node's error has, and what it has not", () => {
    const cause = Object.assign(new Error("read EIO"), { code: "EIO", errno: -5, syscall: "read" })
    assert.deepInclude(ioReason(cause), { code: "EIO", errno: -5, syscall: "read", cause })
    assert.deepInclude(ioReason(new Error("bare")), { code: undefined, errno: undefined, syscall: undefined })
  })
})
