import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { constants as http2 } from "node:http2"
import { constants as os } from "node:os"
import { getSystemErrorMap } from "node:util"
import { runInNewContext } from "node:vm"
import { asText, decode, encode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import {
  assertClosed,
  assertWaiting,
  event,
  make,
  park,
  reasonOf,
  scripted,
  type Stream,
  turns
} from "./support/streams.ts"

const { errno } = os

const systemError = (code: string, errno: number, syscall: string): NodeJS.ErrnoException =>
  Object.assign(new Error(`${syscall} ${code}`), { code, errno, syscall })

/** A fiber that writes on and on, to a peer that does not read, and answers what ends it. */
const writeForever = (stream: Stream) =>
  park(Effect.flip(Effect.forever(stream.write(Opcode.Binary, new Uint8Array(256 * 1024)))))

describe("a reset by the peer", () => {
  it.live("B7: reaches a parked read, with all that Node knows, and every operation behind it", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const reader = yield* park(reasonOf(stream.read))
      peer.resetAndDestroy()
      const reason = yield* Fiber.join(reader)
      if (reason._tag !== "Io") return assert.fail(reason._tag)
      assert.deepInclude(reason, { code: "ECONNRESET", errno: -errno.ECONNRESET, syscall: "read" })
      assert.instanceOf(reason.cause, Error)
      assert.strictEqual(reason.message, "the connection failed: read ECONNRESET")
      const { cause } = reason
      assert.deepInclude(yield* reasonOf(stream.read), { _tag: "Io", cause })
      assert.deepInclude(yield* reasonOf(stream.awaitReadable), { _tag: "Io", cause })
      assert.deepInclude(yield* reasonOf(stream.write(Opcode.Text, "")), { _tag: "Io", cause })
      assert.deepInclude(yield* reasonOf(stream.awaitWritable), { _tag: "Io", cause })
    }))

  it.live("B7: reaches a parked write", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const writer = yield* writeForever(stream)
      peer.resetAndDestroy()
      const { reason } = yield* Fiber.join(writer)
      assert.strictEqual(reason._tag, "Io")
    }))

  it.live("on a stream that nobody reads is no unhandled event, and the next operation tells of it", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server", mode: "NonBlock" })
      peer.resetAndDestroy()
      yield* event(ours, "close")
      assert.deepInclude(yield* reasonOf(stream.read), { _tag: "Io", code: "ECONNRESET" })
      assert.deepInclude(yield* reasonOf(stream.setMode("Block")), { _tag: "Io", code: "ECONNRESET" })
    }))

  it.live("comes behind the frames that had arrived before it", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server", direct: false })
      peer.write(encode("server", text("one"), text("two")))
      // The bytes are with Node before the reset is sent.
      while (ours.readableLength === 0) yield* Effect.yieldNow
      peer.resetAndDestroy()
      yield* event(ours, "close")
      assert.strictEqual(asText(yield* stream.read), "one")
      assert.strictEqual(asText(yield* stream.read), "two")
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "Io")
    }))
})

