/** One message to many: who is slow, or gone, or speaks otherwise, is no other's concern. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { noise } from "../../core/test/support/bytes.ts"
import { asText, decode } from "./support/frames.ts"
import { alone, eventually } from "./support/metrics.ts"
import * as Pairs from "./support/pairs.ts"
import { Scripted } from "./support/scripted.ts"
import { assertWaiting, make, park, takeBytes, turns } from "./support/streams.ts"
import { inPieces, scripted, streams, withoutTakeover, type Ws } from "./support/websockets.ts"

const texts = (duplex: Scripted): ReadonlyArray<string> => decode("server", duplex.sentBytes).map(asText)

const stalled = scripted(undefined, { stalled: true, highWaterMark: 1 })

describe("Websocket.broadcast", () => {
  for (
    const [name, message, opcode] of [
      ["a text", "Hello, é", Opcode.Text],
      ["bytes", Buffer.from("Hello, é"), Opcode.Binary],
      ["a text that was received", Message.text("Hello, é"), Opcode.Text],
      ["a binary message that was received", Message.binary(Buffer.from("Hello, é")), Opcode.Binary]
    ] as const
  ) {
    it.live(`sends ${name} to all`, () =>
      Effect.gen(function*() {
        const all = yield* Effect.all([scripted(), scripted(), scripted()])
        yield* Websocket.broadcast(all.map(({ ws }) => ws), message)
        yield* turns
        for (const { duplex } of all) {
          const frames = decode("server", duplex.sentBytes)
          assert.deepStrictEqual(frames.map((frame) => [frame.opcode, asText(frame)]), [[opcode, "Hello, é"]])
        }
      }))
  }

  for (const length of [0, 125, 126, 65_535, 65_536, 1_000_000]) {
    it.live(`sends ${length} bytes as they were, whatever becomes of them then`, () =>
      Effect.gen(function*() {
        const all = [yield* scripted(), yield* stalled]
        yield* all[1]!.ws.send("full")
        const bytes = noise(length, 1)
        const expected = bytes.slice()
        const sending = yield* park(Websocket.broadcast(all.map(({ ws }) => ws), bytes))
        bytes.fill(0)
        all[1]!.duplex.acceptAll()
        assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
        yield* turns
        for (const { duplex } of all) {
          assert.deepStrictEqual(Buffer.from(decode("server", duplex.sentBytes).at(-1)!.payload), Buffer.from(expected))
        }
      }))
  }

  for (const length of [1, 125, 126, 2048, 65_536]) {
    it.live(`what a receiver writes into its ${length} bytes no other sees, nor who gets the next ones`, () =>
      Effect.gen(function*() {
        // Each is given by reference what the other end writes.
        const pairs = yield* Effect.all([streams, streams])
        const servers = yield* Effect.forEach(pairs, ({ server }) => Websocket.make(server, { closeDeadline: 0 }))
        const clients = yield* Effect.forEach(pairs, ({ client }) => Websocket.make(client, { closeDeadline: 0 }))
        const message = Message.text("x".repeat(length))
        const ways = [
          Websocket.broadcast(servers, message),
          Effect.forEach(servers, ({ send }) => send(message)),
          Effect.forEach(servers, ({ send }) => send("x".repeat(length)))
        ]
        for (const way of [...ways, ...ways]) {
          yield* way
          for (const { receive } of clients) {
            const { payload } = yield* receive
            assert.strictEqual(Buffer.from(payload).toString(), "x".repeat(length))
            payload.fill(0)
          }
        }
      }))
  }

  it.live("sends to nobody where nobody is", () => Websocket.broadcast([], "Hello"))

  it.live("masks it for a server, as for nobody else", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      const client = yield* Websocket.make(yield* make(duplex, { role: "client" }), { closeDeadline: 0 })
      const other = yield* scripted()
      yield* Websocket.broadcast([client, other.ws], "Hello")
      yield* turns
      assert.deepStrictEqual(decode("client", duplex.sentBytes).map(asText), ["Hello"])
      assert.deepStrictEqual(texts(other.duplex), ["Hello"])
    }))

  it.live("keeps nobody waiting for who has no room, and is done when all have it", () =>
    Effect.gen(function*() {
      const [slow, slower, quick] = [yield* stalled, yield* stalled, yield* scripted()]
      yield* slow.ws.send("full")
      yield* slower.ws.send("full")
      const sending = yield* park(Websocket.broadcast([slower.ws, slow.ws, quick.ws], "Hello"))
      yield* turns
      assert.deepStrictEqual([texts(quick.duplex), texts(slow.duplex)], [["Hello"], ["full"]])
      slow.duplex.acceptAll()
      yield* turns
      assert.deepStrictEqual([texts(slow.duplex), texts(slower.duplex)], [["full", "Hello"], ["full"]])
      yield* assertWaiting(sending)
      slower.duplex.acceptAll()
      assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
      yield* turns
      assert.deepStrictEqual(texts(slower.duplex), ["full", "Hello"])
    }))

  it.live("leaves a message to itself that is sent again: it is the same, whatever was sent in between", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const ws = yield* Websocket.make(stream, { closeDeadline: 0 })
      const message = Message.text("a".repeat(2000))
      const length = Frame.encodedLength(Frame.make(Opcode.Text, message.payload), false)
      // The bytes of each, once they have gone to the system, may be where the next one's are put together.
      for (const sent of [message, Buffer.alloc(2000, "b"), message]) {
        yield* ws.send(sent)
        const [frame] = decode("server", yield* takeBytes(peer, length))
        assert.strictEqual(asText(frame!), asText("payload" in sent ? sent : { payload: sent }))
      }
    }))

  it.live("leaves those out that had no room when it was interrupted", () =>
    Effect.gen(function*() {
      const [slow, quick] = [yield* stalled, yield* scripted()]
      yield* slow.ws.send("full")
      yield* Fiber.interrupt(yield* park(Websocket.broadcast([slow.ws, quick.ws], "Hello")))
      slow.duplex.acceptAll()
      yield* slow.ws.send("next")
      yield* turns
      assert.deepStrictEqual([texts(quick.duplex), texts(slow.duplex)], [["Hello"], ["full", "next"]])
    }))

  it.live("passes those over that have closed, or do while it waits for them", () =>
    Effect.gen(function*() {
      const [closed, slow, quick] = [yield* scripted(), yield* stalled, yield* scripted()]
      yield* Effect.forkChild(closed.ws.close(), { startImmediately: true })
      yield* slow.ws.send("full")
      const sending = yield* park(Websocket.broadcast([closed.ws, slow.ws, quick.ws], "Hello"))
      slow.duplex.destroy()
      assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
      yield* turns
      assert.deepStrictEqual(texts(quick.duplex), ["Hello"])
      assert.deepStrictEqual(decode("server", closed.duplex.sentBytes).map(({ opcode }) => opcode), [Opcode.Close])
    }))

  it.live("waits for the end of a message that is sent in pieces", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const { finish } = yield* inPieces(ws)
      const sending = yield* park(Websocket.broadcast([ws], "Hello"))
      yield* finish
      assert.deepStrictEqual(yield* Fiber.await(sending), Exit.void)
      yield* turns
      assert.deepStrictEqual(texts(duplex), ["1", "2", "", "Hello"])
    }))

  it.live("compresses for those who have agreed to it, unless it is small or not to be", () =>
    Effect.gen(function*() {
      const [deflating, plain] = [yield* scripted(withoutTakeover), yield* scripted()]
      const all = [deflating.ws, plain.ws]
      const long = "long ".repeat(1000)
      yield* Websocket.broadcast(all, long)
      yield* Websocket.broadcast(all, "short")
      yield* Websocket.broadcast(all, long, { compress: false })
      const { duplex, ws } = yield* scripted(withoutTakeover, { stalled: true, highWaterMark: 1 })
      yield* ws.send("full")
      const sending = yield* park(Websocket.broadcast([ws], long, { compress: false }))
      duplex.acceptAll()
      yield* Fiber.await(sending)
      yield* turns
      assert.deepStrictEqual(texts(duplex), ["full", long])
      assert.deepStrictEqual(decode("server", deflating.duplex.sentBytes, true).map(({ rsv1 }) => rsv1), [
        true,
        false,
        false
      ])
      assert.deepStrictEqual(texts(plain.duplex), [long, "short", long])
    }))

  it.live("goes by the `send` of whoever has one of its own", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const send: Ws["send"] = () => ws.send("changed")
      const changed: Ws = Object.create(ws, { send: { value: send } })
      yield* Websocket.broadcast([changed, ws], "Hello")
      yield* turns
      assert.sameMembers([...texts(duplex)], ["changed", "Hello"])
    }))

  it.live("lets others have their turn, however many there are", () =>
    Effect.gen(function*() {
      const { ws } = yield* scripted()
      let seen = 0
      const many = function*() {
        for (; seen < 3000; seen++) yield ws
      }
      const turnsAt = new Set<number>()
      const other = Effect.forever(Effect.sync(() => turnsAt.add(seen)))
      yield* Effect.forkChild(other, { startImmediately: true })
      yield* Websocket.broadcast(many(), "Hello")
      assert.includeMembers([...turnsAt], [1024, 2048])
    }))

  it.live("is counted as any message", () =>
    alone(Effect.gen(function*() {
      const all = yield* Effect.all([scripted({ metrics: true }), scripted({ metrics: true })])
      yield* Websocket.broadcast(all.map(({ ws }) => ws), "Hello")
      const { bytesSent } = yield* eventually(({ messagesSent }) => messagesSent === 2)
      assert.strictEqual(bytesSent, 10)
    })))

  it.live("dies of what is no message, before anybody has it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      // @ts-expect-error As a caller without types might write it.
      const exit = yield* Effect.exit(Websocket.broadcast([ws], 42))
      assert.isTrue(Exit.hasDies(exit))
      yield* turns
      assert.deepStrictEqual(duplex.flushes, [])
    }))
})
