import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { boolean, length, validWire, wires, withCuts } from "./support/arbitraries.ts"
import { bigEndian, concat, cutsEvery, noise, splitAt } from "./support/bytes.ts"
import { drain, encodeFor, next, readable } from "./support/decoding.ts"
import { isCollected, liveArrayBuffers } from "./support/garbage.ts"

const noLimit = Number.MAX_SAFE_INTEGER
const roles: ReadonlyArray<Role> = ["client", "server"]

// These share a thread with each other and with the garbage collector.
const timeout = 60_000

describe("the caller's chunks", { timeout }, () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(
      `are not written to: ${kind}`,
      { cut: withCuts(wire) },
      ({ cut: { cuts, wire: { bytes, role, rsv1 } } }) => {
        // A client has nothing to unmask, so it leaves alone even what it owns. And nothing is owned that nobody gave away.
        for (const ownsChunks of role === "client" ? [true, false, undefined] : [false, undefined]) {
          const chunks = splitAt(bytes, cuts)
          FrameDecoder.decodeAll(chunks, { role, rsv1, maxFrameSize: noLimit, ownsChunks })
          assert.isTrue(Buffer.from(bytes).equals(concat(chunks)))
        }
      }
    )
  }

  // A copy for each frame would make a chunk cost the square of its length.
  for (const lent of [false, true]) {
    it(`are copied once for all their frames, if they are ${lent ? "on loan" : "the caller's to keep"}`, () => {
      const frames = Array.from({ length: 20 }, (_, i) => Frame.make(Opcode.Binary, noise(100, i)))
      const chunk = concat(frames.map((frame) => encodeFor("server", frame)))
      const copies: Array<number> = []
      const allocate = (bytes: number) => {
        copies.push(bytes)
        return new Uint8Array(bytes)
      }
      const decoder = FrameDecoder.make({ role: "server", maxFrameSize: 1000, allocate })
      decoder.push(chunk, lent)
      assert.deepStrictEqual(readable(drain(decoder).frames), readable(frames))
      assert.deepStrictEqual(copies, [chunk.length])
    })
  }

  it("come from memory that a caller shares between them, and each stays as it is", () => {
    const arena = new Uint8Array(200_000)
    let used = 0
    const allocate = (bytes: number) => arena.subarray(used, used += bytes)
    const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 100_000, allocate })
    const frames = [5000, 40_000].map((length) => Frame.make(Opcode.Binary, noise(length, length)))
    const bytes = concat(frames.map((frame) => Frame.encode(frame)))
    const decoded: Array<Frame.Frame> = []
    for (const chunk of splitAt(bytes, cutsEvery(1000, bytes.length))) {
      decoder.push(chunk)
      decoded.push(...drain(decoder).frames)
    }
    assert.deepStrictEqual(readable(decoded), readable(frames))
  })

  it("are unmasked in place if the decoder owns them, within the payload and nowhere else", () => {
    const frame = Frame.make(Opcode.Binary, noise(100, 1))
    const bytes = Frame.encode(frame, 0x37fa213d)
    const chunk = concat([noise(3, 2), bytes, [0x82], noise(3, 2)])
    const decoder = FrameDecoder.make({ role: "server", maxFrameSize: 1000, ownsChunks: true })
    decoder.push(chunk.subarray(3, -3))
    assert.strictEqual(next(decoder)?.payload.buffer, chunk.buffer)
    assert.deepStrictEqual(chunk, concat([noise(3, 2), bytes.subarray(0, 6), frame.payload, [0x82], noise(3, 2)]))
  })
})

