import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { decode } from "./support/frames.ts"
import { assertWaiting, park, reasonOf, turns } from "./support/streams.ts"
import { scripted, type Ws } from "./support/websockets.ts"

const ways: ReadonlyArray<readonly [what: string, close: (ws: Ws) => Effect.Effect<unknown, unknown>]> = [
  ["close that is interrupted", (ws) => Effect.flatMap(park(ws.close()), Fiber.interrupt)],
  [
    "message that ends in the middle of its pieces",
    (ws) => Effect.flip(ws.sendStream("text", Stream.concat(Stream.make("begun"), Stream.fail("broken"))))
  ]
]

describe("A peer that does not agree to close", () => {
  for (const [what, close] of ways) {
    it.effect(`is cut at the close deadline though nobody waits for it, behind a ${what}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted({ closeDeadline: "5 seconds" })
        const receiving = yield* park(reasonOf(ws.receive))
        yield* close(ws)
        yield* turns
        assert.strictEqual(decode("server", duplex.sentBytes).at(-1)?.opcode, Opcode.Close)
        yield* TestClock.adjust("4999 millis")
        yield* assertWaiting(receiving)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual((yield* Fiber.join(receiving))._tag, "Io")
        assert.isTrue(duplex.destroyed)
      }))
  }
})
