/** An interruption at every suspension point of every way to receive from a `Websocket`, and of waiting for its end. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import type { Message } from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import { ReadError } from "@websocket-stream/node/WebsocketError"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import { cutsEvery, splitAt } from "../../core/test/support/bytes.ts"
import { asText, decode, encode } from "./support/frames.ts"
import { everywhere, type Outcome, waitersIn } from "./support/interrupting.ts"
import type { Scripted } from "./support/scripted.ts"
import { turn } from "./support/server.ts"
import { reasonOf } from "./support/streams.ts"
import { scripted, type Ws } from "./support/websockets.ts"

const frame = (opcode: Opcode.Opcode, payload: string | ReadonlyArray<number> = "", fin = true): Frame.Frame =>
  Frame.make(opcode, typeof payload === "string" ? Buffer.from(payload) : Buffer.from(payload), { fin })

const sent = ["the first message", "the second, in fragments", "the third"] as const
const frames = [
  frame(Opcode.Text, sent[0]),
  frame(Opcode.Ping, "there?"),
  frame(Opcode.Text, "the second, ", false),
  frame(Opcode.Continuation, "in fragments"),
  frame(Opcode.Text, sent[2]),
  frame(Opcode.Close, [1000 >> 8, 1000 & 0xff])
]

/** A few bytes at a time, each piece with the end of one frame or the beginning of the next. */
const arrivals = (duplex: Scripted): ReadonlyArray<() => void> => {
  const bytes = encode("server", ...frames)
  return splitAt(bytes, cutsEvery(9, bytes.length)).map((piece) => () => void duplex.push(piece))
}

type Took = (messages: ReadonlyArray<Message>) => void

// Written down in the very operation that gave it to the fiber: an interruption behind it would be the test's loss.
const single: { readonly [name: string]: (ws: Ws, took: Took) => Effect.Effect<unknown, unknown> } = {
  receive: (ws, took) => Effect.map(ws.receive, (message) => took([message])),
  receiveAll: (ws, took) => Effect.map(ws.receiveAll, took)
}

type Handle = (messages: ReadonlyArray<Message>) => Effect.Effect<void>

const handlers: { readonly [name: string]: (ws: Ws, handle: Handle) => Effect.Effect<unknown, unknown> } = {
  runForEach: (ws, handle) => ws.runForEach((message) => handle([message])),
  runForEachArray: (ws, handle) => ws.runForEachArray(handle),
  messages: (ws, handle) => Stream.runForEach(ws.messages, (message) => handle([message]))
}

/** Lets all come that has not come yet, and receives it: what is there and how it ends. */
const receiveRest = Effect.fnUntraced(function*(duplex: Scripted, ws: Ws, events: Outcome["events"]) {
  const rest: Array<string> = []
  for (const event of events) event()
  const reason = yield* reasonOf(
    Effect.forever(Effect.map(ws.receiveAll, (messages) => rest.push(...messages.map(asText))))
  )
  assert.deepInclude(reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true })
  duplex.push(null)
  yield* ws.closed
  assert.strictEqual(waitersIn(ws), 0)
  const answers = decode("server", duplex.sentBytes).map(({ opcode }) => Opcode.name(opcode))
  assert.deepStrictEqual(answers, ["Pong", "Close"])
  return rest
})

