import { assert, describe, it } from "@effect/vitest"
import type * as Frame from "@websocket-stream/core/Frame"
import type { ReadError } from "@websocket-stream/node/WebsocketError"
import type * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  corruptedWire,
  length,
  shortLength,
  validWire,
  type Wire,
  withCuts
} from "../../core/test/support/arbitraries.ts"
import { cutsEvery, splitAt } from "../../core/test/support/bytes.ts"
import { readable } from "../../core/test/support/decoding.ts"
import { scripted, type Stream } from "./support/streams.ts"

interface Outcome {
  readonly frames: ReadonlyArray<Frame.Frame>
  readonly failure: ReadError["reason"]
}

const open = (wire: Wire, mode: WebsocketStream.Mode) =>
  scripted({ role: wire.role, rsv1: wire.rsv1, mode, limits: { maxFrameSize: 65_536 } })

/** Reads to the end; where a read would block, does what it is told before it reads on. */
const readToEnd = (stream: Stream, wouldBlock: Effect.Effect<void, ReadError>): Effect.Effect<Outcome> =>
  Effect.gen(function*() {
    const frames: Array<Frame.Frame> = []
    const read = stream.read.pipe(
      Effect.map((frame) => void frames.push(frame)),
      Effect.catchReason("ReadError", "WouldBlock", () => wouldBlock)
    )
    const { reason } = yield* Effect.flip(Effect.forever(read))
    return { frames, failure: reason }
  })

/** What Block mode makes of it, when it comes in one piece. */
const blocking = (wire: Wire): Effect.Effect<Outcome> =>
  Effect.scoped(Effect.gen(function*() {
    const { duplex, stream } = yield* open(wire, "Block")
    duplex.push(wire.bytes)
    duplex.push(null)
    return yield* readToEnd(stream, Effect.die("a read in Block mode would block"))
  })).pipe(Effect.orDie)

const assertSameOutcome = (actual: Outcome, expected: Outcome): void => {
  assert.deepStrictEqual(readable(actual.frames), readable(expected.frames))
  assert.deepStrictEqual(actual.failure, expected.failure)
}

const byteByByte = (wire: Wire) => splitAt(wire.bytes, cutsEvery(1, wire.bytes.length))

describe("NonBlock gives what Block gives, failure included", { timeout: 60_000 }, () => {
  for (const [name, wires] of [["valid", validWire(shortLength)], ["broken", corruptedWire(shortLength)]] as const) {
    it.effect.prop(
      `B5: with a WouldBlock between any two bytes: ${name} bytes`,
      { wire: wires },
      ({ wire }) =>
        Effect.gen(function*() {
          const { duplex, stream } = yield* open(wire, "NonBlock")
          const pieces = [...byteByByte(wire)]
          // Only what was read to a WouldBlock gets its next byte.
          const deliver = Effect.suspend(() => {
            if (pieces.length > 0) return Effect.sync(() => void duplex.push(pieces.shift()!))
            duplex.push(null)
            return stream.awaitReadable
          })
          assertSameOutcome(yield* readToEnd(stream, deliver), yield* blocking(wire))
        })
    )

    it.effect.prop(
      `with awaitReadable after every WouldBlock: ${name} bytes`,
      { wire: wires },
      ({ wire }) =>
        Effect.gen(function*() {
          const { duplex, stream } = yield* open(wire, "NonBlock")
          const reader = yield* Effect.forkChild(readToEnd(stream, stream.awaitReadable), { startImmediately: true })
          for (const piece of byteByByte(wire)) {
            duplex.push(piece)
            yield* Effect.yieldNow
          }
          duplex.push(null)
          assertSameOutcome(yield* Fiber.join(reader), yield* blocking(wire))
        }),
      { arbitrary: { runs: 20 } }
    )
  }

  it.effect.prop(
    "in larger pieces, up to frames of 70,000 bytes",
    { sent: withCuts(validWire(length)) },
    ({ sent }) =>
      Effect.gen(function*() {
        const { duplex, stream } = yield* open(sent.wire, "NonBlock")
        const pieces = [...splitAt(sent.wire.bytes, sent.cuts)]
        const deliver = Effect.suspend(() => {
          if (pieces.length > 0) return Effect.sync(() => void duplex.push(pieces.shift()!))
          duplex.push(null)
          return stream.awaitReadable
        })
        assertSameOutcome(yield* readToEnd(stream, deliver), yield* blocking(sent.wire))
      }),
    { arbitrary: { runs: 50 } }
  )
})
