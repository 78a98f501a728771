import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import {
  arbitraryBytes,
  boolean,
  edgeLengths,
  headerSoup,
  length,
  maskingKey,
  maxFrameSize,
  opcodes,
  shortLength,
  validWire,
  wires,
  withCuts
} from "./support/arbitraries.ts"
import { concat, cutsEvery, noise, splitAt } from "./support/bytes.ts"
import { drain, next, nextFailure, readable, readableDecoding, wholeFrames } from "./support/decoding.ts"
import * as NaiveDecoder from "./support/naiveDecoder.ts"

const noLimit = Number.MAX_SAFE_INTEGER
const roles: ReadonlyArray<Role> = ["client", "server"]

// Laws run at the same time on one thread, so each waits for the others, and machines differ.
const timeout = 60_000

/** What the bytes decode to, in pieces and whole, by a decoder that may write to chunks and by one that may not. */
const decodeBothWays = (
  bytes: Uint8Array,
  cuts: ReadonlyArray<number>,
  options: Omit<FrameDecoder.Options, "ownsChunks">
) => {
  const decode = (cuts: ReadonlyArray<number>) =>
    [false, true].map((ownsChunks) =>
      readableDecoding(FrameDecoder.decodeAll(splitAt(bytes, cuts), { ...options, ownsChunks }))
    )
  return { inPieces: decode(cuts), whole: decode([]) }
}

for (const [kind, wire] of Object.entries(wires)) {
  it.prop(
    `B2 any split gives the same frames and then the same failure: ${kind}`,
    { cut: withCuts(wire), maxFrameSize },
    ({ cut: { cuts, wire: { bytes, role, rsv1 } }, maxFrameSize }) => {
      const { inPieces, whole } = decodeBothWays(bytes, cuts, { role, rsv1, maxFrameSize })
      assert.deepStrictEqual(inPieces, whole)
    },
    { timeout, arbitrary: { runs: 150 } }
  )

  it.prop(
    `between frames it is as good as new: ${kind}`,
    { before: withCuts(validWire(length)), wire, ownsChunks: boolean },
    ({ before: { cuts, wire: { bytes: past } }, ownsChunks, wire: { bytes, role, rsv1 } }) => {
      const options = { role, rsv1, maxFrameSize: noLimit, ownsChunks }
      const decoder = FrameDecoder.make(options)
      for (const chunk of splitAt(past, cuts)) {
        decoder.push(chunk)
        drain(decoder)
      }
      // Of the other role's bytes it fails, and is not idle.
      if (!decoder.isIdle) return
      decoder.push(bytes.slice())
      const decoded = { ...drain(decoder), bufferedBytes: decoder.bufferedBytes }
      assert.deepStrictEqual(readableDecoding(decoded), readableDecoding(FrameDecoder.decodeAll([bytes], options)))
    },
    { timeout, arbitrary: { runs: 100 } }
  )

  it.prop(
    `B5 asking for more between any two bytes loses none: ${kind}`,
    { wire, maxFrameSize, ownsChunks: boolean },
    ({ maxFrameSize, ownsChunks, wire: { bytes, role, rsv1 } }) => {
      const options = { role, rsv1, maxFrameSize, ownsChunks }
      const decoder = FrameDecoder.make(options)
      const frames: Array<Frame.Frame> = []
      let handedOut = 0
      for (let i = 0; i < bytes.length; i++) {
        decoder.push(bytes.slice(i, i + 1))
        const answer = decoder.next()
        if (Result.isFailure(answer)) break
        if (answer.success !== undefined) {
          frames.push(answer.success)
          handedOut += Frame.encodedLength(answer.success, role === "server")
        }
        // Sparing with assertions: there are up to 420,000 bytes.
        if (next(decoder) !== undefined) assert.fail("one byte gave two frames")
        if (decoder.bufferedBytes !== i + 1 - handedOut) {
          assert.fail(`${decoder.bufferedBytes} bytes wait of ${i + 1}, of which frames have ${handedOut}`)
        }
      }
      const { bufferedBytes, failure } = drain(decoder)
      const whole = FrameDecoder.decodeAll([bytes.slice()], options)
      assert.deepStrictEqual(readableDecoding({ frames, failure, bufferedBytes }), readableDecoding(whole))
    },
    { timeout, arbitrary: { runs: 30 } }
  )
}

