/**
 * What hostile peers do with frames and messages, over real connections, each requirement by its number. Where memory is the
 * point, what was measured is printed: array buffers and heap of the whole process, so both ends and what lies between.
 */
import { assert, describe, it } from "@effect/vitest"
import { Limits } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { noise } from "../packages/core/test/support/bytes.ts"
import { assertFrames, closeByPeer, expectFailure, protocolError, run, turns } from "./support/cases.ts"
import { Gauge, report, show } from "./support/memory.ts"
import { inBothRoles, open, type Opened } from "./support/opened.ts"
import * as Raw from "./support/rawFrames.ts"

const kib = 1024
const mib = 1024 * 1024

const hold = () => Effect.never

/** Waits until our end has read so many bytes of frames. */
const untilRead = ({ socket }: Opened, bytes: number, before: number): Effect.Effect<void> =>
  Effect.gen(function*() {
    while (socket.bytesRead - before < bytes) yield* turns
  })

/** Writes bytes again and again, and waits until our end has read all of them. */
const pour = Effect.fnUntraced(function*(opened: Opened, bytes: Uint8Array, times = 1) {
  const before = opened.socket.bytesRead
  for (let i = 0; i < times; i++) yield* opened.peer.write(bytes)
  yield* untilRead(opened, bytes.length * times, before)
})

const frames = ({ peer }: Opened, shape: Raw.Shape, count: number): Buffer => {
  const one = Raw.encode(shape, peer.role === "client")
  return Buffer.alloc(one.length * count, one)
}

const first: Raw.Shape = { opcode: Raw.binary, payload: "a", fin: false }

