import { assert, describe, it } from "@effect/vitest"
import type { Frame } from "@websocket-stream/core/Frame"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { readable } from "../../core/test/support/decoding.ts"
import { asText, decode, encode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { assertClosed, make, reasonOf, scripted, turns } from "./support/streams.ts"

const modes = ["Block", "NonBlock"] as const

describe("WebsocketStream.runForEach", { timeout: 30_000 }, () => {
  for (const mode of modes) {
    for (const direct of [true, false]) {
      it.live(`takes each frame once and in order, and fails at the end as read does: ${mode}, ${direct ? "" : "not "}direct`, () =>
        Effect.gen(function*() {
          const { ours, peer } = yield* Pairs.tcp()
          const stream = yield* make(ours, { role: "server", mode, direct })
          const seen: Array<Frame> = []
          const running = yield* Effect.forkChild(
            reasonOf(stream.runForEach((frame) => {
              // Some at once, some later: the next waits in either case.
              const before = seen.length % 7 === 0 ? Effect.yieldNow : Effect.void
              return Effect.andThen(before, Effect.sync(() => seen.push(frame)))
            })),
            { startImmediately: true }
          )
          const frames = numbered(1000, 3)
          peer.write(encode("server", ...frames.slice(0, 500)))
          peer.end(encode("server", ...frames.slice(500)))
          assertClosed(yield* Fiber.join(running), "Peer")
          assert.deepStrictEqual(readable(seen), readable(frames))
        }))
    }
  }

  it.effect("fails as the effect does, and leaves what is behind to whoever reads next", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      duplex.push(encode("server", text("a"), text("stop"), text("b")))
      const refuse = (frame: Frame) => asText(frame) === "stop" ? Effect.fail("stopped") : Effect.void
      assert.strictEqual(yield* Effect.flip(stream.runForEach(refuse)), "stopped")
      assert.strictEqual(asText(yield* stream.read), "b")
    }))

  it.effect("is interrupted while it waits, and loses nothing", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const running = yield* Effect.forkChild(stream.runForEach(() => Effect.die("too late")), {
        startImmediately: true
      })
      yield* Fiber.interrupt(running)
      const bytes = encode("server", text("kept"))
      duplex.push(bytes.subarray(0, 1))
      yield* turns
      // Nobody waits any more: it takes no more than one piece.
      assert.isTrue(duplex.isPaused())
      duplex.push(bytes.subarray(1))
      assert.strictEqual(asText(yield* stream.read), "kept")
    }))

  it.effect("is interrupted before its first effect, and loses nothing", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      duplex.push(encode("server", text("kept")))
      yield* stream.awaitReadable
      const running = yield* Effect.forkChild(stream.runForEach(() => Effect.die("too late")), {
        startImmediately: true
      })
      yield* Fiber.interrupt(running)
      yield* turns
      assert.strictEqual(asText(yield* stream.read), "kept")
    }))

  it.effect("interrupts the effect that runs, and waits for its end", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const [began, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const running = yield* Effect.forkChild(stream.runForEach(() =>
        Deferred.succeed(began, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, Deferred.succeed(ended, undefined)))
        )
      ))
      duplex.push(encode("server", text("long")))
      yield* Deferred.await(began)
      yield* Fiber.interrupt(running)
      assert.isTrue(Deferred.isDoneUnsafe(ended))
    }))
})

describe("WebsocketStream.runForEachArray", () => {
  it.effect("gives all frames that there are at a time", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const batches = yield* Queue.unbounded<ReadonlyArray<string>>()
      const offer = (frames: NonEmptyReadonlyArray<Frame>) => Queue.offer(batches, frames.map(asText))
      duplex.push(encode("server", text("a"), text("b"), text("c")))
      yield* Effect.forkChild(stream.runForEachArray(offer))
      assert.deepStrictEqual(yield* Queue.take(batches), ["a", "b", "c"])
      duplex.push(encode("server", text("d")))
      assert.deepStrictEqual(yield* Queue.take(batches), ["d"])
    }))

  it.effect("waits with its effect for a peer that takes nothing, before it takes more", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      yield* Effect.forkChild(stream.runForEachArray(stream.writeAll))
      for (const name of ["a", "b", "c"]) {
        duplex.push(encode("server", text(name)))
        yield* turns
      }
      // The first is on its way, and the second waits with the third behind it.
      assert.deepStrictEqual(duplex.flushes.flatMap((bytes) => decode("server", bytes).map(asText)), ["a"])
      duplex.acceptAll()
      yield* turns
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(asText), ["a", "b", "c"])
    }))
})
