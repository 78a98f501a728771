import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import type { ReadError } from "@websocket-stream/node/WebsocketError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as TestClock from "effect/testing/TestClock"
import * as net from "node:net"
import { asText, closeFrame, encode, text } from "./support/frames.ts"
import { request } from "./support/http.ts"
import { alone, eventually, metered } from "./support/metrics.ts"
import { knock, logging, type Options, servingByNode, turn, until } from "./support/server.ts"
import { event, reasonOf, takeAll, takeBytes } from "./support/streams.ts"

type Ws = Websocket.Websocket["Service"]

/** A server that tells of each connection: its `Websocket`, its socket, and what the handler's use of it ends of. */
const watched = Effect.fnUntraced(function*(
  options: Options,
  use: (ws: Ws, over: Effect.Effect<void>) => Effect.Effect<unknown, ReadError> = (ws) => Effect.forever(ws.receive)
) {
  const over = yield* Deferred.make<void>()
  const opened = yield* Queue.unbounded<{
    readonly ws: Ws
    readonly socket: net.Socket
    readonly ended: Deferred.Deferred<unknown, ReadError>
  }>()
  const server = yield* servingByNode((ws, socket) =>
    Effect.gen(function*() {
      const ended = yield* Deferred.make<unknown, ReadError>()
      yield* Queue.offer(opened, { ws, socket, ended })
      return yield* Deferred.into(use(ws, Deferred.await(over)), ended)
    }), options)
  // Or its draining would wait for a clock that stands still.
  yield* Effect.addFinalizer(() => Deferred.succeed(over, undefined))
  return { ...server, opened: Queue.take(opened) }
})

const timedOut = { _tag: "Io", code: "ETIMEDOUT" } as const