describe("a payload", { timeout }, () => {
  for (const role of roles) {
    for (const ownsChunks of [true, false]) {
      const who = `as a ${role} that ${ownsChunks ? "owns" : "does not own"} its chunks`

      it(`is unchanged after 5,000 more frames, ${who}`, () => {
        const frames = Array.from({ length: 5_001 }, (_, i) => Frame.make(Opcode.Binary, noise((i * 7) % 200, i + 1)))
        const bytes = concat(frames.map((frame) => encodeFor(role, frame)))
        const decoder = FrameDecoder.make({ role, maxFrameSize: 1000, ownsChunks })
        // Several frames share a chunk, and some payloads lie in two or three of them.
        const decoded = splitAt(bytes, cutsEvery(251, bytes.length)).flatMap((chunk) => {
          decoder.push(chunk)
          return drain(decoder).frames
        })
        assert.deepStrictEqual(readable(decoded), readable(frames))
      })

      it(`may be written to by its holder, ${who}`, () => {
        const frames = Array.from({ length: 50 }, (_, i) => Frame.make(Opcode.Binary, noise(i * 3, i + 1)))
        const bytes = concat(frames.map((frame) => encodeFor(role, frame)))
        const decoder = FrameDecoder.make({ role, maxFrameSize: 1000, ownsChunks })
        const left = [...frames]
        for (const chunk of splitAt(bytes, cutsEvery(100, bytes.length))) {
          decoder.push(chunk)
          for (let frame = next(decoder); frame !== undefined; frame = next(decoder)) {
            assert.deepStrictEqual(readable([frame]), readable(left.splice(0, 1)))
            frame.payload.fill(0xff)
          }
        }
        assert.deepStrictEqual(left, [])
      })
    }
  }

  it("is a view of the chunk that had it whole, if nothing was masked", () => {
    const chunk = Frame.encode(Frame.make(Opcode.Binary, noise(100, 1)))
    const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
    decoder.push(chunk)
    assert.strictEqual(next(decoder)?.payload.buffer, chunk.buffer)
  })

  it("of no bytes is its holder's like any other: to give it away to a worker hurts no other connection", () => {
    const ping = Uint8Array.of(0x89, 0)
    const options = { role: "client", maxFrameSize: 10 } as const
    const [given] = FrameDecoder.decodeAll([ping], options).frames
    structuredClone(given!.payload, { transfer: [given!.payload.buffer] })
    const [kept] = FrameDecoder.decodeAll([ping], options).frames
    assert.deepStrictEqual(Frame.encode(kept!), ping)
    const frame = Frame.make(Opcode.Binary, noise(10, 1))
    const { frames } = FrameDecoder.decodeAll(splitAt(Frame.encode(frame), [5]), options)
    assert.deepStrictEqual(readable(frames), readable([frame]))
  })
})

