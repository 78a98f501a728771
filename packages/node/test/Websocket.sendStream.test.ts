import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { decode } from "./support/frames.ts"
import { turns } from "./support/streams.ts"
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
      const text = "a😀😀ü"
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
})
