import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import {
  boolean,
  edgeLengths,
  length,
  maxFrameSize,
  opcodes,
  validWire,
  wires,
  withCuts
} from "./support/arbitraries.ts"
import { bigEndian, concat, cutsEvery, noise, splitAt } from "./support/bytes.ts"
import { encodeFor, readable } from "./support/decoding.ts"
import { isCollected } from "./support/garbage.ts"
import { decodeParts, drainParts, joinParts } from "./support/parts.ts"

const noLimit = Number.MAX_SAFE_INTEGER
const roles: ReadonlyArray<Role> = ["client", "server"]
const timeout = 60_000

for (const [kind, wire] of Object.entries(wires)) {
  it.prop(
    `B2 any chunking gives parts that join to the frames of the whole, and then the same failure: ${kind}`,
    { cut: withCuts(wire), maxFrameSize, ownsChunks: boolean },
    ({ cut: { cuts, wire: { bytes, role, rsv1 } }, maxFrameSize, ownsChunks }) => {
      const options = { role, rsv1, maxFrameSize, ownsChunks }
      const whole = FrameDecoder.decodeAll([bytes.slice()], options)
      const { bufferedBytes, failure, parts } = decodeParts(splitAt(bytes, cuts), FrameDecoder.make(options))
      const { frames, unfinished } = joinParts(parts)
      assert.deepStrictEqual(readable(frames), readable(whole.frames))
      assert.deepStrictEqual(failure?.reason, whole.failure?.reason)
      assert.strictEqual(bufferedBytes, whole.bufferedBytes)
      if (unfinished === undefined) return
      // Nothing that has arrived of a frame is held back.
      const { arrived, frameLength } = unfinished
      assert.strictEqual(Frame.headerLength(frameLength, role === "server") + arrived, bufferedBytes)
    },
    { timeout, arbitrary: { runs: 150 } }
  )
}