describe("R26: how long a peer may be silent", () => {
  it.effect("it is cut at the deadline, and receive fails with the reason Io, of code ETIMEDOUT", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ idleDeadline: "75 seconds" })
      const { socket } = yield* knock(port)
      const { ended } = yield* opened
      yield* TestClock.adjust("74 seconds")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      yield* TestClock.adjust("1 second")
      const reason = yield* reasonOf(Deferred.await(ended))
      assert.deepInclude(reason, timedOut)
      assert.include(reason._tag === "Io" && reason.cause.message, "the peer was silent for 1m 15s")
      yield* takeAll(socket)
    }))

  it.effect("what it sends begins the time anew, be it half a frame", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ idleDeadline: "75 seconds" })
      const peer = yield* knock(port)
      const { ended, socket } = yield* opened
      const frame = encode("server", text("Hello"))
      for (const byte of frame.slice(0, -1)) {
        yield* TestClock.adjust("70 seconds")
        const before = socket.bytesRead
        peer.socket.write(Uint8Array.of(byte))
        yield* until(() => socket.bytesRead > before)
      }
      // Seen by the next look, and not before.
      yield* TestClock.adjust("75 seconds")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      yield* TestClock.adjust("5 seconds")
      assert.deepInclude(yield* reasonOf(Deferred.await(ended)), timedOut)
    }))

  it.effect("who lowers the deadline has pings go in time for it, unless told otherwise", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched({ idleDeadline: "10 seconds" })
      const stream = yield* WebsocketClient.connectStream(url)
      yield* opened
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* stream.read).opcode, Opcode.Ping)
    }))

  it.effect("who wants fewer pings than that gets none before the deadline", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ idleDeadline: "10 seconds", heartbeat: "20 seconds" })
      yield* knock(port)
      const { ended, socket } = yield* opened
      const before = socket.bytesWritten
      yield* TestClock.adjust("9 seconds")
      yield* turn
      assert.strictEqual(socket.bytesWritten, before)
      yield* TestClock.adjust("1 second")
      assert.deepInclude(yield* reasonOf(Deferred.await(ended)), timedOut)
    }))

  it.effect("one that answers pings stays", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched({}, (ws) => ws.receive)
      const ws = yield* WebsocketClient.connect(url)
      const { ended, socket } = yield* opened
      for (let beat = 0; beat < 10; beat++) {
        const before = socket.bytesRead
        yield* TestClock.adjust("30 seconds")
        yield* until(() => socket.bytesRead > before)
      }
      yield* ws.send("still here")
      yield* Deferred.await(ended)
    }))

  it.effect("one whose messages nobody receives is not taken for silent", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { opened, url } = yield* watched(
        { receiveBuffer: 1 },
        (ws) => Effect.andThen(Deferred.await(gate), Effect.all([ws.receive, ws.receive]))
      )
      const ws = yield* WebsocketClient.connect(url)
      yield* ws.sendAll(["one", "two"])
      const { ended, socket } = yield* opened
      yield* until(() => socket.isPaused())
      yield* TestClock.adjust("10 minutes")
      assert.isFalse(socket.destroyed)
      yield* Deferred.succeed(gate, undefined)
      yield* Deferred.await(ended)
    }))

  it.effect("a deadline without an end is none", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({
        idleDeadline: Duration.infinity,
        heartbeat: Duration.infinity,
        // Or there would be a look every other second.
        closeDeadline: "60 days",
        handshakeDeadline: "60 days",
        handlerDeadline: Duration.infinity
      })
      const peer = yield* knock(port)
      const { ended, socket } = yield* opened
      // There is no maximum life where none is given.
      yield* TestClock.adjust("600 days")
      peer.socket.write(encode("server", text("Hello")))
      yield* until(() => socket.bytesRead > request().length)
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      // Not even a ping.
      assert.strictEqual(peer.socket.readableLength, 0)
    }))

  it.effect("a clock that is set makes nobody silent, and nobody heard", () =>
    Effect.gen(function*() {
      const clock = yield* Clock.Clock
      let ahead = Duration.toNanosUnsafe("1 day")
      const wall = () => clock.currentTimeNanosUnsafe() + ahead
      const set = Object.assign(Object.create(clock), {
        currentTimeNanosUnsafe: wall,
        currentTimeNanos: Effect.sync(wall)
      })
      const { opened, port } = yield* Effect.provideService(watched({}), Clock.Clock, set)
      yield* knock(port)
      const { ended } = yield* opened
      ahead = Duration.toNanosUnsafe("2 days")
      yield* TestClock.adjust("20 seconds")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      yield* TestClock.adjust("60 seconds")
      assert.deepInclude(yield* reasonOf(Deferred.await(ended)), timedOut)
    }))

  it.effect("one that has closed is not silent while what it said before waits to be received: it gets its answer", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched({ idleDeadline: "1 second", closeDeadline: "1 minute" }, (_, over) => over)
      const stream = yield* WebsocketClient.connectStream(url)
      const { ws } = yield* opened
      yield* stream.writeAll([
        Frame.make(Opcode.Text, Buffer.from("waits")),
        Frame.make(Opcode.Ping, Buffer.from("was read")),
        closeFrame(4000)
      ])
      assert.strictEqual((yield* stream.read).opcode, Opcode.Pong)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(asText(yield* ws.receive), "waits")
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", by: "Peer", code: 4000 })
      assert.strictEqual((yield* stream.read).opcode, Opcode.Close)
    }))
})