for (const role of roles) {
  const key = role === "server" ? 0x37fa213d : undefined

  it(`B2 every frame cut at every byte, as a ${role}`, { timeout }, () => {
    for (const opcode of opcodes) {
      for (const length of [0, 1, 2, 3, 4, 5, 63, 64, 125, 126, 127, 300]) {
        const frame = Frame.make(opcode, noise(Math.min(length, opcode >= 8 ? 125 : length), length + 1))
        const bytes = Frame.encode(frame, key)
        const expected = wholeFrames([frame])
        for (let cut = 0; cut <= bytes.length; cut++) {
          for (const ownsChunks of [false, true]) {
            const decoded = FrameDecoder.decodeAll(splitAt(bytes, [cut]), { role, maxFrameSize: noLimit, ownsChunks })
            assert.deepStrictEqual(readableDecoding(decoded), expected)
          }
        }
      }
    }
  })

  it(`B3 a 64-bit length and a masking key cut at every byte, as a ${role}`, { timeout }, () => {
    const frame = Frame.make(2, noise(65_536, 1))
    const bytes = Frame.encode(frame, key)
    for (const cut of [...Array.from({ length: 24 }, (_, i) => i), bytes.length - 1, bytes.length]) {
      const decoded = FrameDecoder.decodeAll(splitAt(bytes, [cut]), { role, maxFrameSize: noLimit })
      assert.deepStrictEqual(readableDecoding(decoded), wholeFrames([frame]))
    }
  })

  it(`B3 short streams in all the ways to cut them, as a ${role}`, { timeout }, () => {
    for (const bytes of shortStreams(key)) {
      for (let ways = 0; ways < 2 ** (bytes.length - 1); ways++) {
        const cuts = cutsEvery(1, bytes.length).filter((cut) => (ways & (1 << (cut - 1))) !== 0)
        const { inPieces, whole } = decodeBothWays(bytes, cuts, { role, maxFrameSize: 1000 })
        assert.deepStrictEqual(inPieces, whole)
      }
    }
  })
}

it.prop(
  "B2 any order of pushing and reading gives the same frames",
  {
    cut: withCuts(validWire(shortLength)),
    readAfter: Arbitrary.array(boolean, { maxLength: 40 }),
    ownsChunks: boolean
  },
  ({ cut: { cuts, wire: { bytes, frames, role, rsv1 } }, ownsChunks, readAfter }) => {
    const decoder = FrameDecoder.make({ role, rsv1, maxFrameSize: noLimit, ownsChunks })
    const read: Array<Frame.Frame> = []
    splitAt(bytes, cuts).forEach((chunk, i) => {
      decoder.push(chunk)
      const readNow = readAfter[i % Math.max(1, readAfter.length)] ?? false
      const frame = readNow ? next(decoder) : undefined
      if (frame !== undefined) read.push(frame)
    })
    const { bufferedBytes, failure, frames: others } = drain(decoder)
    const decoding = readableDecoding({ frames: [...read, ...others], failure, bufferedBytes })
    assert.deepStrictEqual(decoding, wholeFrames(frames))
  },
  { timeout, arbitrary: { runs: 200 } }
)

it.prop(
  "B11 a failure is the answer to all that follows",
  { wire: validWire(shortLength), broken: headerSoup, more: arbitraryBytes },
  ({ broken, more, wire }) => {
    const decoder = FrameDecoder.make({ role: wire.role, rsv1: wire.rsv1, maxFrameSize: 300 })
    decoder.push(concat([wire.bytes, broken.bytes, [0x83]]))
    const { failure } = drain(decoder)
    // The reserved opcode at the end may be part of a payload that goes on.
    if (failure === undefined) return
    for (const chunk of [more.bytes, wire.bytes]) {
      decoder.push(chunk)
      assert.strictEqual(nextFailure(decoder), failure)
      assert.strictEqual(decoder.bufferedBytes, 0)
    }
  },
  { timeout }
)

