import { assert, describe, it } from "@effect/vitest"
import type * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { WriteError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Arbitrary from "effect/Arbitrary"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import { boolean, elementOf, integer, role } from "../../core/test/support/arbitraries.ts"
import { splitAt } from "../../core/test/support/bytes.ts"
import { asText, decode, encode, few, text } from "./support/frames.ts"
import { Steps } from "./support/stepping.ts"
import { scripted, type Stream } from "./support/streams.ts"

// What a fiber took is written down in the very operation that gave it to the fiber: later would be another operation,
// and an interruption between the two would be the test's loss and not the stream's.
type Took = (frames: ReadonlyArray<Frame.Frame>) => void
const takes = {
  read: ({ read }: Stream, took: Took) => Effect.map(read, (frame) => took([frame])),
  readAll: ({ readAll }: Stream, took: Took) => Effect.map(readAll, took),
  awaitReadable: ({ awaitReadable, read }: Stream, took: Took) =>
    Effect.andThen(awaitReadable, Effect.map(read, (frame) => took([frame]))),
  awaitAnyReadable: (stream: Stream, took: Took) =>
    Effect.andThen(WebsocketStream.awaitAnyReadable([stream]), Effect.map(stream.readAll, took))
}
type Take = keyof typeof takes
const allTakes = ["read", "readAll", "awaitReadable", "awaitAnyReadable"] as const

/** Takes frames for ever, one way or another; ends when there are no more. */
const reading = (take: Take, stream: Stream, took: Took): Effect.Effect<unknown> =>
  takes[take](stream, took).pipe(
    Effect.catchReason("ReadError", "WouldBlock", () => stream.awaitReadable),
    Effect.forever,
    Effect.ignore
  )

/** Writes frames, all of them as one; waits for room in either mode. */
const writing = (stream: Stream, frames: Arr.NonEmptyReadonlyArray<Frame.Frame>): Effect.Effect<void, WriteError> =>
  Effect.suspend(() => frames.length > 1 ? stream.writeAll(frames) : stream.write(frames[0].opcode, frames[0].payload))
    .pipe(
      Effect.asVoid,
      Effect.catchReason(
        "WriteError",
        "WouldBlock",
        () => Effect.andThen(stream.awaitWritable, writing(stream, frames))
      )
    )

const modes = ["Block", "NonBlock"] as const
// For one of these numbers of operations or another, a fiber yields between any two of them.
const everyNumber = Array.from({ length: 38 }, (_, i) => i + 3)
const someNumber = integer(3, 40)
// How often a fiber has yielded when something happens.
const points = [0, 1, 2, 3, 4, 5]

const action = Arbitrary.all([
  elementOf(["peer", "step", "step", "step", "turn", "interrupt"] as const),
  integer(0, 2)
])
const actions = Arbitrary.array(action, { minLength: 10, maxLength: 60 })

describe("a fiber that yields between any two operations", { timeout: 60_000 }, () => {
  const readsOn = (operations: number, take: Take, mode: WebsocketStream.Mode, point: number) =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client", mode })
      const steps = new Steps()
      const taken: Array<string> = []
      const start = steps.fork(operations, reading(take, stream, (frames) => taken.push(...frames.map(asText))))
      // One who waited and gave up leaves the stream flowing: the next bytes come without being asked for.
      const first = yield* start
      yield* steps.settle
      first.interruptUnsafe()
      yield* steps.settle

      const second = yield* start
      for (let i = 0; i < point; i++) steps.step()
      duplex.push(encode("client", text("one"), text("two")))
      yield* steps.settle
      assert.deepStrictEqual(taken, ["one", "two"])
      second.interruptUnsafe()
      yield* steps.settle

      const third = yield* start
      for (let i = 0; i < point; i++) steps.step()
      duplex.destroy()
      yield* steps.settle
      assert.isDefined(third.pollUnsafe())
    })

  const writesOn = (operations: number, mode: WebsocketStream.Mode, point: number) =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server", mode }, { stalled: true, highWaterMark: 1 })
      yield* stream.write(Opcode.Text, "one")
      yield* Effect.yieldNow
      const steps = new Steps()
      const fiber = yield* steps.fork(operations, writing(stream, [text("two")]))
      for (let i = 0; i < point; i++) steps.step()
      duplex.acceptAll()
      yield* steps.settle
      assert.isDefined(fiber.pollUnsafe())
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(asText), ["one", "two"])
    })

  it.effect.each(everyNumber)(
    "misses nothing that comes in between: %d operations",
    (operations) =>
      Effect.gen(function*() {
        for (const mode of modes) {
          for (const point of points) {
            for (const take of allTakes) yield* readsOn(operations, take, mode, point)
            yield* writesOn(operations, mode, point)
          }
        }
      })
  )
})