describe("A heartbeat", () => {
  it.effect("comes as often as it is to, and measures the round trip", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched({ heartbeat: "20 seconds" })
      const stream = yield* WebsocketClient.connectStream(url)
      const { ws } = yield* opened
      assert.deepStrictEqual(yield* ws.roundTrip, Option.none())
      let waited = 0
      for (const seconds of [3, 1]) {
        yield* TestClock.adjust(Duration.seconds(20 - waited))
        waited = seconds
        const ping = yield* stream.read
        assert.strictEqual(ping.opcode, Opcode.Ping)
        yield* TestClock.adjust(Duration.seconds(seconds))
        yield* stream.writeAll([Frame.make(Opcode.Pong, ping.payload)])
        const measured = (roundTrip: Option.Option<Duration.Duration>) =>
          Option.isSome(roundTrip) && Duration.toSeconds(roundTrip.value) === seconds
        while (!measured(yield* ws.roundTrip)) yield* turn
      }
    }))

  it.effect("is the same until it is answered: what is written to a peer that is gone tells so, where nobody reads", () =>
    alone(Effect.gen(function*() {
      const { opened, url } = yield* watched({ ...metered, heartbeat: "20 seconds", idleDeadline: "5 minutes" })
      const stream = yield* WebsocketClient.connectStream(url)
      const { ws } = yield* opened
      const pings: Array<string> = []
      for (let beat = 0; beat < 3; beat++) {
        yield* TestClock.adjust("20 seconds")
        pings.push(asText(yield* stream.read))
      }
      assert.deepStrictEqual(pings, ["1", "1", "1"])
      yield* stream.write(Opcode.Pong, "1")
      while (Option.isNone(yield* ws.roundTrip)) yield* turn
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(asText(yield* stream.read), "2")
      // Of what was asked three times there is one answer, and nothing is left that waits for another.
      yield* stream.write(Opcode.Pong, "2")
      const { roundTrips } = yield* eventually(({ roundTrips }) => roundTrips > 1)
      assert.strictEqual(roundTrips, 2)
      // Nor is the end of the connection one.
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(asText(yield* stream.read), "3")
      yield* stream.writeAll([closeFrame(1000)])
      assert.strictEqual((yield* eventually(({ open }) => open === 0)).roundTrips, 2)
    })))
})

describe("R26: how long the closing handshake may take", () => {
  /** A peer that sends what makes us end our side, and keeps its own side open. */
  const lingering = Effect.fnUntraced(function*(bytes: Uint8Array) {
    const { opened, port } = yield* watched({ closeDeadline: "5 seconds" }, (_, over) => over)
    const peer = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    yield* Effect.addFinalizer(() => Effect.sync(() => peer.destroy()))
    peer.write(request())
    const { socket } = yield* opened
    peer.write(bytes)
    yield* event(peer.resume(), "end")
    return { socket }
  })

  it.effect("a peer that never answers our Close frame is cut at the deadline", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ closeDeadline: "5 seconds" }, () => Effect.void)
      const peer = yield* knock(port)
      const { socket } = yield* opened
      assert.deepStrictEqual([...(yield* takeBytes(peer.socket, 4))], [0x88, 2, 0x03, 0xe8])
      yield* TestClock.adjust("4999 millis")
      assert.isFalse(socket.destroyed)
      yield* TestClock.adjust("1 millis")
      yield* until(() => socket.destroyed)
    }))

  it.effect("so is one that has had its answer and goes on holding TCP, though the handler goes on, too", () =>
    Effect.gen(function*() {
      const { socket } = yield* lingering(encode("server", closeFrame(1000)))
      yield* TestClock.adjust("4 seconds")
      assert.isFalse(socket.destroyed)
      yield* TestClock.adjust("6 seconds")
      yield* until(() => socket.destroyed)
    }))

  it.effect("one that closes behind a message that no handler receives is answered at the deadline, and cut at the next", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ closeDeadline: "5 seconds" }, (_, over) => over)
      const peer = yield* knock(port)
      const { socket, ws } = yield* opened
      peer.socket.write(encode("server", text("unread"), closeFrame(4001)))
      yield* until(() => socket.bytesRead >= 24)
      yield* ws.send("Hello")
      yield* TestClock.adjust("5 seconds")
      yield* TestClock.adjust("2500 millis")
      assert.deepInclude(yield* reasonOf(ws.send("too late")), { _tag: "Closed", code: 4001 })
      yield* TestClock.adjust("10 seconds")
      yield* until(() => socket.destroyed)
    }))

  it.effect("and one that broke the protocol and does not leave", () =>
    Effect.gen(function*() {
      // Not masked.
      const { socket } = yield* lingering(encode("client", text("Hello")))
      yield* TestClock.adjust("10 seconds")
      yield* until(() => socket.destroyed)
    }))
})

