import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { elementOf, integer, oneOf } from "../../../core/test/support/arbitraries.ts"
import { noise } from "../../../core/test/support/bytes.ts"
import * as FrameMemory from "../../src/internal/frameMemory.ts"
import { decode, encode } from "../support/frames.ts"
import * as Pairs from "../support/pairs.ts"
import { turn } from "../support/server.ts"
import { make, takeAll } from "../support/streams.ts"

interface Held {
  readonly bytes: Uint8Array
  readonly filling: number
  isKept: boolean
}

/** Messages, and a Close frame behind them. */
const expectMessages = (frames: ReadonlyArray<Frame.Frame>, payloads: ReadonlyArray<Uint8Array>): void => {
  assert.strictEqual(frames.length - 1, payloads.length)
  payloads.forEach((expected, i) => {
    if (!Buffer.from(frames[i]!.payload).equals(expected)) assert.fail(`message ${i} is another`)
  })
}

describe("memory of frames", () => {
  const step = Arbitrary.all({
    act: elementOf(["take", "take", "giveBack", "keep"] as const),
    length: oneOf(integer(2, 600), elementOf([2, 7, 8, 9, 8192, FrameMemory.blockBytes - 1])),
    age: elementOf([0, 0, 1, 2])
  })

  it.prop(
    "is nobody else's until it is given back, and never again once it is kept",
    { steps: Arbitrary.array(step, { minLength: 20, maxLength: 100 }) },
    ({ steps }) => {
      const all: Array<Held> = []
      steps.forEach(({ act, age, length }, filling) => {
        const at = all.length - 1 - age
        const held = all[at]
        if (act === "take") {
          const bytes = FrameMemory.take(length).fill(filling)
          assert.lengthOf(bytes, length)
          all.push({ bytes, filling, isKept: false })
        } else if (held === undefined) {
          return
        } else if (act === "keep") {
          held.isKept ||= FrameMemory.keep(held.bytes)
        } else {
          FrameMemory.giveBack(held.bytes)
          if (!held.isKept) all.splice(at, 1)
        }
        if (!all.every(({ bytes, filling }) => bytes.every((byte) => byte === filling))) {
          assert.fail(`after ${filling} steps somebody has what somebody else holds`)
        }
      })
    }
  )

  it("is the next one's when it is given back, unless something was taken since, or it is kept", () => {
    const place = ({ buffer, byteOffset }: Uint8Array) => [buffer, byteOffset]
    const taken = FrameMemory.take(100)
    FrameMemory.giveBack(taken)
    const again = FrameMemory.take(200)
    assert.deepStrictEqual(place(again), place(taken))
    const next = FrameMemory.take(8)
    FrameMemory.giveBack(again)
    assert.notDeepEqual(place(FrameMemory.take(8)), place(again))
    assert.isFalse(FrameMemory.keep(next))

    const kept = FrameMemory.take(8)
    assert.isTrue(FrameMemory.keep(kept))
    FrameMemory.giveBack(kept)
    assert.isTrue(FrameMemory.keep(kept))
    assert.notDeepEqual(place(FrameMemory.take(8)), place(kept))
  })

  it("is kept by nobody who has given it back", () => {
    const taken = FrameMemory.take(8)
    FrameMemory.giveBack(taken)
    assert.isFalse(FrameMemory.keep(taken))
  })

  for (const role of ["server", "client"] as const) {
    it.live(`frames about as long as a block go as they are (${role})`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const taking = yield* Effect.forkChild(takeAll(peer))
        const payloads = Array.from({ length: 20 }, (_, i) => noise(FrameMemory.blockBytes - 16 + i, i))
        yield* Effect.scoped(Effect.gen(function*() {
          const ws = yield* Websocket.make(yield* make(ours, { role }), { closeDeadline: 0 })
          for (const payload of payloads) {
            // Kept as it is, copied, and copied behind another.
            yield* ws.send(Message.binary(payload))
            yield* ws.send(payload)
            yield* ws.sendAll([payload.subarray(0, 1), payload.subarray(1)])
          }
        }))
        const sent = payloads.flatMap((payload) => [payload, payload, payload.subarray(0, 1), payload.subarray(1)])
        expectMessages(decode(role, yield* Fiber.join(taking)), sent)
      }))
  }

  it.live("what waits for a slow peer is as it was, whatever it and others are sent", () =>
    Effect.gen(function*() {
      const connect = Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        return { peer, ws: yield* Websocket.make(yield* make(ours, { role: "server" })) }
      })
      const [slow, quick] = [yield* connect, yield* connect]
      const taking = yield* Effect.forkChild(takeAll(quick.peer))
      const sent = new Map<typeof slow, Array<Uint8Array>>([[slow, []], [quick, []]])
      let count = 0
      // Each in a turn of its own, so that each goes alone. Answers whether all had room.
      const send = Effect.fnUntraced(function*(receivers: ReadonlyArray<typeof slow>) {
        const message = Message.binary(new Uint8Array(3000).fill(count++))
        let hasRoom = true
        for (const receiver of receivers) {
          const sending = yield* Effect.forkChild(receiver.ws.send(message), { startImmediately: true })
          if (sending.pollUnsafe() !== undefined) {
            sent.get(receiver)!.push(message.payload)
          } else {
            hasRoom = false
            yield* Fiber.interrupt(sending)
          }
        }
        yield* turn
        return hasRoom
      })
      const turns = [[slow, quick], [slow], [quick], [quick, slow]]
      while (yield* send(turns[count % turns.length]!)) { /* until the slow one is full */ }
      for (let i = 0; i < 20; i++) yield* send([quick])

      const takingSlow = yield* Effect.forkChild(takeAll(slow.peer))
      for (const { peer } of [slow, quick]) peer.write(encode("server", Frame.make(Opcode.Close, new Uint8Array(0))))
      for (const [receiver, bytes] of [[quick, taking], [slow, takingSlow]] as const) {
        expectMessages(decode("server", yield* Fiber.join(bytes)), sent.get(receiver)!)
      }
    }))
})
