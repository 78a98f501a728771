import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { Duplex } from "node:stream"
import { readable } from "../../core/test/support/decoding.ts"
import { decode, encode, numbered, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { Scripted } from "./support/scripted.ts"
import { assertClosed, event, make, park, reasonOf, scripted, takeAll, turns } from "./support/streams.ts"

const events = ["data", "end", "drain", "close", "error", "finish", "readable"]
const listeners = (duplex: Duplex): ReadonlyArray<number> => events.map((event) => duplex.listenerCount(event))

/** A stream in a scope of its own, with the closing of that scope. */
const closable = <A, E, R>(open: Effect.Effect<A, E, R>) =>
  Effect.gen(function*() {
    const scope = yield* Scope.make()
    return [yield* Scope.provide(open, scope), Scope.close(scope, Exit.void)] as const
  })

describe("closing the scope", { timeout: 30_000 }, () => {
  for (const [kind, pair] of Pairs.kinds) {
    it.live(`sends what is queued, and then the peer sees the end: ${kind}`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* pair
        const frames = numbered(30, 100_000)
        const received = yield* Effect.forkChild(takeAll(peer))
        yield* Effect.scoped(Effect.gen(function*() {
          const stream = yield* WebsocketStream.make(ours, { role: "server", linger: "10 seconds" })
          yield* Effect.forEach(frames, ({ opcode, payload }) => stream.write(opcode, payload))
        }))
        assert.isTrue(ours.destroyed)
        assert.deepStrictEqual(readable(decode("server", yield* Fiber.join(received))), readable(frames))
      }))

    it.live(`by interruption sends what is queued, too: ${kind}`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* pair
        const connection = Effect.gen(function*() {
          const stream = yield* WebsocketStream.make(ours, { role: "server", linger: "Infinity" })
          yield* stream.write(Opcode.Binary, new Uint8Array(60_000))
          return yield* Effect.never
        })
        const fiber = yield* park(Effect.scoped(connection))
        const interruption = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
        assert.strictEqual((yield* takeAll(peer)).length, 60_004)
        yield* Fiber.join(interruption)
      }))
  }

  it.effect("fails whoever waits, and every operation from then on, with Closed by us", () =>
    Effect.gen(function*() {
      const [{ duplex, stream }, close] = yield* closable(
        scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      )
      yield* stream.write(Opcode.Text, "one")
      yield* turns
      const waiting = [
        yield* park(reasonOf(stream.read)),
        yield* park(reasonOf(stream.readAll)),
        yield* park(reasonOf(stream.awaitReadable)),
        yield* park(reasonOf(stream.write(Opcode.Text, "two"))),
        yield* park(reasonOf(stream.writeAll([text("three")]))),
        yield* park(reasonOf(stream.awaitWritable))
      ]
      yield* close
      for (const fiber of waiting) assertClosed(yield* Fiber.join<unknown, unknown>(fiber), "Us")
      assertClosed(yield* reasonOf(stream.read), "Us")
      assertClosed(yield* reasonOf(stream.readAll), "Us")
      assertClosed(yield* reasonOf(stream.awaitReadable), "Us")
      assertClosed(yield* reasonOf(stream.write(Opcode.Text, "")), "Us")
      assertClosed(yield* reasonOf(stream.awaitWritable), "Us")
      assert.deepStrictEqual(yield* WebsocketStream.awaitAnyReadable([stream]), [stream])
      // No byte of what was written while it waited or behind the end.
      assert.deepStrictEqual(decode("server", duplex.sentBytes), [text("one")])
    }))

  it.effect("drops the frames that nobody has read", () =>
    Effect.gen(function*() {
      const [{ duplex, stream }, close] = yield* closable(scripted({ role: "server" }))
      duplex.push(encode("server", text("read"), text("ahead"), text("behind")))
      yield* stream.read
      yield* stream.awaitReadable
      yield* close
      const reason = yield* reasonOf(stream.read)
      assert.deepInclude(reason, { _tag: "Closed", by: "Us" })
    }))

  it.effect("says that it cut a frame of one that was not whole, and of no other", () =>
    Effect.gen(function*() {
      const [whole, half] = [encode("server", text("whole")), encode("server", text("half")).subarray(0, 7)]
      const cases = [
        { wire: [], reads: 0, truncated: false },
        { wire: [half], reads: 1, truncated: true },
        { wire: [whole, half], reads: 1, truncated: true },
        { wire: [whole, half], reads: 2, truncated: true },
        { wire: [whole, whole], reads: 1, truncated: false },
        { wire: [whole, whole, half], reads: 1, truncated: false }
      ]
      for (const { reads, truncated, wire } of cases) {
        const [{ duplex, stream }, close] = yield* closable(scripted({ role: "server", mode: "NonBlock" }))
        duplex.push(Buffer.concat(wire))
        for (let i = 0; i < reads; i++) yield* Effect.exit(stream.read)
        yield* close
        assertClosed(yield* reasonOf(stream.read), "Us", truncated)
      }
      const [{ duplex, stream }, close] = yield* closable(scripted({ role: "server" }))
      duplex.push(Buffer.concat([whole, half]))
      yield* stream.awaitReadable
      yield* close
      assertClosed(yield* reasonOf(stream.read), "Us", false)
    }))

  it.effect("B11: does not hide what had happened before", () =>
    Effect.gen(function*() {
      const [broken, closeBroken] = yield* closable(scripted({ role: "server" }))
      broken.duplex.push(Uint8Array.of(0x83))
      yield* Effect.flip(broken.stream.read)
      yield* closeBroken
      assert.strictEqual((yield* reasonOf(broken.stream.read))._tag, "Protocol")

      const [ended, closeEnded] = yield* closable(scripted({ role: "server" }))
      ended.duplex.push(null)
      yield* Effect.flip(ended.stream.read)
      yield* closeEnded
      assertClosed(yield* reasonOf(ended.stream.read), "Peer")

      const [failed, closeFailed] = yield* closable(scripted({ role: "server" }))
      failed.duplex.destroy(new Error("reset"))
      yield* event(failed.duplex, "close")
      yield* closeFailed
      assert.strictEqual((yield* reasonOf(failed.stream.read))._tag, "Io")
      assert.strictEqual((yield* reasonOf(failed.stream.write(Opcode.Text, "")))._tag, "Io")
    }))

  it.live("a silent peer cannot hold it for longer than linger", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      const [stream, close] = yield* closable(WebsocketStream.make(ours, { role: "server", linger: "10 millis" }))
      const writer = yield* park(Effect.flip(Effect.forever(stream.write(Opcode.Binary, new Uint8Array(1_000_000)))))
      yield* turns
      yield* close
      assert.isTrue(ours.destroyed)
      assertClosed((yield* Fiber.join(writer)).reason, "Us")
    }))

  it.live("a peer that sends on and on cannot hold it either", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const [, close] = yield* closable(WebsocketStream.make(ours, { role: "server", linger: "10 seconds" }))
      const chunk = new Uint8Array(100_000)
      const flood = () => {
        while (peer.writable && peer.write(chunk));
      }
      peer.on("drain", flood)
      flood()
      yield* close
      assert.isTrue(ours.destroyed)
      yield* event(peer, "close")
    }))

  it.effect("a pair in memory whose other end nobody reads is closed at once, if nothing is queued", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.memory()
      const [, close] = yield* closable(WebsocketStream.make(ours, { role: "server", linger: "Infinity" }))
      yield* close
      assert.isTrue(ours.destroyed)
    }))

  it.live("waits for what a stream of somebody's own does at its end", () =>
    Effect.gen(function*() {
      const steps: Array<string> = []
      const duplex = new Duplex({
        read: () => {},
        write: (_chunk, _encoding, callback) => callback(),
        final: (callback) => {
          setImmediate(() =>
            setImmediate(() => {
              steps.push("final")
              callback()
            })
          )
        },
        destroy: (error, callback) => {
          steps.push("destroy")
          callback(error)
        }
      })
      const [stream, close] = yield* closable(WebsocketStream.make(duplex, { role: "server", linger: "Infinity" }))
      yield* stream.write(Opcode.Text, "one")
      yield* turns
      yield* close
      assert.deepStrictEqual(steps, ["final", "destroy"])
    }))

  it.effect("has nothing to wait for where the stream is destroyed or finished already", () =>
    Effect.gen(function*() {
      const destroyed = new Scripted().destroy()
      const finished = new Scripted().end()
      yield* event(finished, "finish")
      for (const duplex of [destroyed, finished]) {
        const [, close] = yield* closable(WebsocketStream.make(duplex, { role: "server", linger: "Infinity" }))
        yield* close
        assert.isTrue(duplex.destroyed)
      }
    }))

  it.effect("a failure of the stream ends it, and is no unhandled event", () =>
    Effect.gen(function*() {
      const duplex = new Scripted({ stalled: true })
      const [stream, close] = yield* closable(WebsocketStream.make(duplex, { role: "server", linger: "Infinity" }))
      yield* stream.write(Opcode.Text, "stuck")
      const closing = yield* park(close)
      duplex.destroy(Object.assign(new Error("write EPIPE"), { code: "EPIPE" }))
      yield* Fiber.join(closing)
      assertClosed(yield* reasonOf(stream.write(Opcode.Text, "")), "Us")
    }))
})

