/** RFC 6455 5.5.2 and 5.5.3: pings and pongs (Autobahn 2.x). */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { assertFrames, type Case, closeByPeer, protocolError, suite } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"
import type { Chop } from "../support/rawPeer.ts"

const ping = (payload: string | Uint8Array = ""): Raw.Shape => ({ opcode: Raw.ping, payload })
const pong = (payload: string | Uint8Array = ""): Raw.Shape => ({ opcode: Raw.pong, payload })

const answered = (name: string, payloads: ReadonlyArray<string | Uint8Array>, chop?: Chop): Case => ({
  name,
  send: payloads.map(ping),
  answers: payloads.map(pong),
  ...(chop === undefined ? {} : { chop })
})

const noText = Buffer.from([0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff])
const longest = Buffer.alloc(125, 0xfe)
const ten = Array.from({ length: 10 }, (_, i) => `payload-${i}`)

describe("pings", () => {
  suite([
    answered("RFC 6455 5.5.2, Autobahn 2.1: a ping without a payload", [""]),
    answered("RFC 6455 5.5.2, Autobahn 2.2: a ping with a text", ["Hello, world!"]),
    answered("RFC 6455 5.5.2, Autobahn 2.3: a ping with bytes that are no text", [noText]),
    answered("RFC 6455 5.5.2, Autobahn 2.4: a ping of 125 bytes", [longest]),
    {
      name: "RFC 6455 5.5, Autobahn 2.5: a ping of 126 bytes",
      send: [ping(Buffer.alloc(126, 0xfe))],
      fails: protocolError("ControlTooLong")
    },
    answered("RFC 6455 5.5.2, Autobahn 2.6: a ping of 125 bytes, a byte at a time", [longest], 1),
    { name: "RFC 6455 5.5.3, Autobahn 2.7: a pong that nobody asked for", send: [pong()] },
    { name: "RFC 6455 5.5.3, Autobahn 2.8: a pong with a payload that nobody asked for", send: [pong("unsolicited")] },
    {
      name: "RFC 6455 5.5.3, Autobahn 2.9: a pong that nobody asked for, then a ping",
      send: [pong("unsolicited"), ping("our own")],
      answers: [pong("our own")]
    },
    answered("RFC 6455 5.5.2, Autobahn 2.10: ten pings", ten),
    answered("RFC 6455 5.5.2, Autobahn 2.11: ten pings, a byte at a time", ten, 1),
    {
      name: "RFC 6455 5.5, a pong of 126 bytes",
      send: [pong(Buffer.alloc(126))],
      fails: protocolError("ControlTooLong")
    },
    {
      name: "RFC 6455 5.5: a ping that announces 2^32 bytes",
      send: [{ opcode: Raw.ping, announced: 2n ** 32n }],
      fails: protocolError("ControlTooLong")
    }
  ])
})

describe("pings of ours", () => {
  inBothRoles((role) => {
    it.live("RFC 6455 5.5.2: a ping that is answered tells how long that took", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const rtt = yield* Effect.forkChild(opened.ws.ping(Buffer.from("are you there?")), { startImmediately: true })
        assertFrames([yield* opened.peer.frame], role, [ping("are you there?")])
        // None of these answers it.
        yield* opened.peer.send([pong(), pong("are you there"), { opcode: Raw.text, payload: "are you there?" }])
        assertFrames([yield* opened.peer.frame], role, [{ opcode: Raw.text, payload: "are you there?" }])
        assert.isUndefined(rtt.pollUnsafe())
        yield* opened.peer.send([pong("are you there?")])
        assert.isAbove(Duration.toMillis(yield* Fiber.join(rtt)), 0)
        yield* closeByPeer(opened, role)
      }))

    it.live("RFC 6455 5.5.3: a pong answers the pings before it, too", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const pings = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(ws.ping(), { startImmediately: true }))
        const [, second, third] = yield* peer.frames(3)
        yield* peer.send([pong(second!.payload), { opcode: Raw.text }])
        yield* peer.frame
        assert.deepStrictEqual(pings.map((fiber) => fiber.pollUnsafe() !== undefined), [true, true, false])
        yield* peer.send([pong(third!.payload)])
        yield* Fiber.joinAll(pings)
      }))

    it.live("RFC 6455 5.5.3: no pong is missed, however often the fiber that waits for it has to yield", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const answering = Effect.forever(Effect.flatMap(peer.frame, ({ payload }) => peer.send([pong(payload)])))
        yield* Effect.forkChild(answering)
        yield* Effect.replicateEffect(ws.ping(), 20).pipe(Effect.provideService(Scheduler.MaxOpsBeforeYield, 3))
      }))

    it.live("RFC 6455 5.5: a ping of 126 bytes is not sent, and the connection goes on", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const error = yield* Effect.flip(opened.ws.ping(new Uint8Array(126)))
        assert.strictEqual(error.reason._tag === "Encode" && error.reason.error.reason._tag, "ControlTooLong")
        yield* opened.peer.send([{ opcode: Raw.text, payload: "still here" }])
        assertFrames([yield* opened.peer.frame], role, [{ opcode: Raw.text, payload: "still here" }])
        yield* closeByPeer(opened, role)
      }))
  })
})