describe("a part of a frame", { timeout }, () => {
  for (const role of roles) {
    for (const ownsChunks of [true, false]) {
      const who = `as a ${role} that ${ownsChunks ? "owns" : "does not own"} its chunks`

      it(`is unmasked right whatever split it comes from, ${who}`, () => {
        for (const length of [1, 2, 3, 4, 5, 7, 8, 63, 64, 65, 80, 130]) {
          const frame = Frame.make(Opcode.Binary, noise(length, length))
          const bytes = encodeFor(role, frame)
          const splits = [
            ...Array.from(bytes, (_, cut) => [cut]),
            ...[1, 3, 4, 5, 64].map((size) => cutsEvery(size, bytes.length)),
            [bytes.length - 5, bytes.length - 2, bytes.length - 1].map((cut) => Math.max(0, cut))
          ]
          for (const cuts of splits) {
            const decoder = FrameDecoder.make({ role, maxFrameSize: length, ownsChunks })
            const { parts } = decodeParts(splitAt(bytes, cuts), decoder)
            assert.deepStrictEqual(readable(joinParts(parts).frames), readable([frame]))
          }
        }
      })

      it(`is not changed by those behind it, and may be written to by its holder, ${who}`, () => {
        const frames = Array.from({ length: 60 }, (_, i) => Frame.make(Opcode.Binary, noise(i * 5, i + 1)))
        const bytes = concat(frames.map((frame) => encodeFor(role, frame)))
        const decoder = FrameDecoder.make({ role, maxFrameSize: noLimit, ownsChunks })
        const { parts } = decodeParts(splitAt(bytes, cutsEvery(97, bytes.length)), decoder)
        assert.deepStrictEqual(readable(joinParts(parts).frames), readable(frames))

        const scribbled = FrameDecoder.make({ role, maxFrameSize: noLimit, ownsChunks })
        const copies = splitAt(bytes, cutsEvery(97, bytes.length)).flatMap((chunk) => {
          scribbled.push(chunk)
          const copies: Array<FrameDecoder.FramePart> = []
          for (let part = drainOne(scribbled); part !== undefined; part = drainOne(scribbled)) {
            copies.push({ ...part, payload: part.payload.slice() })
            part.payload.fill(0xff)
          }
          return copies
        })
        assert.deepStrictEqual(readable(joinParts(copies).frames), readable(frames))
      })
    }

    it(`shows its header with the last byte of it, before any payload, as a ${role}`, () => {
      for (const opcode of opcodes) {
        for (const length of edgeLengths) {
          if (Opcode.isControl(opcode) && length > 125) continue
          const frame = Frame.make(opcode, noise(length, 1), { fin: opcode !== Opcode.Text })
          const bytes = encodeFor(role, Opcode.isControl(opcode) ? { ...frame, fin: true } : frame)
          const header = bytes.length - length
          const decoder = FrameDecoder.make({ role, maxFrameSize: length })
          decoder.push(bytes.slice(0, header - 1))
          assert.deepStrictEqual(drainParts(decoder).parts, [])
          decoder.push(bytes.slice(header - 1, header))
          const { parts: [part] } = drainParts(decoder)
          if (Opcode.isControl(opcode) && length > 0) {
            assert.isUndefined(part)
          } else {
            assert.deepStrictEqual(part, {
              opcode,
              fin: opcode !== Opcode.Text,
              rsv1: false,
              payload: new Uint8Array(0),
              first: true,
              last: length === 0,
              frameLength: length,
              lent: false
            })
          }
          assert.strictEqual(decoder.bufferedBytes, length === 0 ? 0 : header)
        }
      }
    })

    it(`says first, last and how long its frame is, as a ${role}`, () => {
      const shape = (parts: ReadonlyArray<FrameDecoder.FramePart>) =>
        parts.map(({ first, frameLength, last, payload }) => [first, last, payload.length, frameLength])
      const bytes = encodeFor(role, Frame.make(Opcode.Binary, noise(10, 1)))
      const header = bytes.length - 10
      const decode = (cuts: ReadonlyArray<number>) =>
        shape(decodeParts(splitAt(bytes, cuts), FrameDecoder.make({ role, maxFrameSize: 10 })).parts)
      assert.deepStrictEqual(decode([]), [[true, true, 10, 10]])
      assert.deepStrictEqual(decode([header]), [[true, false, 0, 10], [false, true, 10, 10]])
      assert.deepStrictEqual(decode([header + 1, header + 9]), [
        [true, false, 1, 10],
        [false, false, 8, 10],
        [false, true, 1, 10]
      ])
      // An empty chunk in between brings no part.
      assert.deepStrictEqual(decode([header, header, header + 4, header + 4]), [
        [true, false, 0, 10],
        [false, false, 4, 10],
        [false, true, 6, 10]
      ])
    })

    it(`is a whole control frame, cut wherever the network cuts it, as a ${role}`, () => {
      for (const opcode of [Opcode.Ping, Opcode.Pong, Opcode.Close] as const) {
        for (const length of [0, 1, 2, 125]) {
          const frame = Frame.make(opcode, noise(length, 3))
          const bytes = encodeFor(role, frame)
          for (let cut = 0; cut <= bytes.length; cut++) {
            const decoder = FrameDecoder.make({ role, maxFrameSize: 125 })
            const { parts } = decodeParts(splitAt(bytes, [cut, Math.min(cut + 3, bytes.length)]), decoder)
            assert.strictEqual(parts.length, 1)
            assert.deepStrictEqual(readable(joinParts(parts).frames), readable([frame]))
          }
        }
      }
    })
  }

  it("of many chunks that were pushed before any was read comes all the same", () => {
    const frames = [300, 0, 70_000, 5].map((length) => Frame.make(Opcode.Binary, noise(length, 1)))
    const bytes = concat(frames.map((frame) => encodeFor("server", frame)))
    const decoder = FrameDecoder.make({ role: "server", maxFrameSize: noLimit })
    for (const chunk of splitAt(bytes, cutsEvery(777, bytes.length))) decoder.push(chunk)
    assert.strictEqual(decoder.bufferedBytes, bytes.length)
    assert.deepStrictEqual(readable(joinParts(drainParts(decoder).parts).frames), readable(frames))
    assert.strictEqual(decoder.bufferedBytes, 0)
  })
})

/** The next part, or `undefined`: of streams that have no failure. */
const drainOne = (decoder: FrameDecoder.FrameDecoder): FrameDecoder.FramePart | undefined => {
  const next = decoder.nextPart()
  return next._tag === "Success" ? next.success : undefined
}