describe("what a decoder holds", { timeout }, () => {
  // Bytes that a decoder may have room for beside twice what arrived.
  const block = 4096

  it("B8 is at most about twice what arrived, whatever was announced", () => {
    const arrived = noise(1000, 1)
    const connections = 64
    for (const announced of [65_536n, 2n ** 24n, 2n ** 32n, 2n ** 53n - 1n]) {
      const chunk = concat([[0x82, 0x7f], bigEndian(announced, 8), arrived])
      const before = process.memoryUsage().arrayBuffers
      const decoders = Array.from({ length: connections }, () => {
        const decoder = FrameDecoder.make({ role: "client", maxFrameSize: noLimit })
        decoder.push(chunk)
        assert.isUndefined(next(decoder))
        return decoder
      })
      // A collection in between can only lower it.
      assert.isAtMost(process.memoryUsage().arrayBuffers - before, connections * (2 * arrived.length + block))
      for (const decoder of decoders) assert.strictEqual(decoder.bufferedBytes, chunk.length)
    }
  })

  const cases = [[1, 40_000], [3000, 40], [5000, 40], [70_000, 4], [70_000, 40]] as const
  for (const [size, count, lent] of cases.flatMap((some) => [[...some, false], [...some, true]] as const)) {
    it(`B8 grows with what ${lent ? "is lent" : "arrives"}, ${count} times ${size} bytes, and a whole payload has no room left over`, () => {
      const pieces = 2 * count + 2
      const frame = Frame.make(Opcode.Binary, noise(pieces * size, 1))
      const bytes = encodeFor("server", frame)
      const decoder = FrameDecoder.make({ role: "server", maxFrameSize: noLimit })
      const read = (from: number, end: number): void => {
        const chunk = bytes.slice(from, end)
        decoder.push(chunk, lent)
        assert.isUndefined(next(decoder))
        if (!lent) return
        decoder.keep()
        chunk.fill(0)
      }
      const header = bytes.length - frame.payload.length
      read(0, header)
      const before = liveArrayBuffers()
      for (let i = 1; i < pieces; i++) {
        read(header + (i - 1) * size, header + i * size)
        // Before there is memory for the whole of it, and with.
        if (i === count || i === pieces - 1) assert.isAtMost(liveArrayBuffers() - before, 2 * i * size + block)
      }
      decoder.push(bytes.slice(-size))
      const [decoded] = drain(decoder).frames
      assert.deepStrictEqual(readable([decoded!]), readable([frame]))
      assert.strictEqual(decoded!.payload.buffer.byteLength, frame.payload.length)
    })
  }

  it.prop("is nothing between frames", { cut: withCuts(validWire(length)), ownsChunks: boolean }, ({
    cut: { cuts, wire: { bytes, role, rsv1 } },
    ownsChunks
  }) => {
    const decoder = FrameDecoder.make({ role, rsv1, maxFrameSize: noLimit, ownsChunks })
    for (const chunk of splitAt(bytes, cuts)) {
      decoder.push(chunk)
      drain(decoder)
    }
    assert.strictEqual(decoder.bufferedBytes, 0)
  })

  for (const role of roles) {
    for (const ownsChunks of [true, false]) {
      it.effect(`is no chunk that was read, as a ${role} that ${ownsChunks ? "owns" : "does not own"} its chunks`, () =>
        Effect.gen(function*() {
          const decoder = FrameDecoder.make({ role, maxFrameSize: 20_000, ownsChunks })
          const frames = [100, 300, 20_000].map((length) => Frame.make(Opcode.Text, noise(length, 1)))
          const [first, second, third] = frames.map((frame) => encodeFor(role, frame))
          // Its buffer, because a view of a chunk holds that and not the chunk.
          const read = (chunk: Uint8Array): WeakRef<object> => {
            decoder.push(chunk)
            drain(decoder)
            return new WeakRef(chunk.buffer)
          }
          // In the middle of a header, of a payload, and between two frames.
          for (const piece of [first!, second!.slice(0, 3), second!.slice(3, 50), second!.slice(50)]) {
            assert.isTrue(yield* isCollected(read(piece.slice())))
          }
          // These may stay where they are until the payload is whole.
          const large = [third!.slice(0, 9_000), third!.slice(9_000)].map(read)
          assert.strictEqual(decoder.bufferedBytes, 0)
          for (const chunk of large) assert.isTrue(yield* isCollected(chunk))
        }))
    }
  }

  it.effect("is not a large chunk for the sake of a few bytes", () =>
    Effect.gen(function*() {
      const decoder = FrameDecoder.make({ role: "client", maxFrameSize: noLimit })
      const read = (): WeakRef<object> => {
        const first = Frame.encode(Frame.make(Opcode.Binary, noise(60_000, 1)))
        const chunk = concat([first, Frame.encode(Frame.make(Opcode.Binary, noise(10_000, 2))).subarray(0, 5_000)])
        decoder.push(chunk)
        drain(decoder)
        return new WeakRef(chunk.buffer)
      }
      assert.isTrue(yield* isCollected(read()))
      assert.strictEqual(decoder.bufferedBytes, 5_000)
    }))

  it("is not the chunk for the sake of no bytes at all", () => {
    const decoder = FrameDecoder.make({ role: "client", maxFrameSize: noLimit })
    decoder.push(concat([[0x82, 0x00], Frame.encode(Frame.make(Opcode.Binary, noise(100, 1)))]))
    assert.strictEqual(next(decoder)?.payload.buffer.byteLength, 0)
  })

  it.effect("is the chunk while a frame in it waits to be read, and no longer", () =>
    Effect.gen(function*() {
      const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
      const readOneOfTwo = (): WeakRef<object> => {
        const chunk = concat([[0x89, 0x00], [0x89, 0x00]])
        decoder.push(chunk)
        next(decoder)
        return new WeakRef(chunk.buffer)
      }
      const chunk = readOneOfTwo()
      assert.isFalse(yield* isCollected(chunk))
      assert.isDefined(next(decoder))
      assert.isTrue(yield* isCollected(chunk))
    }))

  it.effect("is no chunk that was read, however long a reader stays some chunks behind", () =>
    Effect.gen(function*() {
      const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
      const push = (n: number): WeakRef<object> => {
        const chunk = concat([[0x82, 0x01, n]])
        decoder.push(chunk)
        return new WeakRef(chunk.buffer)
      }
      const behind = 5
      const chunks = Array.from({ length: behind }, (_, n) => push(n))
      for (let n = 0; n < 20; n++) {
        assert.deepStrictEqual(next(decoder)?.payload, Uint8Array.of(n))
        chunks.push(push(n + behind))
      }
      assert.strictEqual(decoder.bufferedBytes, 3 * behind)
      // As many as wait may be held beside them.
      for (const chunk of chunks.slice(0, -2 * behind)) assert.isTrue(yield* isCollected(chunk))
      assert.lengthOf(drain(decoder).frames, behind)
    }))

  it.effect("is nothing after a failure", () =>
    Effect.gen(function*() {
      const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
      const read = (...bytes: ReadonlyArray<number>): WeakRef<object> => {
        const chunk = Uint8Array.from(bytes)
        decoder.push(chunk)
        drain(decoder)
        return new WeakRef(chunk.buffer)
      }
      const chunks = [read(0x83, 0), read(0x81), read(0x00)]
      for (const chunk of chunks) assert.isTrue(yield* isCollected(chunk))
    }))
})