describe("a broken pipe", () => {
  it.live("B7: EPIPE of a unix socket whose other end is gone", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.unix
      const stream = yield* make(ours, { role: "server" })
      peer.destroy()
      yield* event(peer, "close")
      // Nobody has read the end of the stream, so nothing is known of it until the write comes back.
      yield* stream.write(Opcode.Text, "to nobody")
      yield* event(ours, "close")
      const reason = yield* reasonOf(stream.write(Opcode.Text, "to nobody"))
      assert.deepInclude(reason, { _tag: "Io", code: "EPIPE", errno: -errno.EPIPE, syscall: "write" })
    }))

  it.live("comes behind all frames that had arrived before it, those among them that the system still had", () =>
    Effect.gen(function*() {
      const cases = [0, 10].flatMap((reads) => [true, false].map((isAhead) => ({ reads, isAhead })))
      for (const { isAhead, reads } of cases) {
        const { ours, peer } = yield* Pairs.unix
        const stream = yield* make(ours, { role: "server" })
        // Twice what is read ahead of those who read.
        const frames = numbered(30, 4096)
        peer.write(encode("server", ...frames))
        peer.destroySoon()
        yield* event(peer, "close")
        // Into the middle of what is read at a time.
        for (let read = 0; read < reads; read++) assert.deepStrictEqual(yield* stream.read, frames.shift())
        // As much as is read ahead has come then.
        if (isAhead) yield* turns
        yield* stream.write(Opcode.Text, "to nobody")
        // And the rest, though nobody asks for it.
        if (isAhead) yield* event(ours, "close")
        assert.deepStrictEqual(yield* Effect.forEach(frames, () => stream.read), frames)
        assert.deepInclude(yield* reasonOf(stream.read), { _tag: "Io", code: "EPIPE", syscall: "write" })
        assert.deepInclude(yield* reasonOf(stream.write(Opcode.Text, "")), { _tag: "Io", code: "EPIPE" })
      }
    }))

  it.live("and behind a reset that a write is the first to hear of", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const frames = numbered(30, 4096)
      peer.write(encode("server", ...frames))
      assert.deepStrictEqual(yield* stream.read, frames.shift())
      yield* turns
      peer.resetAndDestroy()
      yield* event(peer, "close")
      yield* stream.write(Opcode.Text, "to nobody")
      assert.deepStrictEqual(yield* Effect.forEach(frames, () => stream.read), frames)
      assert.deepInclude(yield* reasonOf(stream.read), { _tag: "Io", code: "ECONNRESET", syscall: "write" })
    }))

  it.live("fails who waits for room, and takes nothing from who reads", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.unix
      const stream = yield* make(ours, { role: "server" })
      // More than the system takes of it.
      yield* stream.write(Opcode.Binary, new Uint8Array(4 * 1024 * 1024))
      const writer = yield* park(reasonOf(stream.write(Opcode.Text, "waits")))
      peer.write(encode("server", text("last")))
      peer.destroySoon()
      assert.deepInclude(yield* Fiber.join(writer), { _tag: "Io", syscall: "write" })
      assert.strictEqual(asText(yield* stream.read), "last")
      assert.strictEqual((yield* reasonOf(stream.read))._tag, "Io")
    }))
})

describe("any errno", () => {
  const isCarried = (error: NodeJS.ErrnoException) =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { highWaterMark: 1, stalled: true })
      yield* stream.write(Opcode.Text, "fills it")
      yield* turns
      const reader = yield* park(Effect.flip(stream.read))
      const writer = yield* park(Effect.flip(stream.write(Opcode.Text, "waits")))
      duplex.destroy(error)
      const { code, errno, syscall } = error
      const expected = { _tag: "Io", code, errno, syscall, cause: error } as const
      const failures = [yield* Fiber.join(reader), yield* Fiber.join(writer)]
      assert.deepStrictEqual(failures.map(({ _tag }) => _tag), ["ReadError", "WriteError"])
      for (const { reason } of failures) assert.deepInclude(reason, expected)
      assert.deepInclude(yield* reasonOf(stream.awaitWritable), expected)
      assert.deepInclude(yield* reasonOf(stream.awaitReadable), expected)
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(asText), ["fills it"])
    })

  it.effect("S8, S9: each that Node can raise is carried, in both directions", () =>
    Effect.forEach(getSystemErrorMap(), ([errno, [code]]) => isCarried(systemError(code, errno, "read"))))

  it.effect("B7: so are ETIMEDOUT, one that nobody has heard of, and an error that has none", () =>
    Effect.forEach([
      systemError("ETIMEDOUT", -errno.ETIMEDOUT, "read"),
      systemError("EINVENTED", -12_345, "frobnicate"),
      new Error("without an errno")
    ], isCarried))
})

describe("what is no Error", () => {
  const cases: ReadonlyArray<readonly [raised: any, message: string]> = [
    ["boom", "boom"],
    [{ password: "secret" }, "what was raised is no Error, but of type object"],
    [42, "what was raised is no Error, but of type number"]
  ]
  for (const [raised, message] of cases) {
    it.effect(`is the cause of an Error that says so: ${typeof raised}`, () =>
      Effect.gen(function*() {
        const { duplex, stream } = yield* scripted({ role: "server" })
        const reader = yield* park(reasonOf(stream.read))
        duplex.destroy(raised)
        const reason = yield* Fiber.join(reader)
        if (reason._tag !== "Io") return assert.fail(reason.message)
        assert.strictEqual(reason.message, `the connection failed: ${message}`)
        assert.instanceOf(reason.cause, Error)
        assert.strictEqual(reason.cause.cause, raised)
      }))
  }

  it.effect("an Error of another realm is one", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      const reader = yield* park(reasonOf(stream.read))
      const error = runInNewContext("Object.assign(new Error('of elsewhere'), { code: 'EINVENTED' })")
      duplex.destroy(error)
      assert.deepInclude(yield* Fiber.join(reader), { _tag: "Io", code: "EINVENTED", cause: error })
    }))
})

