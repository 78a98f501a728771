import { Close, CloseCode } from "@websocket-stream/core"
import type { Websocket } from "@websocket-stream/node"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import { BadMessage, decode, encode } from "./protocol.ts"
import * as Room from "./room.ts"
import * as Traffic from "./traffic.ts"

/** What all connections share. A room is there from its first member to its last. */
export class Chat extends Context.Service<Chat, {
  readonly traffic: Traffic.Traffic
  readonly rooms: RcMap.RcMap<string, Room.Room>
}>()("examples/Chat") {
  static readonly layer = Layer.effect(
    Chat,
    Effect.gen(function*() {
      const traffic = yield* Traffic.make
      const rooms = yield* RcMap.make({ lookup: (_name: string) => Room.make(traffic) })
      return { traffic, rooms }
    })
  )
}

/** How long who connects may take to say who it is. */
const joinDeadline: Duration.Input = "10 seconds"

/** One connection, from its `Join` to its end. Who sends what it may not is closed, and told why. */
export const talk = (ws: Websocket.Websocket["Service"]) =>
  Effect.gen(function*() {
    const { rooms, traffic } = yield* Chat
    yield* traffic.connected
    const { name, room: roomName } = yield* joining(ws)
    const room = yield* RcMap.get(rooms, roomName)
    const { heard, member } = yield* room.join(name)
    yield* ws.send(encode(room.welcome(member, traffic.history)))

    const speak = ws.runForEach((message) =>
      Effect.gen(function*() {
        const said = yield* decode(message)
        if (said._tag === "Join") return yield* policyViolation("Expected Say, and got another Join")
        traffic.said()
        yield* room.say(member, said.text)
      })
    )
    // One after the other: `send` waits for a slow reader, and what it was not sent waits in the room.
    const hear = Effect.forever(Effect.flatMap(PubSub.take(heard), (message) => ws.send(message)))
    yield* Effect.raceFirst(speak, hear)
  }).pipe(
    // Out of the room first: who is closed may take its time to agree.
    Effect.scoped,
    Effect.catchTag("BadMessage", ({ code, problem }) => ws.close(code, Close.fitting(code, problem).reason))
  )

const joining = (ws: Websocket.Websocket["Service"]) =>
  Effect.gen(function*() {
    const message = yield* Effect.timeoutOrElse(ws.receive, {
      duration: joinDeadline,
      orElse: () => policyViolation("Expected a Join within 10 seconds")
    })
    const join = yield* decode(message)
    return join._tag === "Join" ? join : yield* policyViolation("Expected Join first, and got Say")
  })

const policyViolation = (problem: string) => Effect.fail(new BadMessage({ code: CloseCode.PolicyViolation, problem }))
