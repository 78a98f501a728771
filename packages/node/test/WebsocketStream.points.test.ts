/** An interruption at every suspension point of every operation of a `WebsocketStream`. */
import { assert, describe, it } from "@effect/vitest"
import type * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { cutsEvery, splitAt } from "../../core/test/support/bytes.ts"
import { asText, decode, encode, text } from "./support/frames.ts"
import { everywhere, type Outcome, waitersIn } from "./support/interrupting.ts"
import { Scripted } from "./support/scripted.ts"
import { reasonOf, scripted, type Stream, turns } from "./support/streams.ts"

const modes = ["Block", "NonBlock"] as const

// Written down in the very operation that gave it to the fiber: an interruption behind it would be the test's loss.
type Took = (frames: ReadonlyArray<Frame.Frame>) => void

// What ends by itself at the end of the stream alone.
const taken = Effect.fail("taken" as const)
const untilTaken = <A, E>(effect: Effect.Effect<A, E | "taken">) =>
  Effect.catch(effect, (error) => error === "taken" ? Effect.void : Effect.fail(error))

const takes: { readonly [name: string]: (stream: Stream, took: Took) => Effect.Effect<unknown, unknown> } = {
  read: ({ awaitReadable, read }, took) =>
    Effect.map(read, (frame) => took([frame])).pipe(
      Effect.catchReason("ReadError", "WouldBlock", () => awaitReadable)
    ),
  readAll: ({ awaitReadable, readAll }, took) =>
    Effect.map(readAll, took).pipe(Effect.catchReason("ReadError", "WouldBlock", () => awaitReadable)),
  // By the function and not by its effect, which an interruption may keep from its first step.
  runForEach: ({ runForEach }, took) =>
    untilTaken(runForEach((frame) => {
      took([frame])
      return taken
    })),
  runForEachArray: ({ runForEachArray }, took) =>
    untilTaken(runForEachArray((frames) => {
      took(frames)
      return taken
    })),
  awaitReadable: ({ awaitReadable }) => awaitReadable,
  awaitAnyReadable: (stream, took) =>
    Effect.andThen(WebsocketStream.awaitAnyReadable([stream]), Effect.map(stream.readAll, took))
}

const run = (events: ReadonlyArray<() => void>): void => {
  for (const event of events) event()
}

