import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import * as Frame from "@websocket-stream/core/Frame"
import type * as Limits from "@websocket-stream/core/Limits"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { duplexPair } from "node:stream"
import { noise } from "../../core/test/support/bytes.ts"
import { asText, closeFrame, decode, encode } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { Scripted } from "./support/scripted.ts"
import { assertClosed, make, reasonOf, scripted as scriptedStream, turns } from "./support/streams.ts"
import { brief, deflated, scripted, streams, withoutTakeover, type Ws } from "./support/websockets.ts"

/** An end with limits of its own. */
const limited = Effect.fnUntraced(function*(role: Role, limits: Limits.Options) {
  const duplex = new Scripted()
  const ws = yield* Websocket.make(yield* make(duplex, { role, limits }), { closeDeadline: 0 })
  return { duplex, ws }
})

const begun = Frame.make(Opcode.Binary, new Uint8Array(75), { fin: false })

/** Which rule what the peer sent has broken, unless it is a message. */
const violationOf = ({ receive }: Ws) =>
  Effect.match(receive, {
    onFailure: ({ reason }) => reason._tag === "Protocol" ? reason.error.reason._tag : reason._tag,
    onSuccess: () => undefined
  })

describe("Websocket.make", () => {
  it.live("takes the stream over: its own operations fail with Busy, those that wait as well", () =>
    Effect.gen(function*() {
      const { client, server } = yield* streams
      const waiting = yield* Effect.forkChild(Effect.flip(server.read), { startImmediately: true })
      const running = yield* Effect.forkChild(Effect.flip(server.runForEach(() => Effect.void)), {
        startImmediately: true
      })
      const ws = yield* Websocket.make(server, brief)
      const reasons = [
        yield* Fiber.join(waiting),
        yield* Fiber.join(running),
        yield* Effect.flip(server.read),
        yield* Effect.flip(server.readAll),
        yield* Effect.flip(server.awaitReadable),
        yield* Effect.flip(server.write(Opcode.Text, "x")),
        yield* Effect.flip(server.writeAll([Frame.make(Opcode.Text, new Uint8Array(0))])),
        yield* Effect.flip(server.awaitWritable),
        yield* Effect.flip(server.setMode("NonBlock"))
      ].map(({ reason }) => reason._tag)
      assert.deepStrictEqual([...new Set(reasons)], ["Busy"])
      yield* client.write(Opcode.Text, "Hello")
      assert.strictEqual(asText(yield* ws.receive), "Hello")
    }))

  it.live("begins with what the stream had read already", () =>
    Effect.gen(function*() {
      const { client, server } = yield* streams
      yield* client.writeAll(Arr.map(Arr.make(1, 2, 3), (byte) => Frame.make(Opcode.Binary, Uint8Array.of(byte))))
      yield* server.awaitReadable
      const ws = yield* Websocket.make(server, brief)
      assert.strictEqual((yield* Effect.flip(server.read)).reason._tag, "Busy")
      const received = yield* Stream.runCollect(Stream.take(ws.messages, 3))
      assert.deepStrictEqual(received.map(({ payload }) => [...payload]), [[1], [2], [3]])
    }))

  for (const [kind, pair] of Pairs.kinds) {
    it.live(`may be made by a fiber that a frame has woken, and goes on with what comes next: ${kind}`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* pair
        const server = yield* WebsocketStream.make(ours, { role: "server" })
        const client = yield* WebsocketStream.make(peer, { role: "client" })
        const made = yield* Effect.forkChild(
          Effect.flatMap(server.read, () => Websocket.make(server, brief)),
          { startImmediately: true }
        )
        yield* client.write(Opcode.Text, "first")
        const ws = yield* Fiber.join(made)
        yield* client.write(Opcode.Text, "Hello")
        assert.strictEqual(asText(yield* ws.receive), "Hello")
      }).pipe(Effect.scoped))
  }

  it.live("is the only one, whoever is woken by its making and wants to take the stream, too", () =>
    Effect.gen(function*() {
      const { client, server } = yield* streams
      const other = yield* Effect.forkChild(
        Effect.flip(Effect.catchTag(server.read, "ReadError", () => Websocket.make(server, brief))),
        { startImmediately: true }
      )
      const ws = yield* Websocket.make(server, brief)
      assert.strictEqual((yield* Fiber.join(other)).option, "stream")
      yield* client.write(Opcode.Text, "Hello")
      assert.strictEqual(asText(yield* ws.receive), "Hello")
    }))

  it.live("tells writers that wait for room", () =>
    Effect.gen(function*() {
      const { server } = yield* streams
      yield* server.write(Opcode.Binary, new Uint8Array(1_000_000))
      const waiting = yield* Effect.forkChild(
        Effect.flip(server.write(Opcode.Text, "x")),
        { startImmediately: true }
      )
      yield* Websocket.make(server, brief)
      assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "Busy")
    }))

  for (const mode of ["Block", "NonBlock"] as const) {
    for (const hasWritten of [true, false]) {
      it.effect(`tells writers that come while there is no room: ${mode}, ${hasWritten ? "who wrote before" : "the first"}`, () =>
        Effect.gen(function*() {
          const duplex = new Scripted({ stalled: true, highWaterMark: 1 })
          const stream = yield* WebsocketStream.make(duplex, { role: "server", mode, linger: 0 })
          if (hasWritten) yield* stream.write(Opcode.Text, "before")
          const ws = yield* Websocket.make(stream, { closeDeadline: 0 })
          if (!hasWritten) yield* ws.send("before")
          const reasons = [
            yield* reasonOf(stream.write(Opcode.Text, "x")),
            yield* reasonOf(stream.writeAll([Frame.make(Opcode.Text, new Uint8Array(0))])),
            yield* reasonOf(stream.awaitWritable)
          ]
          assert.deepStrictEqual(reasons.map(({ _tag }) => _tag), ["Busy", "Busy", "Busy"])
        }))
    }
  }

  it.live("sends nothing behind a Close frame that was written before", () =>
    Effect.gen(function*() {
      const { client, server } = yield* streams
      yield* server.writeAll([closeFrame(4000)])
      const ws = yield* Websocket.make(server, brief)
      assert.strictEqual((yield* Effect.flip(ws.send("x"))).reason._tag, "Closed")
      assert.strictEqual((yield* client.read).opcode, Opcode.Close)
    }))

  it.effect("of a stream whose peer has ended its side waits for no more of it in the end", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      const stream = yield* WebsocketStream.make(duplex, { role: "server" })
      duplex.push(null)
      yield* Effect.flip(stream.read)
      const ws = yield* Effect.scoped(Websocket.make(stream))
      assert.deepInclude(yield* ws.closed, { sent: Close.make(1000), clean: false })
      assert.isTrue(duplex.writableEnded)
    }))

  it.live("ends where a reader that is told so closes the stream", () =>
    Effect.gen(function*() {
      const [near] = duplexPair()
      const scope = yield* Scope.make()
      const stream = yield* Scope.provide(WebsocketStream.make(near, { role: "server", linger: 0 }), scope)
      yield* Effect.forkChild(Effect.catch(stream.read, () => Scope.close(scope, Exit.void)), {
        startImmediately: true
      })
      const ws = yield* Websocket.make(stream, { closeDeadline: 0 })
      assert.deepInclude((yield* Effect.flip(ws.receive)).reason, { _tag: "Closed", by: "Us" })
      yield* ws.closed
    }))

  it.effect("of a stream that we have closed says so to who sends, and not that the peer has", () =>
    Effect.gen(function*() {
      const { stream } = yield* Effect.scoped(scriptedStream({ role: "server", linger: 0 }))
      const ws = yield* Websocket.make(stream, { closeDeadline: 0 })
      assertClosed(yield* reasonOf(ws.send("too late")), "Us")
    }))

  it.effect("each keeps to the limits of its own stream, whoever was made behind it", () =>
    Effect.gen(function*() {
      const bounds = [
        [{ maxMessageSize: 100 }, "MessageTooLarge"],
        [{ maxMessageSize: 200 }, undefined],
        [{ maxFragments: 1 }, "TooManyFragments"],
        [{ maxFragments: 2 }, undefined],
        [{ maxHeldBytes: 1 }, "TooMuchHeld"]
      ] as const
      for (const role of ["server", "client"] as const) {
        const all = yield* Effect.forEach(bounds, ([limits, fails]) =>
          Effect.map(limited(role, limits), ({ duplex, ws }) => ({ duplex, fails, ws })))
        for (const { duplex, fails, ws } of all) {
          duplex.push(encode(role, begun, Frame.make(Opcode.Continuation, begun.payload)))
          assert.strictEqual(yield* violationOf(ws), fails)
        }
      }
    }))

  it.effect("what unfinished messages hold counts for all together, whatever limits each has", () =>
    Effect.gen(function*() {
      const holding = yield* limited("client", { maxHeldBytes: 1_000_000 })
      holding.duplex.push(encode("client", begun))
      yield* turns
      const { duplex, ws } = yield* limited("server", { maxHeldBytes: 100 })
      duplex.push(encode("server", begun, Frame.make(Opcode.Continuation, new Uint8Array(0))))
      assert.strictEqual(yield* violationOf(ws), "TooMuchHeld")
    }))

  it.effect("takes what the range of an option begins and ends with, and nothing beyond or between", () =>
    Effect.gen(function*() {
      const ranges: ReadonlyArray<readonly [option: string, from: number, to: number, of: (value: number) => object]> =
        [
          ["receiveBuffer", 1, Number.MAX_SAFE_INTEGER, (receiveBuffer) => ({ receiveBuffer })],
          ["compression.threshold", 0, Number.MAX_SAFE_INTEGER, (threshold) => ({ compression: { threshold } })],
          ["compression.level", 0, 9, (level) => ({ compression: { level } })],
          ["compression.memLevel", 1, 9, (memLevel) => ({ compression: { memLevel } })]
        ]
      for (const [name, from, to, of] of ranges) {
        for (const value of [from, to]) yield* scripted(of(value))
        for (const value of [from - 1, to + 1, from + 0.5, Number.NaN]) {
          const { option } = yield* Effect.flip(scripted(of(value)))
          assert.strictEqual(option, name, `${value}`)
        }
      }
      for (const closeDeadline of [-1, Number.NaN]) {
        assert.strictEqual((yield* Effect.flip(scripted({ closeDeadline }))).option, "closeDeadline")
      }
    }))

  it.effect("RFC 7692 7.2.1: compresses by the level and the memory that it is told, and by zlib's own otherwise", () =>
    Effect.gen(function*() {
      const payload = Buffer.from(noise(6000, 7)).toString("hex")
      const seen = new Set<string>()
      for (const settings of [{}, { level: 0 }, { level: 1 }, { memLevel: 1 }]) {
        const { duplex, ws } = yield* scripted({ ...withoutTakeover, compression: settings })
        yield* ws.send(payload)
        yield* Effect.yieldNow
        const [frame] = decode("server", duplex.sentBytes, true)
        assert.deepStrictEqual(Buffer.from(frame!.payload), Buffer.from(deflated(Buffer.from(payload), settings)))
        seen.add(Buffer.from(frame!.payload).toString("hex"))
      }
      assert.strictEqual(seen.size, 4)
    }))

  it.effect("compresses what is as long as the default threshold, and nothing shorter", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted(withoutTakeover)
      for (const length of [1023, 1024]) yield* ws.send("x".repeat(length))
      yield* Effect.yieldNow
      assert.deepStrictEqual(decode("server", duplex.sentBytes, true).map(({ rsv1 }) => rsv1), [false, true])
    }))

  it.live("refuses a stream that was taken over, one that is not ours, and options out of range", () =>
    Effect.gen(function*() {
      const { server } = yield* streams
      yield* Websocket.make(server, brief)
      const { server: other } = yield* streams
      const refused = [
        yield* Effect.flip(Websocket.make(server)),
        yield* Effect.flip(Websocket.make({ ...other })),
        yield* Effect.flip(Websocket.make(other, { receiveBuffer: 0 })),
        yield* Effect.flip(Websocket.make(other, { compression: { threshold: -1 } })),
        yield* Effect.flip(Websocket.make(other, { compression: { level: 10 } })),
        yield* Effect.flip(Websocket.make(other, { compression: { memLevel: 0 } }))
      ]
      assert.deepStrictEqual(refused.map(({ option }) => option), [
        "stream",
        "stream",
        "receiveBuffer",
        "compression.threshold",
        "compression.level",
        "compression.memLevel"
      ])
    }))
})
