/** A message and one that is sent in pieces: whichever is first, the other waits for it, and neither fails for the other. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { promisify } from "node:util"
import { deflateRaw } from "node:zlib"
import { noise } from "../../core/test/support/bytes.ts"
import { decode, encode } from "./support/frames.ts"
import type { Scripted } from "./support/scripted.ts"
import { Steps } from "./support/stepping.ts"
import { park, reasonOf, turns } from "./support/streams.ts"
import { inPieces, scripted, withoutTakeover, type Ws } from "./support/websockets.ts"

/** The names of the messages that were sent. Throws where fragments of one have a frame of another among them. */
const messages = (duplex: Scripted): ReadonlyArray<string> => {
  const names: Array<string> = []
  let begun = false
  for (const { fin, opcode, payload } of decode("server", duplex.sentBytes, true)) {
    assert.strictEqual(opcode === Opcode.Continuation, begun)
    begun = !fin
    if (fin) names.push(opcode === Opcode.Continuation ? "in pieces" : payload.length > 100 ? "large" : "small")
  }
  return names
}

describe("a message that is sent in pieces", () => {
  it.live("may begin while another is compressed, which comes behind it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted(withoutTakeover)
      const large = noise(100_000, 1)
      const sending = yield* Effect.forkChild(ws.send(large), { startImmediately: true })
      const { finish } = yield* inPieces(ws)
      // Ten times as much, so that the other is ready by then.
      yield* Effect.promise(() => promisify(deflateRaw)(noise(1_000_000, 1)))
      yield* turns
      assert.deepStrictEqual(yield* finish, Exit.void)
      assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
      yield* turns
      assert.deepStrictEqual(messages(duplex), ["in pieces", "large"])
    }))

  it.live("may begin at any point of another that waits for room", () =>
    Effect.gen(function*() {
      const ends = new Set<string>()
      for (let operations = 3; operations < 20; operations++) {
        for (const point of [0, 1, 2, 3, 4, 5]) {
          const { duplex, ws } = yield* scripted(undefined, { stalled: true, highWaterMark: 1 })
          yield* ws.send("first")
          yield* turns
          const steps = new Steps()
          const sending = yield* steps.fork(operations, ws.send("second"))
          for (let i = 0; i < point; i++) steps.step()
          duplex.acceptAll()
          yield* turns
          const { finish } = yield* inPieces(ws)
          yield* steps.settle
          assert.deepStrictEqual(yield* finish, Exit.void)
          yield* steps.settle
          assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
          ends.add(messages(duplex).join(", "))
        }
      }
      assert.sameMembers([...ends], ["small, small, in pieces", "small, in pieces, small"])
    }))

  const ends: ReadonlyArray<readonly [how: string, reason: string, end: (duplex: Scripted, ws: Ws) => void]> = [
    [
      "by the peer's Close frame",
      "Closed",
      (duplex) => duplex.push(encode("server", Frame.make(Opcode.Close, new Uint8Array(0))))
    ],
    ["by ours", "Closed", (_, ws) => Effect.runFork(ws.close())],
    ["by a failure", "Io", (duplex) => duplex.destroy(new Error("reset"))]
  ]
  for (const [how, reason, end] of ends) {
    it.live(`ends with the connection though its pieces do not come, and so do those that wait for its end: ${how}`, () =>
      Effect.gen(function*() {
        const { duplex, ws } = yield* scripted()
        const pieces = Stream.concat(Stream.make("begun"), Stream.never)
        const first = yield* park(reasonOf(ws.sendStream("text", pieces)))
        const others = yield* Effect.all([
          park(reasonOf(ws.send("other"))),
          park(reasonOf(ws.sendStream("text", Stream.never)))
        ])
        end(duplex, ws)
        assert.strictEqual((yield* Fiber.join(first))._tag, reason)
        const reasons = [
          ...yield* Effect.forEach(others, Fiber.join),
          yield* reasonOf(ws.sendStream("text", Stream.never))
        ]
        assert.deepStrictEqual(reasons.map(({ _tag }) => _tag), [reason, reason, reason])
      }))
  }
})