// One after the other, because what is measured is the memory of the process.
describe("memory", { concurrent: false }, () => {
  inBothRoles((role) => {
    it.live(`R1: pings to a peer that never reads keep one pong waiting, the newest (${role})`, () =>
      Effect.gen(function*() {
        // Where what is queued can be seen.
        const opened = yield* open(role, { use: hold, direct: false })
        const { peer, socket, ws } = opened
        yield* peer.pause
        const padding = Buffer.alloc(121)
        const ping = (i: number): Raw.Shape => {
          const number = Buffer.alloc(4)
          number.writeUInt32BE(i)
          return { opcode: Raw.ping, payload: Buffer.concat([number, padding]) }
        }
        const batch = (from: number) =>
          Buffer.concat(Array.from({ length: 1000 }, (_, i) => Raw.encode(ping(from + i), peer.role === "client")))
        const gauge = new Gauge()
        // As long as it takes until a pong has to wait, and then three times as many.
        let pings = 0
        let isFullAt = 0
        while (isFullAt === 0 || pings < isFullAt * 4) {
          yield* pour(opened, batch(pings))
          pings += 1000
          assert.isAtMost(socket.writableLength, socket.writableHighWaterMark + 131)
          if (isFullAt === 0 && socket.writableNeedDrain) isFullAt = pings
        }
        const { arrayBuffers, objects } = gauge.look()
        yield* report(
          `R1, ${role}: ${pings} pings, ${socket.writableLength} bytes of pongs queued, ` +
            `${show(arrayBuffers)} of buffers and ${show(objects)} of heap more than before`
        )
        assert.isBelow(arrayBuffers, mib)
        // Automatic replies take the room of messages, too.
        const sending = yield* Effect.forkChild(ws.send("waits"), { startImmediately: true })
        assert.isUndefined(sending.pollUnsafe())
        yield* peer.resume
        let [pongs, last] = [0, -1]
        for (let frame = yield* peer.frame; frame.opcode === Raw.pong; frame = yield* peer.frame) {
          assert.isAbove(frame.payload.readUInt32BE(0), last)
          last = frame.payload.readUInt32BE(0)
          pongs++
        }
        assert.strictEqual(last, pings - 1)
        assert.isBelow(pongs, pings)
      }))

    it.live(`R2: a message in fragments of a byte weighs what it says, not what its frames would (${role})`, () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const fragments = frames(opened, { ...first, opcode: Raw.continuation }, 10_000)
        yield* opened.peer.send([first])
        const gauge = new Gauge()
        yield* pour(opened, fragments, 13)
        const { arrayBuffers, objects } = gauge.look()
        yield* report(
          `R2, ${role}: 130,001 fragments of a byte unfinished: ${show(arrayBuffers)} of buffers, ${
            show(objects)
          } of heap`
        )
        assert.isBelow(arrayBuffers, 2 * 130_001 + 64 * kib)
        assert.isBelow(objects, mib)
        yield* opened.peer.send([{ opcode: Raw.continuation }])
        assert.strictEqual((yield* opened.peer.frame).payload.length, 130_001)
        yield* closeByPeer(opened, role)
      }))

    it.live(`R2: what unfinished messages of all connections hold has a limit, and 1013 past it (${role})`, () =>
      Effect.gen(function*() {
        const options = { limits: { maxHeldBytes: mib, maxMessageSize: mib } }
        const holders = yield* Effect.replicateEffect(open(role, options), 4)
        const gauge = new Gauge()
        const half = frames(holders[0]!, { ...first, payload: Buffer.alloc(240 * kib) }, 1)
        for (const holder of holders) yield* pour(holder, half)
        yield* report(
          `R2, ${role}: four connections hold ${
            show(gauge.look().arrayBuffers)
          } of unfinished messages; the fifth is refused`
        )
        const fifth = yield* open(role, options)
        yield* fifth.peer.write(half)
        yield* expectFailure(fifth, role, [], { code: 1013, reason: "TooMuchHeld" })
        // What one of them held is given back, whichever way it ends.
        holders[0]!.peer.socket.resetAndDestroy()
        yield* holders[0]!.closed
        const sixth = yield* open(role, options)
        yield* pour(sixth, half)
        yield* sixth.peer.send([{ opcode: Raw.continuation }])
        assert.strictEqual((yield* sixth.peer.frame).payload.length, 240 * kib)
      }))

    it.live(`R3: empty fragments cost: 1008 past the default limit, with nothing held by then (${role})`, () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const empty = frames(opened, { opcode: Raw.continuation, fin: false }, 10_000)
        yield* opened.peer.send([{ opcode: Raw.text, fin: false }])
        const gauge = new Gauge()
        yield* pour(opened, empty, 13)
        const { arrayBuffers, objects } = gauge.look()
        yield* report(
          `R3, ${role}: 130,001 empty fragments: ${show(arrayBuffers)} of buffers, ${show(objects)} of heap`
        )
        assert.isBelow(arrayBuffers, 64 * kib)
        assert.isBelow(objects, mib)
        yield* opened.peer.write(empty)
        yield* expectFailure(opened, role, [], { code: 1008, reason: "TooManyFragments" })
      }))

    // A server takes less by default, because anyone may connect to it.
    const [connections, size] = role === "server"
      ? [16, Limits.defaultServerMaxMessageSize]
      : [2, Limits.defaultClientMaxMessageSize]
    it.live(`R4: default limits are a bound of memory: ${connections} connections that never finish (${role})`, () =>
      Effect.gen(function*() {
        const opened = yield* Effect.replicateEffect(open(role), connections)
        const message = frames(opened[0]!, { opcode: Raw.binary, payload: Buffer.alloc(size) }, 1).subarray(0, -1)
        const gauge = new Gauge()
        for (const one of opened) yield* pour(one, message)
        const { arrayBuffers, objects } = gauge.look()
        yield* report(
          `R4, ${role}: ${connections} unfinished messages of ${show(size)}: ${show(arrayBuffers)} of buffers, ` +
            `${show(objects)} of heap`
        )
        assert.isBelow(arrayBuffers, connections * (size + 128 * kib))
        assert.isBelow(objects, 4 * mib)
      }))

    it.live(`R4: of messages that nobody receives no more is held than receiveBuffer and a chunk (${role})`, () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold })
        const { peer, socket } = opened
        const many = frames(opened, { opcode: Raw.text }, 100_000)
        const gauge = new Gauge()
        peer.socket.write(many)
        // Each empty text counts as an object does, or a chunk would become thousands of them for nothing.
        yield* turns
        const { arrayBuffers, objects } = gauge.look()
        yield* report(
          `R4, ${role}: empty texts that nobody receives: ${show(arrayBuffers)} of buffers, ${show(objects)} of heap`
        )
        assert.isBelow(objects, mib)
        assert.isBelow(socket.bytesRead, many.length)
      }))

    it.live(`R5: sizes are added up at the header, before a byte is kept, and what was kept is gone (${role})`, () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { limits: { maxMessageSize: mib } })
        const gauge = new Gauge()
        yield* pour(opened, frames(opened, { ...first, payload: Buffer.alloc(600 * kib) }, 1))
        const before = gauge.look().arrayBuffers
        const header = frames(opened, { opcode: Raw.continuation, announced: BigInt(600 * kib) }, 1)
        yield* opened.peer.write(header)
        yield* expectFailure(opened, role, [], { code: 1009, reason: "MessageTooLarge" })
        const after = gauge.look().arrayBuffers
        yield* report(`R5, ${role}: ${show(before)} held of 600 KiB, ${show(after)} behind the header that is too much`)
        assert.isBelow(after, 64 * kib)
      }))

    it.live(`R10: a length that is only announced takes no memory (${role})`, () =>
      Effect.gen(function*() {
        const most = Number.MAX_SAFE_INTEGER
        const gauge = new Gauge()
        for (const announced of [2n ** 31n, 2n ** 32n, 2n ** 40n, BigInt(most)]) {
          const opened = yield* open(role, { limits: { maxMessageSize: most } })
          yield* pour(opened, frames(opened, { opcode: Raw.binary, announced, payload: "just begun" }, 1))
          assert.isFalse(opened.peer.hasEnded())
        }
        const { arrayBuffers } = gauge.look()
        yield* report(`R10, ${role}: four frames of up to 2^53 bytes announced: ${show(arrayBuffers)} held`)
        assert.isBelow(arrayBuffers, 256 * kib)
      }))
  })
})