describe("a stream destroyed under us", () => {
  it.live("Io for whoever waits, and no byte of a parked write", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      const stream = yield* make(ours, { role: "server" })
      const writer = yield* writeForever(stream)
      const reader = yield* park(Effect.flip(stream.read))
      ours.destroy()
      // Before any event: a write finds out by itself.
      assert.deepInclude(yield* reasonOf(stream.write(1, "")), { _tag: "Io", code: "ERR_STREAM_PREMATURE_CLOSE" })
      assert.deepInclude((yield* Fiber.join(reader)).reason, { _tag: "Io", code: "ERR_STREAM_PREMATURE_CLOSE" })
      assert.deepInclude((yield* Fiber.join(writer)).reason, { _tag: "Io", code: "ERR_STREAM_PREMATURE_CLOSE" })
    }))

  it.effect("what Node had read already comes first, be it in one piece or in many", () =>
    Effect.gen(function*() {
      for (const error of [undefined, systemError("ECONNRESET", -errno.ECONNRESET, "read")]) {
        const { duplex, stream } = yield* scripted({ role: "server" })
        const reader = yield* park(Effect.all([stream.read, stream.read, Effect.flip(stream.read)]))
        for (const frame of [text("one"), text("two")]) duplex.push(encode("server", frame))
        duplex.destroy(error)
        const [one, two, failure] = yield* Fiber.join(reader)
        assert.deepStrictEqual([asText(one), asText(two), failure.reason._tag], ["one", "two", "Io"])
      }
    }))

  it.effect("after the peer had ended: Closed, because nothing failed", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" })
      duplex.push(null)
      assertClosed(yield* reasonOf(stream.read), "Peer")
      duplex.destroy()
      assertClosed(yield* reasonOf(stream.write(1, "")), "Peer")
      yield* event(duplex, "close")
      assertClosed(yield* reasonOf(stream.write(1, "")), "Peer")
      assertClosed(yield* reasonOf(stream.setMode("NonBlock")), "Peer")
    }))

  it.live("an HTTP/2 stream that its peer cancels: Closed, because Node tells it like an end", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.http2Stream
      const stream = yield* make(ours, { role: "server" })
      const reader = yield* park(reasonOf(stream.read))
      peer.write(encode("server", text("cut")).subarray(0, 3))
      yield* event(ours, "data")
      peer.close(http2.NGHTTP2_CANCEL)
      assertClosed(yield* Fiber.join(reader), "Peer", true)
    }))

  it.effect("a second error, or one after the scope, is no unhandled event", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* Effect.scoped(scripted({ role: "server" }, { autoDestroy: false }))
      duplex.emit("error", systemError("ECONNRESET", -errno.ECONNRESET, "read"))
      duplex.emit("error", systemError("EPIPE", -errno.EPIPE, "write"))
      assertClosed(yield* reasonOf(stream.read), "Us")
    }))
})

describe("a peer that ends while a writer waits for room", () => {
  it.effect("fails the writer, where Node ends our side, too", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted(
        { role: "server" },
        { allowHalfOpen: false, highWaterMark: 1, stalled: true }
      )
      yield* stream.write(Opcode.Text, "stuck")
      yield* turns
      const writer = yield* park(reasonOf(stream.write(Opcode.Text, "waits")))
      duplex.push(null)
      assertClosed(yield* reasonOf(stream.read), "Peer")
      assertClosed(yield* Fiber.join(writer), "Peer")
      assertClosed(yield* reasonOf(stream.awaitWritable), "Peer")
    }))

  it.effect("lets the writer wait on, where our side stays open", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { highWaterMark: 1, stalled: true })
      yield* stream.write(Opcode.Text, "slow")
      yield* turns
      const writer = yield* park(stream.write(Opcode.Text, "waits"))
      duplex.push(null)
      assertClosed(yield* reasonOf(stream.read), "Peer")
      yield* assertWaiting(writer)
      duplex.acceptAll()
      assert.strictEqual(yield* Fiber.join(writer), 7)
    }))
})