describe("listeners", () => {
  it.effect("one of each kind, however many fibers wait, however often", () =>
    Effect.gen(function*() {
      const { duplex, stream } = yield* scripted({ role: "server" }, { stalled: true, highWaterMark: 1 })
      const before = listeners(duplex)
      assert.deepStrictEqual(before, [1, 1, 1, 1, 1, 0, 0])
      yield* stream.write(Opcode.Text, "one")
      yield* turns
      const fibers = yield* Effect.forEach(Array.from({ length: 20 }), () =>
        Effect.all([park(stream.read), park(stream.write(Opcode.Text, "two"))]))
      assert.deepStrictEqual(listeners(duplex), before)
      yield* Effect.forEach(fibers.flat(), (fiber) =>
        Fiber.interrupt<unknown, unknown>(fiber))
      assert.deepStrictEqual(listeners(duplex), before)
    }))

  it.live("closing leaves only those that hear late errors, and none of its own", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      const [, close] = yield* closable(make(ours, { role: "server", direct: false }))
      const before = listeners(ours)
      yield* close
      assert.deepStrictEqual(listeners(ours), before)
    }))

  it.live("of a socket whose handle is ours there is one for its errors, and one for its end until it is closed", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      const node = listeners(ours)
      const [stream, close] = yield* closable(make(ours, { role: "server" }))
      const waiting = yield* park(Effect.exit(stream.read))
      const added = () => listeners(ours).map((count, i) => count - node[i]!)
      assert.deepStrictEqual(added(), [0, 0, 0, 1, 1, 0, 0])
      yield* close
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(added(), [0, 0, 0, 0, 1, 0, 0])
    }))
})
