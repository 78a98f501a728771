import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { duplexPair } from "node:stream"
import { asText, encode, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { assertClosed, assertWaiting, make, park, reasonOf, scripted, type Stream, turns } from "./support/streams.ts"

const several = (count: number) =>
  Effect.forEach(Array.from({ length: count }), () => scripted({ role: "client", mode: "NonBlock" }))

describe("awaitReadable", () => {
  it.effect("waits in either mode until a whole frame is there, and takes nothing", () =>
    Effect.gen(function*() {
      for (const mode of ["Block", "NonBlock"] as const) {
        const { duplex, stream } = yield* scripted({ role: "client", mode })
        const waiting = yield* park(stream.awaitReadable)
        const bytes = encode("client", text("one"))
        duplex.push(bytes.subarray(0, -1))
        yield* turns
        yield* assertWaiting(waiting)
        duplex.push(bytes.subarray(-1))
        yield* Fiber.join(waiting)
        yield* stream.awaitReadable
        assert.strictEqual(asText(yield* stream.read), "one")
        yield* assertWaiting(yield* park(stream.awaitReadable))
      }
    }))

  it.effect("one frame is enough for all who wait", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const waiting = [yield* park(stream.awaitReadable), yield* park(stream.awaitReadable)]
      duplex.push(encode("client", text("one")))
      yield* Effect.forEach(waiting, Fiber.join)
    }))

  it.effect("one who waits for a frame that a reader took goes on waiting", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const reader = yield* park(stream.read)
      const waiting = yield* park(stream.awaitReadable)
      duplex.push(encode("client", text("one")))
      yield* Fiber.join(reader)
      yield* assertWaiting(waiting)
      duplex.push(encode("client", text("two")))
      yield* Fiber.join(waiting)
    }))

  it.effect("reads no further than the frame: the rest stays with the stream", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.memory({ highWaterMark: 10 })
      const stream = yield* make(ours, { role: "client" })
      const waiting = yield* park(stream.awaitReadable)
      for (let i = 0; i < 10; i++) peer.write(encode("client", text("8 bytes.")))
      yield* Fiber.join(waiting)
      yield* turns
      assert.isTrue(ours.isPaused())
      assert.isAtLeast(ours.readableLength, 10)
    }))
})

describe("awaitWritable", () => {
  it.effect("does not wait while there is room, waits in either mode while there is none, and queues nothing", () =>
    Effect.gen(function*() {
      for (const mode of ["Block", "NonBlock"] as const) {
        const { duplex, stream } = yield* scripted({ role: "client", mode }, { stalled: true, highWaterMark: 1 })
        yield* stream.awaitWritable
        yield* stream.write(Opcode.Text, "one")
        yield* turns
        const waiting = yield* park(stream.awaitWritable)
        duplex.acceptAll()
        yield* Fiber.join(waiting)
        assert.strictEqual(duplex.sentBytes.length, 9)
      }
    }))
})