describe("agreement with a decoder that reads RFC 6455 5.2 field by field", { timeout }, () => {
  /** What is wrong with our decoding, or `undefined` if it is that of the naive decoder. */
  const disagreement = (bytes: Uint8Array, options: NaiveDecoder.Options): string | undefined => {
    const decode = (end: number) => FrameDecoder.decodeAll([bytes.subarray(0, end)], options)
    const naive = NaiveDecoder.decode(bytes, options)
    const { bufferedBytes, failure, frames } = decode(bytes.length)
    assert.deepStrictEqual(readable(frames), readable(naive.frames))
    if (bufferedBytes !== naive.rest) return `${bufferedBytes} bytes wait, not ${naive.rest}`
    if (naive.brokenAt === undefined || failure === undefined) return failure?.message ?? naive.broken[0]
    const { reason } = failure
    if (!naive.broken.includes(reason._tag)) return `${reason._tag}, not ${naive.broken.join(" or ")}`
    if (reason._tag === "FrameTooLarge" && reason.announcedAtLeast !== Number(naive.announcedAtLeast)) {
      return `${reason.announcedAtLeast} announced, not ${naive.announcedAtLeast}`
    }
    if (decode(naive.brokenAt).failure !== undefined) return "refused before the byte that decides it"
    return decode(naive.brokenAt + 1).failure === undefined ? "not refused at the byte that decides it" : undefined
  }

  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(kind, { wire, maxFrameSize }, ({ maxFrameSize, wire: { bytes, role, rsv1 } }) => {
      assert.isUndefined(disagreement(bytes, { role, rsv1, maxFrameSize }))
    })
  }

  for (const role of roles) {
    it(`every first two bytes, as a ${role}`, () => {
      for (const rsv1 of [true, false]) {
        for (let first = 0; first < 0x100; first++) {
          const options = { role, rsv1, maxFrameSize: 100 }
          // Behind a byte that is refused the second one decides nothing.
          const seconds = NaiveDecoder.decode(Uint8Array.of(first), options).broken.length > 0 ? 1 : 0x100
          for (let second = 0; second < seconds; second++) {
            assert.isUndefined(disagreement(Uint8Array.of(first, second), options))
          }
        }
      }
    })

    it(`16-bit lengths, as a ${role}`, () => {
      for (let length = 0; length < 0x1_0000; length += length < 0x200 ? 1 : 0x55) {
        const bytes = Uint8Array.of(0x82, role === "server" ? 0xfe : 0x7e, length >> 8, length)
        assert.isUndefined(disagreement(bytes, { role, rsv1: false, maxFrameSize: 60_000 }))
      }
    })
  }
})

describe("arbitrary bytes never throw", { timeout }, () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(
      `${kind}: frames, then need for more or a typed error`,
      { wire, maxFrameSize, ownsChunks: boolean },
      ({ maxFrameSize, ownsChunks, wire: { bytes, role, rsv1 } }) => {
        const options = { role, rsv1, maxFrameSize, ownsChunks }
        const { bufferedBytes, failure, frames } = FrameDecoder.decodeAll([bytes.slice()], options)
        const taken = frames.reduce((taken, frame) => taken + Frame.encodedLength(frame, role === "server"), 0)
        if (failure === undefined) {
          assert.strictEqual(taken + bufferedBytes, bytes.length)
        } else {
          assert.instanceOf(failure, ProtocolError.ProtocolError)
          assert.strictEqual(bufferedBytes, 0)
          assert.isBelow(taken, bytes.length)
        }
        for (const frame of frames) assert.isAtMost(frame.payload.length, maxFrameSize)
      }
    )
  }
})

describe("decode is the inverse of encode", { timeout }, () => {
  it.prop("for any frames", { wire: validWire(length) }, ({ wire: { bytes, frames, role, rsv1 } }) => {
    const decoded = FrameDecoder.decodeAll([bytes], { role, rsv1, maxFrameSize: noLimit })
    assert.deepStrictEqual(readableDecoding(decoded), wholeFrames(frames))
  })

  it.prop("for every length at which the header changes, masked and not, whole and in fragments", {
    key: maskingKey
  }, ({ key }) => {
    for (const length of edgeLengths) {
      for (const fin of [true, false]) {
        const frame = Frame.make(2, noise(length, key), { fin })
        const unmasked = FrameDecoder.decodeAll([Frame.encode(frame)], { role: "client", maxFrameSize: length })
        const masked = FrameDecoder.decodeAll([Frame.encode(frame, key)], { role: "server", maxFrameSize: length })
        assert.deepStrictEqual(readableDecoding(unmasked), wholeFrames([frame]))
        assert.deepStrictEqual(readableDecoding(masked), wholeFrames([frame]))
      }
    }
  }, { arbitrary: { runs: 20 } })
})

/** All of twelve bytes or fewer: 2,048 ways to cut the longest. */
const shortStreams = (key: number | undefined): ReadonlyArray<Uint8Array> => {
  const hi = Frame.encode(Frame.make(1, new Uint8Array([0x68, 0x69])), key)
  const ping = Frame.encode(Frame.make(9, new Uint8Array(0)), key)
  const mask = key === undefined ? 0 : 0x80
  return [
    concat([hi, key === undefined ? [...ping, ...hi] : []]),
    concat([ping, key === undefined ? hi : [], [0x81]]),
    // Those below end in a failure: of a first byte, of a second, of a length.
    concat([hi, [0x83, 0x00]]),
    concat([ping, [0x88, mask | 0x7e, 0]]),
    Uint8Array.of(0x82, mask | 0x7e, 0x00, 0x7d, 0x01),
    Uint8Array.of(0x82, mask | 0x7e, 0x03, 0xe9, 0x01),
    Uint8Array.of(0x82, mask | 0x7f, 0, 0, 0, 0, 0, 0, 0, 1, 1),
    Uint8Array.of(0x82, mask | 0x7f, 0, 0, 0, 0, 0, 1, 0, 0, 1),
    Uint8Array.of(0x82, mask | 0x7f, 0x80, 0, 0, 0)
  ]
}
