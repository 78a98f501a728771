import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { decode } from "./support/frames.ts"
import { Steps } from "./support/stepping.ts"
import { park, turns } from "./support/streams.ts"
import { scripted } from "./support/websockets.ts"

/** The message that pieces make. */
const sent = Effect.fnUntraced(function*(...pieces: ReadonlyArray<string | Uint8Array>) {
  const { duplex, ws } = yield* scripted()
  yield* ws.sendStream("text", Stream.fromIterable(pieces))
  yield* turns
  return Buffer.concat(decode("server", duplex.sentBytes).map(({ payload }) => payload)).toString()
})

describe("Websocket.sendStream", () => {
  it.live("sends the text that its strings make, wherever it is cut", () =>
    Effect.gen(function*() {
      // The first and the last that are two halves among them.
      const text = "a😀😀ü\u{10000}\u{10ffff}"
      // Each of them half a character, or one.
      assert.strictEqual(yield* sent(...text.split("")), text)
      for (let at = 0; at <= text.length; at++) {
        for (const nothing of ["", new Uint8Array(0)]) {
          assert.strictEqual(yield* sent(text.slice(0, at), nothing, text.slice(at)), text)
        }
      }
    }))

  it.live("sends half a character as `send` does, where the other half does not come", () =>
    Effect.gen(function*() {
      const half = "😀".slice(0, 1)
      assert.strictEqual(yield* sent("a", half), "a\ufffd")
      assert.strictEqual(yield* sent(half, half, "b"), "\ufffd\ufffdb")
      assert.strictEqual(yield* sent(half, Uint8Array.of(0x63), "d"), "\ufffdcd")
    }))

  it.live("dies of a piece that is none, and the peer gets nothing of it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      for (const wrong of [5, [1], new ArrayBuffer(1)] as ReadonlyArray<any>) {
        const exit = yield* Effect.exit(ws.sendStream("text", Stream.make(wrong)))
        assert.isTrue(Exit.hasDies(exit))
        assert.include(String(exit), "a piece must be a string or bytes")
      }
      yield* turns
      assert.lengthOf(duplex.sentBytes, 0)
    }))

  // The clock stands still: the peer has all the time to agree.
  it.effect("fails of a close that comes in the middle, and of none behind the last piece, wherever its fiber has yielded", () =>
    Effect.gen(function*() {
      const outcomes = new Set<string>()
      for (const operations of [3, 4, 5, 6]) {
        for (let point = 0, isBeforeTheEnd = true; isBeforeTheEnd; point++) {
          const { duplex, ws } = yield* scripted({ closeDeadline: "1 hour" })
          const steps = new Steps()
          const sending = yield* steps.fork(operations, Effect.exit(ws.sendStream("text", Stream.make("a"))))
          for (let i = 0; i < point && isBeforeTheEnd; i++) {
            // What it has forked ends a turn later.
            isBeforeTheEnd = steps.step() || (yield* Effect.as(turns, steps.step()))
          }
          const closing = yield* park(ws.close(4000))
          yield* steps.untilEnded(sending)
          yield* turns
          const frames = decode("server", duplex.sentBytes)
          const isWhole = frames.some(({ fin, opcode }) => fin && opcode === Opcode.Continuation)
          outcomes.add(`${(yield* Fiber.join(sending))._tag}, ${isWhole}`)
          duplex.push(null)
          yield* Fiber.join(closing)
        }
      }
      assert.sameMembers([...outcomes], ["Failure, false", "Success, true"])
    }))
})