describe("an interruption at any point of", { timeout: 60_000 }, () => {
  for (const [name, take] of Object.entries(single)) {
    it.live(`${name} loses no message, gives none twice, and leaves nobody waiting`, () =>
      Effect.gen(function*() {
        const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
          const { duplex, ws } = yield* scripted()
          const taken: Array<string> = []
          const check = Effect.fnUntraced(function*({ events }: Outcome) {
            assert.strictEqual(waitersIn(ws), 0)
            taken.push(...yield* receiveRest(duplex, ws, events))
            assert.deepStrictEqual(taken, [...sent])
          })
          const effect = take(ws, (messages) => taken.push(...messages.map(asText))).pipe(
            Effect.repeat({ until: () => taken.length === sent.length })
          )
          return { effect, events: arrivals(duplex), check }
        }))
        assert.isAbove(interruptions, 30)
        assert.isAtLeast(waiting, 20)
      }))
  }

  for (const [name, receive] of Object.entries(handlers)) {
    it.live(`${name} loses at most what came together with a message in hand, and leaves nobody waiting`, () =>
      Effect.gen(function*() {
        const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
          const { duplex, ws } = yield* scripted()
          const taken: Array<string> = []
          let inHand = 0
          // Waits with each of them for a turn.
          const handle = (messages: ReadonlyArray<Message>) =>
            Effect.acquireUseRelease(
              Effect.sync(() => {
                inHand++
                taken.push(...messages.map(asText))
              }),
              () => turn,
              () => Effect.sync(() => inHand--)
            )
          const check = Effect.fnUntraced(function*({ events, interrupted }: Outcome) {
            assert.strictEqual(waitersIn(ws), 0)
            assert.strictEqual(inHand, 0)
            const rest = yield* receiveRest(duplex, ws, events)
            const lost = sent.slice(taken.length, sent.length - rest.length)
            if (!interrupted) assert.strictEqual(lost.length, 0)
            // Messages come one by one, but for those that come while one is in hand.
            assert.isAtMost(lost.length, 1)
            assert.deepStrictEqual([...taken, ...lost, ...rest], [...sent])
          })
          return { effect: receive(ws, handle), events: arrivals(duplex), check }
        }))
        assert.isAbove(interruptions, 30)
        assert.isAtLeast(waiting, 20)
      }))
  }

  it.live("closed leaves nobody waiting, and the connection goes on", () =>
    Effect.gen(function*() {
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const { duplex, ws } = yield* scripted()
        const check = Effect.fnUntraced(function*({ events }: Outcome) {
          assert.strictEqual(waitersIn(ws), 0)
          assert.deepStrictEqual(yield* receiveRest(duplex, ws, events), [])
        })
        const [ping, close] = [frames.at(1)!, frames.at(-1)!]
        const events = [ping, close].map((frame) => () => void duplex.push(encode("server", frame)))
        return { effect: ws.closed, events, check }
      }))
      assert.isAtLeast(waiting, 4)
    }))

  it.live("receiveStream drops at most the message that it has begun, and none behind it", () =>
    Effect.gen(function*() {
      const left = new Set<number>()
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const { duplex, ws } = yield* scripted()
        let pieces = ""
        const effect = Effect.scoped(
          Effect.flatMap(ws.receiveStream, (message) =>
            Stream.runForEach(message.pieces, (piece) =>
              Effect.sync(() => {
                pieces += Buffer.from(piece).toString()
              })))
        )
        const check = Effect.fnUntraced(function*({ events, exit }: Outcome) {
          assert.strictEqual(waitersIn(ws), 0)
          const rest = yield* receiveRest(duplex, ws, events)
          assert.isTrue(sent[0].startsWith(pieces), pieces)
          if (Exit.isSuccess(exit)) assert.strictEqual(pieces, sent[0])
          left.add(rest.length)
          assert.deepStrictEqual(rest, sent.slice(sent.length - rest.length))
          if (pieces !== "") assert.strictEqual(rest.length, 2)
        })
        return { effect, events: arrivals(duplex), check }
      }))
      assert.isAbove(waiting, 2)
      assert.sameMembers([...left], [2, 3])
    }))

  it.live("receiveStream, one time after the other in one scope, loses at most one message, and misses no end", () =>
    Effect.gen(function*() {
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const { duplex, ws } = yield* scripted()
        const taken: Array<string> = []
        const next = Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runCollect(pieces)).pipe(
          Effect.map((pieces) => void taken.push(Buffer.concat(pieces).toString()))
        )
        const check = Effect.fnUntraced(function*({ events, exit, interrupted }: Outcome) {
          if (!interrupted) {
            const end = Option.getOrThrow(Exit.findErrorOption(exit))
            assert.isTrue(end instanceof ReadError && end.reason._tag === "Closed" && end.reason.code === 1000)
            return assert.deepStrictEqual(taken, [...sent])
          }
          const before = taken.length
          const hasBegun = events.length < arrivals(duplex).length
          for (const event of events) event()
          assert.deepInclude(yield* reasonOf(Effect.forever(next)), { _tag: "Closed", code: 1000, clean: true })
          assert.deepStrictEqual(taken.slice(0, before), sent.slice(0, before))
          assert.deepStrictEqual(taken.slice(before), sent.slice(sent.length - (taken.length - before)))
          assert.isAtLeast(taken.length, sent.length - (hasBegun ? 1 : 0))
        })
        return { effect: Effect.forever(next), events: arrivals(duplex), check }
      }))
      assert.isAbove(waiting, 6)
    }))
})