describe("a decoder that is asked for parts", { timeout }, () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(`does not write to chunks that are not its own: ${kind}`, { cut: withCuts(wire) }, ({
      cut: { cuts, wire: { bytes, role, rsv1 } }
    }) => {
      // A client has nothing to unmask, so it leaves alone even what it owns.
      for (const ownsChunks of role === "client" ? [true, false] : [false]) {
        const chunks = splitAt(bytes, cuts)
        decodeParts(chunks, FrameDecoder.make({ role, rsv1, maxFrameSize: noLimit, ownsChunks }))
        assert.isTrue(Buffer.from(bytes).equals(concat(chunks)))
      }
    })
  }

  it("unmasks in place in a chunk of its own, within the payload and nowhere else", () => {
    const frame = Frame.make(Opcode.Binary, noise(100, 1))
    const bytes = Frame.encode(frame, 0x37fa213d)
    const chunk = concat([noise(3, 2), bytes.subarray(0, 50), noise(3, 2)])
    const decoder = FrameDecoder.make({ role: "server", maxFrameSize: 1000, ownsChunks: true })
    decoder.push(chunk.subarray(3, -3))
    const { parts: [part] } = drainParts(decoder)
    assert.strictEqual(part?.payload.buffer, chunk.buffer)
    assert.deepStrictEqual(
      chunk,
      concat([noise(3, 2), bytes.subarray(0, 6), frame.payload.subarray(0, 44), noise(3, 2)])
    )
  })

  it("answers the same failure from then on", () => {
    const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
    decoder.push(Uint8Array.of(0x82, 5, 1, 2))
    assert.strictEqual(drainParts(decoder).parts.length, 1)
    decoder.push(Uint8Array.of(3, 4, 5, 0x83))
    const { bufferedBytes, failure, parts } = drainParts(decoder)
    assert.deepStrictEqual(parts.map(({ payload }) => payload.length), [3])
    assert.deepStrictEqual(failure?.reason, { _tag: "UnknownOpcode", opcode: 3 })
    assert.strictEqual(bufferedBytes, 0)
    decoder.push(Uint8Array.of(0x82, 0))
    assert.strictEqual(drainParts(decoder).failure, failure)
  })

  it("R10 64-bit lengths: the top bit is refused, the limit is compared at each byte, and every step ends", () => {
    const header = (length: bigint, role: Role) =>
      concat([[0x82, role === "server" ? 0xff : 0x7f], bigEndian(length, 8), role === "server" ? [1, 2, 3, 4] : []])
    for (const role of roles) {
      for (const length of [2n ** 16n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 32n - 1n, 2n ** 32n, 2n ** 53n - 1n]) {
        const decode = (maxFrameSize: bigint) =>
          decodeParts(
            [header(length, role), Uint8Array.of(1)],
            FrameDecoder.make({
              role,
              maxFrameSize: Number(maxFrameSize)
            })
          )
        const taken = decode(length)
        assert.deepStrictEqual(joinParts(taken.parts).unfinished, { frameLength: Number(length), arrived: 1 })
        const refused = decode(length - 1n)
        assert.deepStrictEqual(refused.parts, [])
        assert.strictEqual(refused.failure?.reason._tag, "FrameTooLarge")
      }
      for (
        const [length, tag] of [[2n ** 53n, "FrameTooLarge"], [2n ** 63n - 1n, "FrameTooLarge"], [
          2n ** 63n,
          "LengthTopBit"
        ], [2n ** 64n - 1n, "LengthTopBit"]] as const
      ) {
        const { failure, parts } = decodeParts(
          [header(length, role)],
          FrameDecoder.make({ role, maxFrameSize: noLimit })
        )
        assert.deepStrictEqual(parts, [])
        assert.strictEqual(failure?.reason._tag, tag)
      }
    }
  })

  for (const role of roles) {
    for (const ownsChunks of [true, false]) {
      it.effect(
        `holds no chunk that was read, in the midst of a frame or not, as a ${role} that ${
          ownsChunks ? "owns" : "does not own"
        } its chunks`,
        () =>
          Effect.gen(function*() {
            const decoder = FrameDecoder.make({ role, maxFrameSize: noLimit, ownsChunks })
            const bytes = encodeFor(role, Frame.make(Opcode.Binary, noise(100_000, 1)))
            const read = (chunk: Uint8Array): WeakRef<object> => {
              decoder.push(chunk)
              assert.isAbove(drainParts(decoder).parts.length, 0)
              return new WeakRef(chunk.buffer)
            }
            // Its header alone, much of it, a little of it, and all that is left.
            let from = 0
            for (const to of [bytes.length - 100_000, 60_000, 60_010, bytes.length]) {
              assert.isTrue(yield* isCollected(read(bytes.slice(from, to))))
              from = to
            }
            assert.strictEqual(decoder.bufferedBytes, 0)
          })
      )
    }
  }

  for (const role of roles) {
    for (const ownsChunks of [true, false]) {
      const who = `as a ${role} that ${ownsChunks ? "owns" : "does not own"} its chunks`
      it(`begins with what was kept of a frame that was asked for as a whole before, ${who}`, () => {
        for (const length of [2, 125, 126, 1000, 65_536]) {
          const [one, two] = [Frame.make(Opcode.Binary, noise(length, 1)), Frame.make(Opcode.Binary, noise(length, 2))]
          const bytes = concat([encodeFor(role, one), encodeFor(role, two)])
          const first = encodeFor(role, one).length
          for (const cut of [first - length, first - length + 1, first - 1]) {
            for (const lent of [true, false]) {
              const decoder = FrameDecoder.make({ role, maxFrameSize: noLimit, ownsChunks })
              const chunks = splitAt(bytes, [cut]).map((chunk) => chunk.slice())
              decoder.push(chunks[0]!, lent)
              assert.deepStrictEqual(decoder.next(), Result.succeed(undefined))
              decoder.keep()
              decoder.push(chunks[1]!)
              assert.deepStrictEqual(readable(joinParts(drainParts(decoder).parts).frames), readable([one, two]))
            }
          }
        }
      })
    }
  }

  it.prop("holds nothing between frames", { cut: withCuts(validWire(length)), ownsChunks: boolean }, ({
    cut: { cuts, wire: { bytes, role, rsv1 } },
    ownsChunks
  }) => {
    const decoder = FrameDecoder.make({ role, rsv1, maxFrameSize: noLimit, ownsChunks })
    assert.strictEqual(decodeParts(splitAt(bytes, cuts), decoder).bufferedBytes, 0)
  })
})
