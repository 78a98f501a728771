/** The chat's server, as plain clients meet it: what it refuses, and what becomes of a reader that is too slow. */
import { assert, describe, it, layer } from "@effect/vitest"
import { CloseCode } from "@websocket-stream/core"
import { Websocket, WebsocketServer, WebsocketStream } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as RcMap from "effect/RcMap"
import * as TestClock from "effect/testing/TestClock"
import type { Socket } from "node:net"
import { duplexPair } from "node:stream"
import { Chat, talk } from "../examples/chat/chat.ts"
import { maxMessageSize, maxText, type Said } from "../examples/chat/protocol.ts"
import * as Room from "../examples/chat/room.ts"
import * as Traffic from "../examples/chat/traffic.ts"
import { ChatServer, dial, enter, wire } from "./support/chat.ts"
import { listen } from "./support/transports.ts"

const live = { excludeTestServices: true, timeout: "60 seconds" } as const

const join = (name: string) => wire({ _tag: "Join", room: "refusals", name })
const say = (text: string) => wire({ _tag: "Say", text })

layer(ChatServer.layer, live)("the chat's server", (it) => {
  it.effect.each(
    [
      ["no JSON", ["{"], CloseCode.PolicyViolation, /JSON/],
      ["what is no message", [`{"_tag":"Shout"}`], CloseCode.PolicyViolation, /Expected .*"Join"/],
      ["no name", [join("")], CloseCode.PolicyViolation, /a name of 1 to 32 characters.*"name"/],
      ["a name that is too long", [join("x".repeat(33))], CloseCode.PolicyViolation, /a name of 1 to 32 characters/],
      ["space around a name", [join(" Ada")], CloseCode.PolicyViolation, /without space around it/],
      ["a text before it has joined", [say("hello")], CloseCode.PolicyViolation, /^Expected Join first, and got Say$/],
      ["a text that is too long", [join("Ada"), say("x".repeat(maxText + 1))], 1008, /a text of 1 to 2000 characters/],
      ["a blank text", [join("Ada"), say(" ")], CloseCode.PolicyViolation, /a text of 1 to 2000 characters/],
      ["a second Join", [join("Ada"), join("Eve")], CloseCode.PolicyViolation, /^Expected Say, and got another Join$/],
      ["bytes", [new Uint8Array(2)], CloseCode.UnsupportedData, /^Expected a text, and got bytes$/],
      ["more than a message takes", ["x".repeat(maxMessageSize + 1)], CloseCode.MessageTooBig, /16384/]
    ] as const
  )("closes who sends %s", ([, messages, code, reason]) =>
    Effect.gen(function*() {
      const { peer } = yield* dial
      yield* peer.send(...messages)
      const closed = yield* peer.closed
      assert.strictEqual(closed.code, code)
      assert.match(closed.reason, reason)
    }))

  it.effect("takes the longest name and the longest text, of characters that JSON has to escape", () =>
    Effect.gen(function*() {
      const name = "\u{1f30d}".repeat(16)
      const ada = yield* enter(name, "long")
      const text = "\u0001".repeat(maxText)
      yield* ada.say(text)
      const said = yield* ada.hearNext("Said")
      assert.deepInclude(said, { number: 1, text, by: { id: 1, name } })
    }))

  it.effect("tells the others of a room, and of no other, who came and who went, however that was", () =>
    Effect.gen(function*() {
      const ada = yield* enter("Ada", "comings")
      const member = { id: 2, name: "Bob" }
      const bob = yield* enter("Bob", "comings")
      assert.deepStrictEqual(bob.welcome.members, [{ id: 1, name: "Ada" }, member])
      assert.deepStrictEqual((yield* ada.hearNext("Joined")).member, { id: 1, name: "Ada" })
      assert.deepStrictEqual((yield* ada.hearNext("Joined")).member, member)
      yield* enter("Eve", "elsewhere")
      // Without a Close frame.
      bob.socket.terminate()
      assert.deepStrictEqual((yield* ada.hearNext("Left")).member, member)
      const cleo = yield* enter("Cleo", "comings")
      assert.deepStrictEqual(cleo.welcome.members.map(({ name }) => name), ["Ada", "Cleo"])
    }))
})

