import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { asText, encode, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { assertClosed, assertWaiting, event, make, park, reasonOf, scripted, turns } from "./support/streams.ts"

describe("setMode", () => {
  it.live("S3: is seen by mode, and taken by the next operation", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      yield* stream.setMode("NonBlock")
      assert.strictEqual(yield* stream.mode, "NonBlock")
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
      assert.strictEqual((yield* reasonOf(stream.readAll))._tag, "WouldBlock")

      yield* stream.setMode("Block")
      assert.strictEqual(yield* stream.mode, "Block")
      const reader = yield* park(stream.read)
      peer.write(encode("server", text("awaited")))
      assert.strictEqual(asText(yield* Fiber.join(reader)), "awaited")
    }))

  it.effect("B15: is stored, and stays until the next setMode", () =>
    Effect.gen(function*() {
      const { stream } = yield* scripted({ role: "server" })
      for (const mode of ["NonBlock", "NonBlock", "Block", "NonBlock", "Block"] as const) {
        yield* stream.setMode(mode)
        if (mode === "NonBlock") assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
        else yield* Effect.flatMap(park(stream.read), Fiber.interrupt)
        assert.strictEqual(yield* stream.mode, mode)
      }
    }))

  it.effect("S3: an effect made before it finds the mode that is there when it runs", () =>
    Effect.gen(function*() {
      const { stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      const { read, readAll } = stream
      const write = stream.write(Opcode.Text, "one")
      yield* write
      yield* stream.setMode("NonBlock")
      for (const operation of [read, readAll, write]) {
        assert.strictEqual((yield* reasonOf<unknown, { readonly _tag: string }, never>(operation))._tag, "WouldBlock")
      }
    }))

  it.effect("S3: whoever waits already goes on waiting, and gets what it waits for", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      yield* stream.write(Opcode.Text, "one")
      yield* turns
      const reader = yield* park(stream.read)
      const writer = yield* park(stream.write(Opcode.Text, "two"))
      yield* stream.setMode("NonBlock")
      yield* assertWaiting(reader)
      yield* assertWaiting(writer)
      duplex.push(encode("server", text("for the reader")))
      duplex.accept()
      assert.strictEqual(asText(yield* Fiber.join(reader)), "for the reader")
      assert.strictEqual(yield* Fiber.join(writer), 5)
    }))

  it.effect("S10: on a stream that is closed, fails as a write would", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { stream } = yield* Scope.provide(scripted({ role: "server" }), scope)
      yield* Scope.close(scope, Exit.void)
      const error = yield* Effect.flip(stream.setMode("NonBlock"))
      assert.strictEqual(error._tag, "WriteError")
      assertClosed(error.reason, "Us")
      assert.strictEqual(yield* stream.mode, "Block")
    }))

  it.live("S10: on one that failed or that both sides ended, too", () =>
    Effect.gen(function*() {
      const reset = yield* Pairs.tcp()
      const failed = yield* make(reset.ours, { role: "server" })
      reset.peer.resetAndDestroy()
      yield* Effect.flip(failed.read)
      assert.deepInclude(yield* reasonOf(failed.setMode("NonBlock")), { _tag: "Io", code: "ECONNRESET" })

      const { ours, peer } = yield* Pairs.tcp()
      const ended = yield* make(ours, { role: "server" })
      peer.end()
      yield* Effect.flip(ended.read)
      // Our side is ended by Node then.
      yield* event(ours, "close")
      assertClosed(yield* reasonOf(ended.setMode("NonBlock")), "Peer")
    }))
})

describe("NonBlock", () => {
  it.live("B4: fails only when no whole frame is there", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "client", mode: "NonBlock" })
      const frames = ["", "x".repeat(126), "x".repeat(65_536)].map(text)
      peer.write(encode("client", ...frames))
      for (const frame of frames) {
        yield* stream.awaitReadable
        assert.deepStrictEqual(yield* stream.read, frame)
      }
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
    }))

  it.live("reading again and again, without waiting, gets there, too", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "client", mode: "NonBlock" })
      peer.write(encode("client", text("x".repeat(300_000))))
      const poll: typeof stream.read = Effect.catchReason(stream.read, "ReadError", "WouldBlock", () =>
        Effect.andThen(
          Effect.yieldNow,
          Effect.suspend(() => poll)
        ))
      assert.strictEqual((yield* poll).payload.length, 300_000)
    }))

  it.effect("finds a frame that came in this very turn of the event loop", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "client", mode: "NonBlock" })
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
      for (const byte of encode("client", text("now"))) duplex.push(Uint8Array.of(byte))
      assert.strictEqual(asText(yield* stream.read), "now")
    }))
})
