/** What hostile peers do with compression, each requirement by its number. */
import { assert, describe, it } from "@effect/vitest"
import { Limits } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { promisify } from "node:util"
import * as Zlib from "node:zlib"
import { noise } from "../packages/core/test/support/bytes.ts"
import { liveArrayBuffers } from "../packages/core/test/support/garbage.ts"
import { expectFailure, protocolError, run, turns } from "./support/cases.ts"
import { report, show } from "./support/memory.ts"
import { inBothRoles, open, type Options, type Ws } from "./support/opened.ts"
import * as Raw from "./support/rawFrames.ts"

const kib = 1024
const mib = 1024 * 1024

const negotiated: Options = {
  extensions: "permessage-deflate",
  deflate: { serverNoContextTakeover: false, clientNoContextTakeover: false }
}

const flush = { finishFlush: Zlib.constants.Z_SYNC_FLUSH }
const deflate = (payload: Uint8Array): Buffer => Zlib.deflateRawSync(payload, flush).subarray(0, -4)
const compressed = (payload: Uint8Array, opcode = Raw.binary): Raw.Shape => ({ opcode, rsv: Raw.rsv1, payload })

/** Zeros, so many MiB of them, in a thousandth of that: each MiB behind the first is the same reach back to the one before. */
const bomb = (mebibytes: number): Buffer => {
  const one = Zlib.deflateRawSync(Buffer.alloc(mib), flush)
  const dictionary = Buffer.alloc(32 * kib)
  const next = Zlib.deflateRawSync(Buffer.alloc(mib), { ...flush, dictionary })
  return Buffer.concat([one, ...Array.from({ length: mebibytes - 1 }, () => next)]).subarray(0, -4)
}

/** The most that array buffers come to while an effect runs, beyond what there is before. */
const peakDuring = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = liveArrayBuffers()
  let peak = 0
  const watching = yield* Effect.forkChild(
    Effect.forever(Effect.promise(() =>
      new Promise<void>((resolve) =>
        setImmediate(() => {
          // Without a collection: garbage counts, too.
          peak = Math.max(peak, process.memoryUsage().arrayBuffers - before)
          resolve()
        })
      )
    ))
  )
  yield* effect
  yield* Fiber.interrupt(watching)
  return peak
})

describe("memory", { concurrent: false }, () => {
  inBothRoles((role) => {
    // As much as the default limit lets travel, or the six megabytes of the advisory.
    const size = role === "server" ? 900 : 5800
    const limit = role === "server" ? Limits.defaultServerMaxMessageSize : Limits.defaultClientMaxMessageSize
    it.live(`R7: a message that inflates to ${size} MiB is bounded while it inflates, and refused with 1009 (${role})`, () =>
      Effect.gen(function*() {
        const payload = bomb(size)
        const opened = yield* open(role, negotiated)
        const frame = Raw.encode(compressed(payload), opened.peer.role === "client")
        const peak = yield* peakDuring(Effect.gen(function*() {
          yield* opened.peer.write(frame)
          yield* expectFailure(opened, role, [], { code: 1009, reason: "InflatedTooLarge" })
        }))
        yield* report(
          `R7, ${role}: ${show(payload.length)} for ${size} MiB, limit ${show(limit)}: at most ${show(peak)} of buffers`
        )
        // The compressed message in chunks and whole, and what it inflated to so far.
        assert.isBelow(peak, 4 * payload.length + limit + 2 * mib)
      }))

    it.live(`R7: eight of them at once (${role})`, () =>
      Effect.gen(function*() {
        const payload = bomb(64)
        const limits = { maxInflatedSize: mib }
        const opened = yield* Effect.replicateEffect(open(role, { ...negotiated, limits }), 8)
        const frame = Raw.encode(compressed(payload), opened[0]!.peer.role === "client")
        const peak = yield* peakDuring(Effect.forEach(opened, (one) =>
          Effect.gen(function*() {
            yield* one.peer.write(frame)
            yield* expectFailure(one, role, [], { code: 1009, reason: "InflatedTooLarge" })
          }), { concurrency: "unbounded" }))
        yield* report(`R7, ${role}: eight of 64 MiB, limit 1 MiB each: at most ${show(peak)} of buffers`)
        assert.isBelow(peak, 8 * (4 * payload.length + 1.5 * mib))
      }))
  })
})