describe("a reader that is too slow", () => {
  it.live(
    "misses the oldest, holds nobody up, and is held no more for than the room's buffer and a message",
    () =>
      Effect.gen(function*() {
        const { at, room, sockets } = yield* serve
        const slow = yield* at(enter("Slow", "crowd"))
        slow.socket.pause()
        const ada = yield* at(enter("Ada", "crowd"))
        const { feed } = yield* room("crowd")
        // Three bytes each in UTF-8: with 5,000 of them 30 MB, more than all that the system holds for a connection.
        const text = "\u20ac".repeat(maxText)
        let heard = 0
        let written = 0
        for (let batch = 0; batch < 50; batch++) {
          for (let i = 0; i < 100; i++) yield* ada.say(text)
          // Whoever reads gets every one.
          for (let i = 0; i < 100; i++) assert.strictEqual((yield* ada.hearNext("Said")).number, ++heard)
          assert.isAtMost(yield* PubSub.size(feed), Room.capacity)
          written = Math.max(written, sockets[0]!.writableLength)
        }
        assert.strictEqual(heard, 5000)
        assert.strictEqual(yield* PubSub.size(feed), Room.capacity)
        const aMessage = Buffer.byteLength(text) + 1024
        assert.isAtMost(written, sockets[0]!.writableHighWaterMark + aMessage)

        slow.socket.resume()
        const numbers: Array<number> = []
        while (numbers.at(-1) !== heard) numbers.push((yield* slow.hearNext("Said")).number)
        assert.isBelow(numbers.length, heard)
        assert.deepStrictEqual(numbers, numbers.toSorted((a, b) => a - b))
      }),
    60_000
  )
})

describe("a room", () => {
  it.effect("tells its members once a second how busy the server was, of which a minute is kept", () =>
    Effect.gen(function*() {
      const traffic = yield* Traffic.make
      const room = yield* Room.make(traffic)
      const { heard, member } = yield* room.join("Ada")
      yield* traffic.connected
      traffic.said()
      yield* room.say(member, "hello")
      yield* TestClock.adjust("1 second")
      const [joined, said, pulse] = (yield* PubSub.takeAll(heard)).map((text) => JSON.parse(text))
      assert.deepStrictEqual(joined, { _tag: "Joined", member: { id: 1, name: "Ada" } })
      assert.deepInclude(said satisfies Said, { number: 1, text: "hello", by: { id: 1, name: "Ada" } })
      const sample = { connections: 1, messages: 1 }
      assert.deepStrictEqual(pulse, { _tag: "Pulse", members: [{ id: 1, name: "Ada" }], sample })
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(room.welcome(member, traffic.history).history.map(({ messages }) => messages), [1, 0])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(traffic.history.length, Traffic.historyLength)
    }))

  it.effect("waits no longer than ten seconds to be told who it is", () =>
    Effect.gen(function*() {
      const [near, far] = duplexPair()
      const make = (socket: typeof near, role: "client" | "server") =>
        Effect.flatMap(WebsocketStream.make(socket, { role }), Websocket.make)
      const client = yield* make(near, "client")
      const server = yield* make(far, "server")
      const talking = yield* Effect.forkScoped(talk(server))
      yield* TestClock.adjust("9 seconds")
      assert.isUndefined(talking.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(talking)
      const { received } = yield* client.closed
      assert.deepStrictEqual(received, { code: 1008, reason: "Expected a Join within 10 seconds" })
    }).pipe(Effect.provide(Chat.layer)))
})

/** A chat whose rooms and sockets can be looked at. */
const serve = Effect.gen(function*() {
  const { address, server } = yield* listen("TCP")
  const sockets: Array<Socket> = []
  server.on("connection", (socket) => sockets.push(socket))
  const chat = yield* Layer.build(Chat.layer)
  const websockets = yield* WebsocketServer.attach(server, { limits: { maxMessageSize } })
  yield* Effect.forkScoped(Effect.provideContext(websockets.run(talk), chat))
  const room = (name: string) =>
    Effect.provideContext(Effect.flatMap(Chat, ({ rooms }) => RcMap.get(rooms, name)), chat)
  const at = Effect.provideService(ChatServer, { host: new URL(address.url).host })
  return { at, sockets, room }
})