describe("an interruption at any point", { timeout: 60_000 }, () => {
  it.effect.prop(
    "of reads loses no frame, and gives none twice",
    {
      frames: few,
      cuts: Arbitrary.array(integer(0, 150), { maxLength: 6 }),
      takes: Arbitrary.array(elementOf(allTakes), { minLength: 1, maxLength: 3 }),
      operations: someNumber,
      mode: elementOf(modes),
      endsAtOnce: boolean,
      actions
    },
    ({ actions, cuts, endsAtOnce, frames, mode, operations, takes }) =>
      Effect.gen(function*() {
        const { duplex, stream } = yield* scripted({ role: "client", mode })
        const bytes = encode("client", ...frames)
        const pieces = [...splitAt(bytes, cuts.map((cut) => Math.min(cut, bytes.length)))]
        const taken: Array<Frame.Frame> = []
        const steps = new Steps()
        const start = (take: Take) => steps.fork(operations, reading(take, stream, (frames) => taken.push(...frames)))
        const fibers = yield* Effect.forEach(takes, start)
        for (const [action, which] of actions) {
          const i = which % fibers.length
          if (action === "step") steps.step()
          if (action === "turn") yield* Effect.yieldNow
          if (action === "peer" && pieces.length > 0) duplex.push(pieces.shift()!)
          if (action === "interrupt") {
            fibers[i]!.interruptUnsafe()
            fibers[i] = yield* start(takes[i]!)
          }
        }
        for (const piece of pieces) duplex.push(piece)
        if (endsAtOnce) duplex.push(null)
        yield* steps.settle
        assert.deepStrictEqual(taken, frames)
        if (!endsAtOnce) duplex.push(null)
        yield* steps.settle
        for (const fiber of fibers) assert.isDefined(fiber.pollUnsafe())
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "of writes leaves each frame whole or not there at all, and whoever was told so has written",
    {
      role,
      writers: Arbitrary.array(integer(1, 2), { minLength: 1, maxLength: 3 }),
      highWaterMark: integer(1, 60),
      operations: someNumber,
      mode: elementOf(modes),
      actions
    },
    ({ actions, highWaterMark, mode, operations, role, writers }) =>
      Effect.gen(function*() {
        const { duplex, stream } = yield* scripted({ role, mode }, { highWaterMark, stalled: true })
        const steps = new Steps()
        const tried: Array<string> = []
        const written: Array<string> = []
        const start = (size: number) => {
          const writeOnce = Effect.suspend(() => {
            const names = Arr.makeBy(size, (i) => `frame ${tried.length + i}`)
            tried.push(...names)
            return Effect.map(writing(stream, Arr.map(names, text)), () => void written.push(...names))
          })
          return steps.fork(operations, Effect.repeat(writeOnce, { times: 4 }))
        }
        const fibers = yield* Effect.forEach(writers, start)
        const all = [...fibers]
        for (const [action, which] of actions) {
          const i = which % fibers.length
          if (action === "step") steps.step()
          if (action === "turn") yield* Effect.yieldNow
          if (action === "peer") duplex.accept()
          if (action === "interrupt") {
            fibers[i]!.interruptUnsafe()
            all.push(fibers[i] = yield* start(writers[i]!))
          }
          // Two frames of up to 15 bytes are the most that is written as one.
          assert.isBelow(duplex.writableLength, highWaterMark + 2 * 15)
        }
        duplex.acceptAll()
        // Each turn makes room for one more at least.
        for (let i = 0; i < 50 && all.some((fiber) => fiber.pollUnsafe() === undefined); i++) yield* steps.settle
        yield* steps.settle
        for (const fiber of all) assert.isDefined(fiber.pollUnsafe())
        const sent = decode(role, duplex.sentBytes).map(asText)
        assert.strictEqual(new Set(sent).size, sent.length)
        assert.includeMembers(tried, sent)
        assert.includeMembers(sent, written)
      }),
    { arbitrary: { runs: 300 } }
  )
})