describe("inflating", () => {
  inBothRoles((role) => {
    it.live("R7: what inflates to the limit is taken, and a byte more is not, whatever its size on the way", () =>
      Effect.gen(function*() {
        for (const limit of [0, 1, 1000, 65_536, 200_000]) {
          const options = { ...negotiated, limits: { maxInflatedSize: limit }, compression: { threshold: mib } }
          yield* run(role, {
            name: "",
            options,
            send: [compressed(deflate(Buffer.alloc(limit))), compressed(deflate(Buffer.alloc(limit + 1)))],
            answers: [{ opcode: Raw.binary, payload: Buffer.alloc(limit) }],
            fails: { code: 1009, reason: "InflatedTooLarge" }
          })
        }
      }))

    const large = Buffer.from(noise(600 * kib, 5))
    const late = Buffer.concat([deflate(large).subarray(0, -1), Buffer.from([0xff, 0xff, 0xff])])
    const leaving: ReadonlyArray<
      readonly [how: string, leave: (peer: { destroy: () => void; resetAndDestroy: () => void }) => void]
    > = [
      ["is reset", (socket) => socket.resetAndDestroy()],
      ["ends", (socket) => socket.destroy()]
    ]
    for (const [how, leave] of leaving) {
      it.live(`R9: a connection that ${how} while a message inflates that will fail: nothing is thrown`, () =>
        Effect.gen(function*() {
          const { closed, peer } = yield* open(role, { ...negotiated, closeDeadline: 0 })
          yield* peer.send([compressed(late)])
          leave(peer.socket)
          yield* closed
          yield* untilZlibIsIdle
        }))
    }

    it.live("R9: a scope that closes while a message inflates that will fail", () =>
      Effect.gen(function*() {
        const { closed, interrupt, peer } = yield* open(role, { ...negotiated, closeDeadline: 0 })
        yield* peer.send([compressed(late)])
        yield* interrupt
        yield* closed
        yield* untilZlibIsIdle
      }))

    it.live("R9: a scope that closes, and a peer that resets, while a message is compressed", () =>
      Effect.gen(function*() {
        const { closed, interrupt, peer, ws } = yield* open(role, {
          ...negotiated,
          use: () => Effect.never,
          closeDeadline: 0
        })
        const sending = yield* Effect.forkChild(Effect.exit(ws.send(large)), { startImmediately: true })
        const interrupted = yield* Effect.forkChild(ws.send(large), { startImmediately: true })
        yield* Fiber.interrupt(interrupted)
        peer.socket.resetAndDestroy()
        yield* interrupt
        yield* closed
        assert.strictEqual((yield* Fiber.join(sending))._tag, "Failure")
        yield* untilZlibIsIdle
      }))

    it.live("R9: a send that is interrupted while it compresses sends nothing, and leaves the window as it was", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { ...negotiated, use: () => Effect.never, compression: { threshold: 0 } })
        const interrupted = yield* Effect.forkChild(opened.ws.send(large), { startImmediately: true })
        yield* Fiber.interrupt(interrupted)
        yield* opened.ws.send("Hello")
        yield* untilZlibIsIdle
        yield* opened.ws.send("Hello")
        const inflate = Zlib.inflateRawSync
        const [first, second] = yield* opened.peer.frames(2)
        const tail = Buffer.from([0, 0, 0xff, 0xff])
        assert.strictEqual(inflate(Buffer.concat([first!.payload, tail]), flush).toString(), "Hello")
        const both = Buffer.concat([first!.payload, tail, second!.payload, tail])
        assert.strictEqual(inflate(both, flush).toString(), "HelloHello")
      }))

    it.live("R20: after a compressed message a stray continuation is no message", () =>
      run(role, {
        name: "",
        options: { ...negotiated, compression: { threshold: mib } },
        send: [compressed(deflate(Buffer.from("one"))), { opcode: Raw.continuation, payload: "stray" }],
        answers: [{ opcode: Raw.binary, payload: "one" }],
        fails: protocolError("UnexpectedContinuation")
      }))

    it.live("R20: nothing of a message meets the next: kind, compression, size, count, a cut character", () =>
      run(role, {
        name: "",
        options: { ...negotiated, compression: { threshold: mib }, limits: { maxMessageSize: 100, maxFragments: 2 } },
        send: [
          { ...compressed(deflate(Buffer.from("one")), Raw.text), fin: false },
          { opcode: Raw.continuation, payload: "" },
          { opcode: Raw.binary, payload: Buffer.alloc(100, 0xff), fin: false },
          { opcode: Raw.continuation, payload: "" },
          { opcode: Raw.text, payload: Uint8Array.of(0xc3), fin: false },
          { opcode: Raw.continuation, payload: Uint8Array.of(0xa4) },
          { opcode: Raw.text, payload: "x".repeat(100) },
          compressed(deflate(Buffer.from("two")), Raw.text)
        ],
        answers: [
          { opcode: Raw.text, payload: "one" },
          { opcode: Raw.binary, payload: Buffer.alloc(100, 0xff) },
          { opcode: Raw.text, payload: "\u00e4" },
          { opcode: Raw.text, payload: "x".repeat(100) },
          { opcode: Raw.text, payload: "two" }
        ]
      }))

    it.live("R25: a message for which compression is declined tells nothing by its length, and is not in the window", () =>
      Effect.gen(function*() {
        const secret = "token=7dfa21b4cc90e1f7"
        const guesses = [secret, "token=0000000000000000"]
        const lengths = (use: (ws: Ws, text: string) => Effect.Effect<void, unknown>) =>
          Effect.forEach(guesses, (guess) =>
            Effect.gen(function*() {
              const opened = yield* open(role, {
                ...negotiated,
                compression: { threshold: 0 },
                use: () => Effect.never
              })
              yield* use(opened.ws, guess)
              const frames = yield* opened.peer.frames(2)
              return frames.map(({ payload, rsv }) => `${rsv}: ${payload.length}`)
            }))
        // What is compressed together with a secret tells a right guess from a wrong one: why it is declined.
        const told = yield* lengths((ws, guess) => ws.sendAll([secret, guess]))
        assert.notStrictEqual(told[0]![1], told[1]![1])
        // The secret is not compressed, nor does a later message reach back to it.
        const untold = yield* lengths((ws, guess) =>
          Effect.andThen(ws.send(secret, { compress: false }), ws.send(guess, { compress: false }))
        )
        assert.deepStrictEqual(untold[0], [`0: ${secret.length}`, `0: ${secret.length}`])
        assert.deepStrictEqual(untold[0], untold[1])
        const behind = yield* open(role, { ...negotiated, compression: { threshold: 0 }, use: () => Effect.never })
        yield* behind.ws.send(secret, { compress: false })
        yield* behind.ws.send(secret)
        const [, second] = yield* behind.peer.frames(2)
        assert.strictEqual(second!.payload.length, deflate(Buffer.from(secret)).length)
      }))
  })
})

// zlib works off the event loop, first come first served: what is asked of it now is answered after all that was before.
const untilZlibIsIdle = Effect.promise(() =>
  Promise.all(Array.from({ length: 16 }, () => promisify(Zlib.deflateRaw)(noise(200 * kib, 9))))
).pipe(Effect.andThen(turns))