describe("memory that is not ours to show", () => {
  inBothRoles((role) => {
    it.live("R11: what is sent is the payload and nothing else, for every size", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold })
        const { peer, ws } = opened
        const sizes = [...Array.from({ length: 300 }, (_, i) => i), 4095, 4096, 4097, 65_535, 65_536, 200_000]
        for (const [i, size] of sizes.entries()) {
          // Secrets in the pool that new buffers are cut from.
          for (let j = 0; j < 4; j++) Buffer.from("secret".repeat(size / 4 + 1))
          const payload = Buffer.from(noise(size, i + 1))
          yield* ws.send(payload)
          yield* ws.send(payload.toString("latin1"))
          if (size <= 123) yield* Effect.forkChild(ws.ping(payload), { startImmediately: true })
          assertFrames(yield* peer.frames(size <= 123 ? 3 : 2), role, [
            { opcode: Raw.binary, payload },
            { opcode: Raw.text, payload: payload.toString("latin1") },
            ...(size <= 123 ? [{ opcode: Raw.ping, payload }] : [])
          ])
        }
      }))

    it.live("R11: a number is never taken for a length: it is a defect, and nothing is sent", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const { peer, ws } = opened
        // As a caller without types might write them.
        const number = JSON.parse("100")
        const wrong = [
          () => ws.send(number),
          () => ws.sendAll([number]),
          () => ws.send(number, { compress: false }),
          () => ws.ping(number),
          () => ws.sendStream("binary", Stream.make(number))
        ]
        for (const [i, attempt] of wrong.entries()) {
          const exit = yield* Effect.exit(Effect.suspend<unknown, unknown, never>(attempt))
          assert.strictEqual(exit._tag, "Failure", `attempt ${i}`)
        }
        yield* ws.send("still open")
        assertFrames([yield* peer.frame], role, [{ opcode: Raw.text, payload: "still open" }])
        yield* closeByPeer(opened, role)
      }))
  })
})

describe("state", () => {
  const rsv1 = (opcode: number): Raw.Shape => ({ opcode, rsv: Raw.rsv1, payload: "" })

  inBothRoles((role) => {
    for (const opcode of [Raw.text, Raw.binary, Raw.continuation, Raw.close, Raw.ping, Raw.pong]) {
      it.live(`R19: RSV1 on opcode ${opcode}, though nothing was negotiated`, () =>
        run(role, { name: "", send: [rsv1(opcode)], fails: protocolError("ReservedBits") }))
    }

    it.live("R19: RSV1, though compression was offered and declined", () =>
      run(role, {
        name: "",
        options: role === "server" ? { extensions: "permessage-deflate" } : { deflate: true },
        send: [rsv1(Raw.text)],
        fails: protocolError("ReservedBits")
      }))
  })
})
