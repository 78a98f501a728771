import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { noise } from "../../core/test/support/bytes.ts"
import { asText, decode, encode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { make, park, scripted, takeAll } from "./support/streams.ts"

describe("many fibers on one stream", { timeout: 30_000 }, () => {
  it.live("S11: fifty write: every frame arrives whole, those of one fiber in order", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const bytes = yield* Effect.forkChild(takeAll(peer))
      const lengths = [0, 1, 125, 126, 5000, 65_536, 70_000]
      const payload = (writer: number, i: number) => {
        const bytes = noise(2 + lengths[(writer + i) % lengths.length]!, writer * 100 + i)
        bytes[0] = writer
        bytes[1] = i
        return bytes
      }
      yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* make(ours, { role: "client", linger: "5 seconds" })
        yield* Effect.forEach(Array.from({ length: 50 }, (_, i) => i), (writer) =>
          Effect.forEach(
            Array.from({ length: 10 }, (_, i) => i),
            (i) =>
              i % 3 === 0
                ? stream.writeAll([Frame.make(Opcode.Ping, Uint8Array.of(writer)), Frame.make(2, payload(writer, i))])
                : stream.write(Opcode.Binary, payload(writer, i))
          ), { concurrency: "unbounded" })
      }))
      const frames = decode("client", yield* Fiber.join(bytes))
      const seen = Array.from({ length: 50 }, () => 0)
      frames.forEach(({ opcode, payload: [writer] }, at) => {
        // What one writeAll queued stays together.
        if (opcode === Opcode.Ping) return assert.strictEqual(frames[at + 1]!.payload[0], writer)
        assert.isTrue(Buffer.from(frames[at]!.payload).equals(payload(writer!, seen[writer!]!++)))
      })
      assert.deepStrictEqual(seen, seen.map(() => 10))
    }))

  it.live("S11: ten read: each frame reaches exactly one", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const frames = numbered(2000, 50)
      const taken: Array<Frame.Frame> = []
      const readers = yield* Effect.forEach(Array.from({ length: 10 }), (_, i) => {
        const take = i % 2 === 0
          ? Effect.map(stream.read, (frame) => taken.push(frame))
          : Effect.map(stream.readAll, (frames) => taken.push(...frames))
        return Effect.forkChild(Effect.flip(Effect.forever(take)))
      })
      const bytes = encode("server", ...frames)
      for (let at = 0; at < bytes.length; at += 777) {
        peer.write(bytes.subarray(at, at + 777))
        if (at % 3 === 0) yield* Effect.yieldNow
      }
      peer.end()
      for (const reader of readers) assert.strictEqual((yield* Fiber.join(reader)).reason._tag, "Closed")
      assert.deepStrictEqual(taken, frames)
    }))

  it.effect("S11: waiting readers are served in the order in which they came", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const readers = [yield* park(stream.read), yield* park(stream.read), yield* park(stream.read)]
      duplex.push(encode("client", text("one"), text("two"), text("three")))
      const frames = yield* Effect.forEach(readers, Fiber.join)
      assert.deepStrictEqual(frames.map(asText), ["one", "two", "three"])
    }))

  it.effect("S11: a reader that gives up leaves its turn to the next", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      const [first, second] = [yield* park(stream.read), yield* park(stream.read)]
      yield* Fiber.interrupt(first)
      duplex.push(encode("client", text("one")))
      assert.strictEqual(asText(yield* Fiber.join(second)), "one")
    }))

  it.effect("a fiber that reads frame after frame does not starve the others", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client" })
      let taken = 0
      duplex.push(encode("client", ...numbered(10_000, 2)))
      yield* Effect.forkChild(Effect.forever(Effect.map(stream.read, () => taken++)))
      yield* Effect.yieldNow
      yield* Effect.yieldNow
      assert.isAbove(taken, 0)
      assert.isBelow(taken, 10_000)
    }))
})