describe("awaitAnyReadable", () => {
  it.effect("answers all that can be read now, in their order", () =>
    Effect.gen(function*() {
      const [a, b, c, d] = yield* several(4)
      b!.duplex.push(encode("client", text("b")))
      yield* Effect.flip(b!.stream.read).pipe(Effect.ignore)
      d!.duplex.push(encode("client", text("d")))
      yield* d!.stream.awaitReadable
      b!.duplex.push(encode("client", text("b again")))
      yield* b!.stream.awaitReadable
      const streams = [a!, b!, c!, d!].map(({ stream }) => stream)
      assert.deepStrictEqual(yield* WebsocketStream.awaitAnyReadable(streams), [streams[1]!, streams[3]!])
    }))

  it.effect("waits for the first, and finds bytes that Node holds already", () =>
    Effect.gen(function*() {
      const streams = yield* several(3)
      const all = streams.map(({ stream }) => stream)
      const waiting = yield* park(WebsocketStream.awaitAnyReadable(new Set(all)))
      streams[1]!.duplex.push(encode("client", text("one")))
      assert.deepStrictEqual(yield* Fiber.join(waiting), [all[1]!])
      assert.strictEqual(asText(yield* all[1]!.read), "one")

      const held = yield* several(3)
      for (const { duplex } of held) duplex.push(encode("client", text("held")))
      // The first to be asked answers at once, and nobody asks the others.
      assert.deepStrictEqual(yield* WebsocketStream.awaitAnyReadable(held.map(({ stream }) => stream)), [
        held[0]!.stream
      ])
    }))

  it.effect("half a frame is none", () =>
    Effect.gen(function*() {
      const [a, b] = yield* several(2)
      const waiting = yield* park(WebsocketStream.awaitAnyReadable([a!.stream, b!.stream]))
      a!.duplex.push(encode("client", text("one")).subarray(0, 3))
      yield* turns
      yield* assertWaiting(waiting)
      b!.duplex.push(encode("client", text("two")))
      assert.deepStrictEqual(yield* Fiber.join(waiting), [b!.stream])
    }))

  it.effect("a stream that ended or failed counts as readable, because a read tells so at once", () =>
    Effect.gen(function*() {
      const [a, b, c] = yield* several(3)
      const streams = [a!.stream, b!.stream, c!.stream]
      const first = yield* park(WebsocketStream.awaitAnyReadable(streams))
      b!.duplex.push(null)
      assert.deepStrictEqual(yield* Fiber.join(first), [b!.stream])
      assertClosed(yield* reasonOf(b!.stream.read), "Peer")

      const second = yield* park(WebsocketStream.awaitAnyReadable([a!.stream, c!.stream]))
      c!.duplex.destroy(new Error("gone"))
      assert.deepStrictEqual(yield* Fiber.join(second), [c!.stream])
      assert.strictEqual((yield* reasonOf(c!.stream.read))._tag, "Io")
    }))

  it.effect("answers only what is still there: a frame that somebody took does not count", () =>
    Effect.gen(function*() {
      const [a, b] = yield* several(2)
      yield* a!.stream.setMode("Block")
      const reader = yield* park(a!.stream.read)
      const waiting = yield* park(WebsocketStream.awaitAnyReadable([a!.stream, b!.stream]))
      a!.duplex.push(encode("client", text("taken")))
      yield* Fiber.join(reader)
      yield* assertWaiting(waiting)
      b!.duplex.push(encode("client", text("left")))
      assert.deepStrictEqual(yield* Fiber.join(waiting), [b!.stream])
    }))

  it.effect("when it ends or is interrupted it waits nowhere any more", () =>
    Effect.gen(function*() {
      const streams = yield* several(3)
      const all = streams.map(({ stream }) => stream)
      // A stream that somebody waits on takes all that comes; one that nobody waits on takes one piece and then pauses.
      const isWaitedOn = ({ duplex }: typeof streams[number]) =>
        Effect.map(
          Effect.andThen(Effect.sync(() => duplex.push(Uint8Array.of(0x82))), turns),
          () => !duplex.isPaused()
        )
      const interrupted = yield* park(WebsocketStream.awaitAnyReadable(all))
      assert.isTrue(yield* isWaitedOn(streams[0]!))
      yield* Fiber.interrupt(interrupted)
      assert.isFalse(yield* isWaitedOn(streams[1]!))

      const [a, b] = yield* several(2)
      const ended = yield* park(WebsocketStream.awaitAnyReadable([a!.stream, b!.stream, b!.stream]))
      a!.duplex.push(encode("client", text("one")))
      yield* Fiber.join(ended)
      assert.isFalse(yield* isWaitedOn(b!))
    }))

  it.effect("one fiber serves a hundred streams", () =>
    Effect.gen(function*() {
      const pairs = Array.from({ length: 100 }, () => duplexPair())
      const clients = yield* Effect.forEach(pairs, ([near]) => make(near, { role: "client" }))
      const servers = yield* Effect.forEach(pairs, ([, far]) => make(far, { role: "server", mode: "NonBlock" }))
      const open = new Set<Stream>(servers)
      const serve = Effect.gen(function*() {
        while (open.size > 0) {
          for (const stream of yield* WebsocketStream.awaitAnyReadable(open)) {
            for (const frame of yield* stream.readAll) {
              yield* stream.write(frame.opcode, frame.payload)
              if (frame.opcode === Opcode.Close) open.delete(stream)
            }
          }
        }
      })
      const server = yield* Effect.forkChild(serve)
      yield* Effect.forEach(clients, (client, i) =>
        Effect.gen(function*() {
          yield* client.write(Opcode.Text, `${i}`)
          assert.strictEqual(asText(yield* client.read), `${i}`)
          yield* client.write(Opcode.Close, "")
          assert.strictEqual((yield* client.read).opcode, Opcode.Close)
        }), { concurrency: "unbounded" })
      yield* Fiber.join(server)
    }))

  it.effect("dies on a stream that is not ours to look into", () =>
    Effect.gen(function*() {
      const { stream } = yield* scripted({ role: "client" })
      const exit = yield* Effect.exit(WebsocketStream.awaitAnyReadable([{ ...stream }]))
      assert.include(String(exit), "awaitAnyReadable takes only streams that WebsocketStream.make made")
    }))
})
