import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Websocket from "@websocket-stream/node/Websocket"
import type { ReadError, WriteError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { randomBytes } from "node:crypto"
import { duplexPair } from "node:stream"
import { isCollected } from "../../core/test/support/garbage.ts"
import { asText, closeFrame, decode } from "./support/frames.ts"
import { reasonOf, turns } from "./support/streams.ts"
import { brief, scripted, streams } from "./support/websockets.ts"

/** A client that reads and writes frames, and a server that receives and sends messages. */
const withPeer = (options?: Websocket.Options) =>
  Effect.gen(function*() {
    const [near, far] = duplexPair()
    const server = yield* WebsocketStream.make(far, { role: "server" })
    const ws = yield* Websocket.make(server, options)
    // Last, so that it leaves first, and nobody waits for it to agree to close.
    return { ws, peer: yield* WebsocketStream.make(near, { role: "client" }) }
  })

const pair = Effect.gen(function*() {
  const { client, server } = yield* streams
  return { client: yield* Websocket.make(client), server: yield* Websocket.make(server) }
})

describe("Websocket", () => {
  it.effect("sends one payload as bytes and as text, each as what it is", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const payload = Buffer.from("the same")
      for (const opcode of [Opcode.Binary, Opcode.Text] as const) yield* ws.send(Message.fromPayload(opcode, payload))
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(({ opcode }) => opcode), [
        Opcode.Binary,
        Opcode.Text
      ])
      duplex.destroy()
    }))

  it.live("carries texts as texts and bytes as bytes, in order, and passes on what it received", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.sendAll(["h\u00e9", Uint8Array.of(1, 2), Message.text("again")])
      yield* Stream.runForEach(Stream.take(server.messages, 3), (message) => server.send(message))
      const back = yield* Stream.runCollect(Stream.take(client.messages, 3))
      assert.deepStrictEqual(back.map(({ _tag, payload }) => [_tag, Buffer.from(payload).toString("latin1")]), [
        ["Text", "h\u00c3\u00a9"],
        ["Binary", "\x01\x02"],
        ["Text", "again"]
      ])
    }))

  it.live("answers a ping while nobody receives, and the newest only if several wait", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer()
      yield* peer.write(Opcode.Text, "waits")
      yield* peer.write(Opcode.Ping, "1")
      const { opcode, payload } = yield* peer.read
      assert.deepStrictEqual([opcode, Buffer.from(payload).toString()], [Opcode.Pong, "1"])
      assert.strictEqual(asText(yield* ws.receive), "waits")
    }))

  it.live("measures a ping, and fails it with what the connection ended of", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      assert.isTrue(Duration.isGreaterThan(yield* client.ping(), Duration.zero))
      assert.isTrue(Duration.isGreaterThan(yield* client.ping(Uint8Array.of(1)), Duration.zero))
      const tooLong = yield* Effect.flip(client.ping(new Uint8Array(126)))
      assert.strictEqual(tooLong.reason._tag, "Encode")
      yield* server.close(4000)
      const ended = yield* Effect.flip(client.ping())
      assert.include(ended.reason, { _tag: "Closed", code: 4000 })
    }))

  it.live("takes a pong for all pings before it, too (RFC 6455 5.5.3)", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer(brief)
      const pinging = yield* Effect.forEach(["1", "2"], (payload) =>
        Effect.forkChild(ws.ping(Buffer.from(payload)), { startImmediately: true }))
      const pings = [yield* peer.read, yield* peer.read]
      yield* peer.writeAll([Frame.make(Opcode.Pong, pings[1]!.payload), closeFrame(4000)])
      yield* Fiber.joinAll(pinging)
    }))

  it.live("knows the pong by what the ping said, whatever becomes of the bytes that it was given", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer(brief)
      const payload = Buffer.from("mine")
      const pinging = yield* Effect.forkChild(ws.ping(payload), { startImmediately: true })
      const ping = yield* peer.read
      payload.fill(0)
      yield* peer.writeAll([Frame.make(Opcode.Pong, ping.payload), closeFrame(4000)])
      // Fails with the end where the pong was none.
      yield* Fiber.join(pinging)
    }))

  it.live("closes by agreement: both know what was said, and later sends say so", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const closed = yield* client.close(4001, "enough")
      assert.deepStrictEqual(closed, { code: 4001, reason: "enough" })
      for (const [ws, by] of [[server, "Peer"], [client, "Us"]] as const) {
        const failed: ReadonlyArray<Effect.Effect<unknown, ReadError | WriteError>> = [ws.receive, ws.send("late")]
        for (const failing of failed) {
          const { reason } = yield* Effect.flip(failing)
          assert.include(reason, { _tag: "Closed", by, code: 4001, reason: "enough", clean: true })
        }
      }
      const said = { code: 4001, reason: "enough" }
      for (const ws of [server, client]) {
        assert.deepStrictEqual(yield* ws.closed, { sent: said, received: said, clean: true })
      }
      // Again, it is the same end.
      assert.deepStrictEqual(yield* client.close(1000), closed)
      assert.deepStrictEqual(yield* Stream.runCollect(server.messages), [])
    }))

  it.live("fails the connection by RSV1 where it does not compress, whatever its stream lets pass", () =>
    Effect.gen(function*() {
      const [near, far] = duplexPair()
      const ws = yield* Effect.flatMap(WebsocketStream.make(far, { role: "server", rsv1: true }), Websocket.make)
      const peer = yield* WebsocketStream.make(near, { role: "client", rsv1: true })
      yield* peer.writeAll([Frame.make(Opcode.Binary, Uint8Array.of(1), { rsv1: true })])
      const { reason } = yield* Effect.flip(ws.receive)
      assert.deepInclude(reason._tag === "Protocol" && reason.error.reason, { _tag: "ReservedBits" })
      assert.strictEqual((yield* peer.read).opcode, Opcode.Close)
    }))

  it.live("dies of a message that is none, whatever its size, and stays open", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      for (const length of [1, 100_000]) {
        const wrong = Object.assign(Message.binary(new Uint8Array(0)), { payload: "x".repeat(length) })
        assert.isTrue(Exit.hasDies(yield* Effect.exit(server.send(wrong))))
      }
      yield* server.send("still here")
      assert.strictEqual(asText(yield* client.receive), "still here")
    }))

  it.live("dies of what JSON.stringify makes of nothing, and says what a message is", () =>
    Effect.gen(function*() {
      const { server } = yield* pair
      const expected = yield* Effect.exit(Effect.die(new TypeError("a message must be a string, bytes or a Message")))
      assert.deepStrictEqual(yield* Effect.exit(server.send(JSON.stringify(undefined))), expected)
      assert.deepStrictEqual(yield* Effect.exit(server.sendAll([JSON.stringify(undefined)])), expected)
    }))

  it.live("knows what it said itself to a peer that broke the protocol, or broke off", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer()
      const closed = yield* Effect.forkChild(ws.closed, { startImmediately: true })
      yield* peer.write(Opcode.Continuation, "of nothing")
      const { clean, received, sent } = yield* Fiber.join(closed)
      assert.deepStrictEqual([sent?.code, received.code, clean], [1002, 1006, false])
      // Nor is what it sends then said to have met a clean end.
      const refused = yield* reasonOf(ws.send("late"))
      assert.deepInclude(refused, { _tag: "Closed", by: "Peer", code: 1006, clean: false, truncated: false })
      const other = yield* Scope.make()
      const { ws: left } = yield* Effect.gen(function*() {
        const [near, far] = duplexPair()
        yield* Scope.provide(WebsocketStream.make(near, { role: "client" }), other)
        return { ws: yield* Effect.flatMap(WebsocketStream.make(far, { role: "server" }), Websocket.make) }
      })
      yield* Scope.close(other, Exit.void)
      assert.deepInclude(yield* left.closed, { sent: undefined, clean: false })
    }))

  it.live("refuses what may not be said in a Close frame, and stays open", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      for (const [code, reason] of [[1006, ""], [999, ""], [1000, "x".repeat(124)]] as const) {
        assert.strictEqual((yield* Effect.flip(client.close(code, reason))).reason._tag, "Encode")
      }
      yield* client.send("still here")
      assert.strictEqual(asText(yield* server.receive), "still here")
    }))

  it.live("answers the messages ahead of a Close frame before it closes", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer()
      yield* Effect.forkScoped(Stream.runForEach(ws.messages, (message) => ws.send(message)))
      yield* peer.writeAll([
        Frame.make(Opcode.Text, Buffer.from("1")),
        Frame.make(Opcode.Text, Buffer.from("2")),
        closeFrame(1000)
      ])
      const answers = [yield* peer.read, yield* peer.read, yield* peer.read]
      assert.deepStrictEqual(answers.map(({ opcode }) => opcode), [Opcode.Text, Opcode.Text, Opcode.Close])
    }))

  for (
    const [how, code, exit] of [
      ["well", 1000, Exit.void],
      ["by interruption", 1001, Exit.interrupt()],
      ["by failure", 1011, Exit.fail("failed")],
      ["by a defect", 1011, Exit.die("died")],
      ["by failure and interruption", 1011, Exit.failCause(Cause.combine(Cause.fail("failed"), Cause.interrupt()))]
    ] as const
  ) {
    it.live(`says ${code} when its scope ends ${how}`, () =>
      Effect.gen(function*() {
        const { client: peer, server } = yield* streams
        const scope = yield* Scope.make()
        yield* Scope.provide(Websocket.make(server, brief), scope)
        const frame = yield* Effect.forkChild(Effect.tap(peer.read, () => peer.writeAll([closeFrame(code)])))
        yield* Effect.forkChild(Scope.close(scope, exit))
        const { opcode, payload } = yield* Fiber.join(frame)
        assert.deepStrictEqual([opcode, ...payload], [Opcode.Close, ...closeFrame(code).payload])
      }))
  }

  it.live("drops what still comes when it has closed, unless somebody waits for it", () =>
    Effect.gen(function*() {
      for (const [waits, expected] of [[true, "late"], [false, "Closed"]] as const) {
        const { peer, ws } = yield* withPeer(brief)
        const receiving = waits ? yield* Effect.forkChild(ws.receive, { startImmediately: true }) : undefined
        const closing = yield* Effect.forkChild(ws.close(4000), { startImmediately: true })
        assert.strictEqual((yield* peer.read).opcode, Opcode.Close)
        const late = Frame.make(Opcode.Text, Buffer.from("late"))
        yield* peer.writeAll([late, closeFrame(4000)])
        yield* Fiber.join(closing)
        const received = receiving === undefined ? ws.receive : Fiber.join(receiving)
        const outcome = yield* received.pipe(
          Effect.match({ onFailure: ({ reason }) => reason._tag, onSuccess: asText })
        )
        assert.strictEqual(outcome, expected)
      }
    }))

  it.live("compresses by what it has sent before, where the context is taken over", () =>
    Effect.gen(function*() {
      for (const serverNoContextTakeover of [false, true]) {
        const deflate = { ...PermessageDeflate.defaults, serverNoContextTakeover }
        const [near, far] = duplexPair()
        const server = yield* WebsocketStream.make(far, { role: "server", rsv1: true })
        const ws = yield* Websocket.make(server, { ...brief, deflate })
        const peer = yield* WebsocketStream.make(near, { role: "client", rsv1: true })
        const noise = randomBytes(4096)
        yield* ws.send(noise)
        yield* ws.send(noise)
        const [first, second] = [yield* peer.read, yield* peer.read]
        assert.isAbove(first.payload.length, 4000)
        assert.strictEqual(second.payload.length < 200, !serverNoContextTakeover)
      }
    }))

  it.live("copies the bytes that it sends, however many there are, and sends what they are at the time", () =>
    Effect.gen(function*() {
      for (const size of [1, 1000, 100_000]) {
        const { client, server } = yield* pair
        const bytes = new Uint8Array(size)
        for (const ws of [client, server]) {
          const other = ws === client ? server : client
          const receiving = yield* Effect.forkChild(Stream.runCollect(Stream.take(other.messages, 2)))
          yield* ws.send(bytes.fill(1))
          yield* ws.send(bytes.fill(2))
          bytes.fill(3)
          const received = yield* Fiber.join(receiving)
          assert.deepStrictEqual(received.map(({ payload }) => [...new Set(payload)]), [[1], [2]])
        }
      }
    }))

  it.effect("waits for a silent peer until the close deadline, and then says 1006", () =>
    Effect.gen(function*() {
      const { ws } = yield* withPeer({ closeDeadline: "3 seconds" })
      const closing = yield* Effect.forkChild(ws.close(), { startImmediately: true })
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      // Who began were we, whoever asks.
      assert.deepInclude(yield* reasonOf(ws.send("late")), { _tag: "Closed", by: "Us", code: 1006, clean: false })
      assert.strictEqual((yield* Fiber.join(closing)).code, 1006)
    }))

  it.live("fails whoever receives as soon as its scope closes, before the peer has agreed to close", () =>
    Effect.gen(function*() {
      const { client: peer, server } = yield* streams
      const scope = yield* Scope.make()
      const ws = yield* Scope.provide(Websocket.make(server, brief), scope)
      const receiving = yield* Effect.forkChild(Effect.flip(ws.receive), { startImmediately: true })
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      const { reason } = yield* Fiber.join(receiving)
      assert.deepStrictEqual(reason._tag === "Closed" && [reason.by, reason.clean], ["Us", false])
      // Closing goes on all the same.
      assert.strictEqual((yield* peer.read).opcode, Opcode.Close)
      yield* peer.writeAll([closeFrame(1000)])
      yield* Fiber.join(closing)
    }))

  it.live("keeps nothing that was taken, however long the queue is never empty", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* withPeer()
      // They have come once the ping behind them is answered.
      const send = (from: number) => {
        const texts = Arr.map(Arr.make(from, from + 1), (n) => Frame.make(Opcode.Text, Buffer.from(`${n}`)))
        return Effect.andThen(peer.writeAll([...texts, Frame.make(Opcode.Ping, new Uint8Array(0))]), peer.read)
      }
      yield* send(0)
      yield* send(2)
      const taken: Array<WeakRef<Message.Message>> = []
      for (let n = 0; n < 1000; n++) {
        const message = yield* ws.receive
        assert.strictEqual(asText(message), `${n}`)
        taken.push(new WeakRef(message))
        if (n % 2 === 0) yield* send(n + 4)
      }
      assert.isTrue(yield* isCollected(taken[0]!))
    }))

  it.live("sends a message in pieces, and closes with 1011 when they end in the middle", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.sendStream("text", Stream.make("a", "b", "c"))
      yield* client.sendStream("binary", Stream.empty)
      assert.strictEqual(asText(yield* server.receive), "abc")
      assert.strictEqual((yield* server.receive).payload.length, 0)
      const failing = Stream.concat(Stream.make("begun"), Stream.fail("broken"))
      assert.strictEqual(yield* Effect.flip(client.sendStream("text", failing)), "broken")
      const { reason } = yield* Effect.flip(server.receive)
      assert.include(reason, { _tag: "Closed", by: "Peer", code: 1011 })
    }))

  it.live("keeps other messages out of one that is sent in pieces", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const pieces = Stream.make("1", "2", "3").pipe(Stream.tap(() => Effect.yieldNow))
      yield* Effect.all([client.sendStream("text", pieces), client.send("x"), client.sendStream("text", pieces)], {
        concurrency: "unbounded"
      })
      const received = yield* Stream.runCollect(Stream.take(server.messages, 3))
      assert.sameMembers(received.map(asText), ["123", "x", "123"])
    }))
})