describe("How long a handler may go on when its connection has ended", () => {
  const shortly = Effect.andThen(TestClock.adjust("1 second"), turn)

  it.effect("it is interrupted at the deadline, though it never received, and another has its place", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const { opened, port } = yield* watched(
          { maxConnections: 1, handlerDeadline: "2 minutes", closeDeadline: "2 seconds" },
          (_, over) => over
        )
        const peer = yield* knock(port)
        const { ended, socket } = yield* opened
        peer.socket.end(encode("server", text("unread")))
        while (!socket.destroyed) yield* shortly
        for (let second = 0; second < 100; second++) yield* shortly
        assert.isFalse(Deferred.isDoneUnsafe(ended))
        while (!Deferred.isDoneUnsafe(ended)) yield* shortly
        assert.isTrue(Exit.hasInterrupts(yield* Effect.exit(Deferred.await(ended))))
        const next = net.connect(port, "127.0.0.1")
        yield* Effect.addFinalizer(() => Effect.sync(() => next.destroy()))
        next.write(request())
        yield* opened
        assert.deepStrictEqual(logs.map(({ level }) => level), ["Warn"])
        assert.include(logs[0]?.message, "it went on for handlerDeadline when its connection had ended")
      })
    ))

  it.effect("one that still receives what came before has its time from the last of it", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched(
        { handlerDeadline: "4 minutes" },
        (ws) => Effect.forever(Effect.andThen(ws.receive, Effect.sleep("3 minutes")))
      )
      const ws = yield* WebsocketClient.connect(url, { closeDeadline: "1 second" })
      yield* ws.sendAll(["one", "two", "three"])
      const { ended, socket } = yield* opened
      yield* Effect.forkScoped(ws.close(4000))
      while (!socket.destroyed) yield* shortly
      while (!Deferred.isDoneUnsafe(ended)) yield* Effect.andThen(TestClock.adjust("10 seconds"), turn)
      assert.strictEqual((yield* reasonOf(Deferred.await(ended)))._tag, "Closed")
    }))

  it.effect("for ever, if it is to", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ handlerDeadline: Duration.infinity }, (_, over) => over)
      const peer = yield* knock(port)
      const { ended, socket } = yield* opened
      peer.socket.end()
      while (!socket.destroyed) yield* shortly
      yield* TestClock.adjust("10 hours")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
    }))
})

describe("How long a connection may live", () => {
  it.effect("to its end it is closed with 1001, and the peer is told why", () =>
    Effect.gen(function*() {
      const { opened, url } = yield* watched({ maxLife: "1 hour", heartbeat: "1 hour", idleDeadline: "1 day" })
      const ws = yield* WebsocketClient.connect(url)
      const { ended, socket } = yield* opened
      yield* TestClock.adjust("30 minutes")
      // Which gets it no more time.
      const before = socket.bytesRead
      yield* ws.send("still here")
      yield* until(() => socket.bytesRead > before)
      yield* TestClock.adjust("29 minutes")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      yield* TestClock.adjust("1 minute")
      assert.deepInclude(yield* reasonOf(ws.receive), {
        _tag: "Closed",
        by: "Peer",
        code: 1001,
        reason: "the connection has reached its maximum life",
        clean: true
      })
      assert.deepInclude(yield* reasonOf(Deferred.await(ended)), { _tag: "Closed", by: "Us", code: 1001 })
    }))

  it.effect("a peer that does not want to know is cut then, when it has had its time to answer", () =>
    Effect.gen(function*() {
      const { opened, port } = yield* watched({ maxLife: "1 hour", idleDeadline: "1 day" })
      yield* knock(port)
      const { ended } = yield* opened
      yield* TestClock.adjust("1 hour")
      yield* TestClock.adjust("4 seconds")
      assert.isFalse(Deferred.isDoneUnsafe(ended))
      yield* TestClock.adjust("6 seconds")
      const reason = yield* reasonOf(Deferred.await(ended))
      assert.deepInclude(reason, timedOut)
      assert.include(reason._tag === "Io" && reason.cause.message, "the peer did not close for 5s")
    }))
})