describe("an interruption at any point of", { timeout: 60_000 }, () => {
  for (const mode of modes) {
    for (const [name, take] of Object.entries(takes)) {
      it.effect(`${name} in ${mode} mode loses no frame, gives none twice, and leaves nobody waiting`, () =>
        Effect.gen(function*() {
          const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
            const { duplex, stream } = yield* scripted({ role: "client", mode })
            const sent = ["one", "two", "three"]
            const taken: Array<string> = []
            const took: Took = (frames) => taken.push(...frames.map(asText))
            const bytes = encode("client", ...sent.map(text))
            const events = splitAt(bytes, cutsEvery(4, bytes.length)).map((piece) => () => void duplex.push(piece))
            const check = Effect.fnUntraced(function*({ events }: Outcome) {
              assert.strictEqual(waitersIn(stream), 0)
              run(events)
              duplex.push(null)
              yield* stream.setMode("Block")
              const reason = yield* reasonOf(Effect.forever(Effect.map(stream.readAll, took)))
              assert.deepInclude(reason, { _tag: "Closed", truncated: false })
              assert.deepStrictEqual(taken, sent)
            })
            const isDone = () => taken.length === sent.length || name === "awaitReadable"
            return { effect: Effect.repeat(take(stream, took), { until: isDone }), events, check }
          }))
          assert.isAbove(interruptions, 8)
          assert.isAbove(waiting, 0)
        }))
    }

    for (const names of [Arr.of("two"), Arr.make("two", "three")]) {
      it.effect(`write${names.length > 1 ? "All" : ""} in ${mode} mode sends all or nothing, once, and the stream goes on`, () =>
        Effect.gen(function*() {
          const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
            const { duplex, stream } = yield* scripted({ role: "server", mode }, { stalled: true, highWaterMark: 1 })
            yield* stream.write(Opcode.Text, "one")
            yield* turns
            let written = false
            const frames = Arr.map(names, text)
            const write = Effect.suspend(() =>
              frames.length > 1 ? stream.writeAll(frames) : stream.write(frames[0].opcode, frames[0].payload)
            )
            const effect = Effect.map(write, () => {
              written = true
            }).pipe(Effect.catchReason("WriteError", "WouldBlock", () => stream.awaitWritable))
            const check = Effect.fnUntraced(function*({ exit, waited }: Outcome) {
              assert.strictEqual(waitersIn(stream), 0)
              duplex.acceptAll()
              yield* turns
              yield* stream.write(Opcode.Text, "last")
              yield* turns
              const [first, ...sent] = decode("server", duplex.sentBytes).map(asText)
              assert.strictEqual(first, "one")
              assert.strictEqual(sent.pop(), "last")
              if (sent.length > 0 || written) assert.deepStrictEqual(sent, names)
              if (waited && Exit.isFailure(exit)) assert.deepStrictEqual(sent, [])
            })
            return { effect, events: [() => duplex.accept(), () => duplex.accept()], check }
          }))
          assert.isAbove(interruptions, 8)
          assert.isAbove(waiting, 0)
        }))
    }
  }

  it.effect("awaitWritable leaves nobody waiting, and sends nothing", () =>
    Effect.gen(function*() {
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
        yield* stream.write(Opcode.Text, "one")
        yield* turns
        const check = Effect.fnUntraced(function*() {
          assert.strictEqual(waitersIn(stream), 0)
          duplex.acceptAll()
          yield* stream.write(Opcode.Text, "two")
          yield* turns
          assert.deepStrictEqual(decode("server", duplex.sentBytes).map(asText), ["one", "two"])
        })
        return { effect: stream.awaitWritable, events: [() => duplex.accept()], check }
      }))
      assert.isAbove(waiting, 0)
    }))

  it.effect("awaitAnyReadable leaves nobody waiting at any of the streams", () =>
    Effect.gen(function*() {
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const all = yield* Effect.forEach([1, 2, 3], () => scripted({ role: "client" }))
        const streams = all.map(({ stream }) => stream)
        const second = all[1]!.duplex
        const check = Effect.fnUntraced(function*({ events }: Outcome) {
          for (const stream of streams) assert.strictEqual(waitersIn(stream), 0)
          run(events)
          assert.strictEqual(asText(yield* streams[1]!.read), "two")
        })
        const events = [() => void second.push(encode("client", text("two")))]
        return { effect: WebsocketStream.awaitAnyReadable(streams), events, check }
      }))
      assert.isAbove(waiting, 0)
    }))

  it.effect("make and the closing of its scope leaves the stream untouched, or sends what was written and destroys it", () =>
    Effect.gen(function*() {
      const ends = new Set<string>()
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const duplex = new Scripted()
        let isWritten = false
        const effect = Effect.scoped(Effect.gen(function*() {
          const stream = yield* WebsocketStream.make(duplex, { role: "client", linger: "1 hour" })
          yield* Effect.map(stream.write(Opcode.Text, "one"), () => {
            isWritten = true
          })
          yield* stream.read
        }))
        const check = Effect.fnUntraced(function*() {
          yield* turns
          const sent = decode("client", duplex.sentBytes).map(asText)
          if (isWritten) assert.deepStrictEqual(sent, ["one"])
          ends.add(`${duplex.destroyed ? "destroyed" : "untouched"}, sent ${sent.length}`)
          if (!duplex.destroyed) assert.strictEqual(duplex.eventNames().length, 0)
        })
        return { effect, events: [() => void duplex.push(encode("client", text("two")))], check }
      }))
      assert.isAbove(waiting, 0)
      assert.deepStrictEqual([...ends].sort(), ["destroyed, sent 0", "destroyed, sent 1", "untouched, sent 0"])
    }))
})
