import { assert, describe, it } from "@effect/vitest"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { opcodes } from "./support/arbitraries.ts"
import { bigEndian, concat, noise } from "./support/bytes.ts"
import { drain, encodeFor, next, nextFailure, readable, readableDecoding, wholeFrames } from "./support/decoding.ts"

const client = { role: "client", maxFrameSize: 1000 } as const
const server = { role: "server", maxFrameSize: 1000 } as const
const roles: ReadonlyArray<Role> = ["client", "server"]
const text = (value: string): Uint8Array => new TextEncoder().encode(value)

const reasonOf = (bytes: Iterable<number>, options: FrameDecoder.Options): ProtocolError.Reason | undefined =>
  FrameDecoder.decodeAll([Uint8Array.from(bytes)], options).failure?.reason

for (const role of roles) {
  it(`B1 an empty frame of every opcode comes out and what follows, too, as a ${role}`, () => {
    const frames = opcodes.flatMap((opcode) => [
      Frame.make(opcode, new Uint8Array(0)),
      Frame.make(opcode, text("hi"))
    ])
    const bytes = concat(frames.map((frame) => encodeFor(role, frame)))
    const decoded = FrameDecoder.decodeAll([bytes], { role, maxFrameSize: 1000 })
    assert.deepStrictEqual(readableDecoding(decoded), wholeFrames(frames))
  })

  it(`B1 an empty frame comes out with the last byte of its header, as a ${role}`, () => {
    for (const opcode of opcodes) {
      const frame = Frame.make(opcode, new Uint8Array(0))
      const bytes = encodeFor(role, frame)
      const decoder = FrameDecoder.make({ role, maxFrameSize: 0 })
      for (const byte of bytes.subarray(0, -1)) {
        decoder.push(Uint8Array.of(byte))
        assert.isUndefined(next(decoder))
      }
      decoder.push(bytes.subarray(-1))
      assert.deepStrictEqual(readable(drain(decoder).frames), readable([frame]))
      assert.isUndefined(next(decoder))
    }
  })

  it(`B14 whole and fragmented messages, as a ${role}`, () => {
    const frames = [
      Frame.make(Opcode.Text, text("whole")),
      Frame.make(Opcode.Binary, text("first"), { fin: false }),
      Frame.make(Opcode.Continuation, text("second"), { fin: false }),
      Frame.make(Opcode.Ping, text("in between")),
      Frame.make(Opcode.Continuation, text("last"))
    ]
    const bytes = concat(frames.map((frame) => encodeFor(role, frame)))
    assert.deepStrictEqual(
      readable(FrameDecoder.decodeAll([bytes], { role, maxFrameSize: 1000 }).frames),
      readable(frames)
    )
  })

  it(`B8 a header that claims 2^63 - 1 bytes is 1009 at its first length byte, as a ${role}`, () => {
    const decoder = FrameDecoder.make({ role, maxFrameSize: Number.MAX_SAFE_INTEGER })
    decoder.push(Uint8Array.of(0x82, role === "server" ? 0xff : 0x7f))
    assert.isUndefined(next(decoder))
    decoder.push(Uint8Array.of(0x7f))
    const failure = nextFailure(decoder)
    assert.strictEqual(failure.closeCode, CloseCode.MessageTooBig)
    assert.deepStrictEqual(failure.reason, {
      _tag: "FrameTooLarge",
      limit: Number.MAX_SAFE_INTEGER,
      announcedAtLeast: 0x7f * 2 ** 56
    })
  })

  it(`B9 the role decides who masks, as a ${role}`, () => {
    for (const opcode of opcodes) {
      for (const length of [0, 1, 125]) {
        const frame = Frame.make(opcode, noise(length, 1))
        const wrong = role === "server" ? Frame.encode(frame) : Frame.encode(frame, 0x37fa213d)
        const { failure, frames } = FrameDecoder.decodeAll([wrong], { role, maxFrameSize: 1000 })
        assert.deepStrictEqual(frames, [])
        assert.strictEqual(failure?.closeCode, CloseCode.ProtocolError)
        assert.strictEqual(failure?.reason._tag, role === "server" ? "MaskMissing" : "MaskForbidden")
      }
    }
  })
}

it("B8 a length over the limit is 1009, one at the limit is a frame", () => {
  for (const limit of [0, 1, 125, 126, 127, 128, 65_535, 65_536, 70_000]) {
    const options = { role: "client", maxFrameSize: limit } as const
    const frame = Frame.make(Opcode.Binary, noise(limit, 1))
    assert.deepStrictEqual(readable(FrameDecoder.decodeAll([Frame.encode(frame)], options).frames), readable([frame]))

    const header = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(limit + 1)))
      .subarray(0, Frame.headerLength(limit + 1, false))
    const { failure } = FrameDecoder.decodeAll([header], options)
    assert.strictEqual(failure?.closeCode, CloseCode.MessageTooBig)
    assert.deepStrictEqual(failure?.reason, { _tag: "FrameTooLarge", limit, announcedAtLeast: limit + 1 })
  }
})

it("B10 FIN and RSV1 are visible", () => {
  for (const opcode of [Opcode.Text, Opcode.Binary] as const) {
    for (const fin of [true, false]) {
      for (const rsv1 of [true, false]) {
        const frame = Frame.make(opcode, text("hi"), { fin, rsv1 })
        const decoded = FrameDecoder.decodeAll([Frame.encode(frame)], { ...client, rsv1: true })
        assert.deepStrictEqual(readable(decoded.frames), readable([frame]))
      }
    }
  }
})

it("B10 RSV1 of one frame is not seen in the next", () => {
  const frames = [
    Frame.make(Opcode.Text, text("a"), { fin: false, rsv1: true }),
    Frame.make(Opcode.Continuation, text("b"))
  ]
  const decoded = FrameDecoder.decodeAll(frames.map((frame) => Frame.encode(frame)), { ...client, rsv1: true })
  assert.deepStrictEqual(readable(decoded.frames), readable(frames))
})

it("B10 a reserved bit that was not negotiated is 1002, for every opcode and every mix of bits", () => {
  for (const opcode of opcodes) {
    for (let rsv = 1; rsv < 8; rsv++) {
      for (const negotiated of [true, false]) {
        const bits = rsv << 4
        const reason = reasonOf([0x80 | bits | opcode, 0], { ...client, rsv1: negotiated })
        const allowed = negotiated && bits === 0x40 && (opcode === Opcode.Text || opcode === Opcode.Binary)
        assert.deepStrictEqual(reason, allowed ? undefined : { _tag: "ReservedBits", bits })
      }
    }
  }
})

it("B11 an unknown opcode is reported once and for all, and eats no more bytes", () => {
  const decoder = FrameDecoder.make(client)
  decoder.push(concat([Frame.encode(Frame.make(Opcode.Text, text("hi"))), [0x83, 0x00], [0x81, 0x00]]))
  assert.deepStrictEqual(next(decoder)?.payload, text("hi"))
  const failure = nextFailure(decoder)
  assert.deepStrictEqual(failure.reason, { _tag: "UnknownOpcode", opcode: 3 })
  assert.strictEqual(decoder.bufferedBytes, 0)
  for (let i = 0; i < 3; i++) {
    decoder.push(Frame.encode(Frame.make(Opcode.Text, text("good"))))
    assert.strictEqual(nextFailure(decoder), failure)
    assert.strictEqual(decoder.bufferedBytes, 0)
  }
})

it("B11 chunks that wait behind a failure are dropped", () => {
  const decoder = FrameDecoder.make(client)
  decoder.push(Uint8Array.of(0x83))
  decoder.push(Uint8Array.of(0x81))
  decoder.push(Uint8Array.of(0x00))
  assert.strictEqual(decoder.bufferedBytes, 3)
  assert.deepStrictEqual(nextFailure(decoder).reason, { _tag: "UnknownOpcode", opcode: 3 })
  assert.strictEqual(decoder.bufferedBytes, 0)
})

it("B12 control frames are whole, of 125 bytes at most, and may stand between fragments", () => {
  for (const opcode of [Opcode.Close, Opcode.Ping, Opcode.Pong] as const) {
    const longest = Frame.make(opcode, noise(125, 1))
    assert.deepStrictEqual(
      readable(FrameDecoder.decodeAll([Frame.encode(longest)], client).frames),
      readable([longest])
    )
    const tooLong = { _tag: "ControlTooLong", opcode } as const
    assert.deepStrictEqual(reasonOf([0x80 | opcode, 126], client), tooLong)
    assert.deepStrictEqual(reasonOf([0x80 | opcode, 127], client), tooLong)
    assert.deepStrictEqual(reasonOf([opcode, 0], client), { _tag: "FragmentedControl", opcode })
  }
})

it("B12 every opcode that is none is 1002", () => {
  for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
    for (const fin of [0, 0x80]) {
      assert.deepStrictEqual(reasonOf([fin | opcode, 0], client), { _tag: "UnknownOpcode", opcode })
    }
  }
})

it("B12 a length takes the fewest bytes that hold it", () => {
  for (const length of [0, 1, 124, 125]) {
    const reason = reasonOf([0x82, 126, ...bigEndian(BigInt(length), 2)], client)
    assert.deepStrictEqual(reason, { _tag: "LengthNotMinimal", lengthBytes: 2 })
  }
  for (const length of [0, 125, 126, 65_535]) {
    const reason = reasonOf([0x82, 127, ...bigEndian(BigInt(length), 8)], client)
    assert.deepStrictEqual(reason, { _tag: "LengthNotMinimal", lengthBytes: 8 })
  }
})

describe("FrameDecoder", () => {
  it("decodes the examples of RFC 6455 5.7", () => {
    const decode = (bytes: ReadonlyArray<number>, options: FrameDecoder.Options) =>
      FrameDecoder.decodeAll([Uint8Array.from(bytes)], options).frames
    const hello = Frame.make(Opcode.Text, text("Hello"))
    assert.deepStrictEqual(readable(decode([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f], client)), readable([hello]))
    assert.deepStrictEqual(
      readable(decode([0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58], server)),
      readable([hello])
    )
    const fragments = [
      Frame.make(Opcode.Text, text("Hel"), { fin: false }),
      Frame.make(Opcode.Continuation, text("lo"))
    ]
    const decoded = decode([0x01, 0x03, 0x48, 0x65, 0x6c, 0x80, 0x02, 0x6c, 0x6f], client)
    assert.deepStrictEqual(readable(decoded), readable(fragments))
  })

  it("knows how many bytes wait", () => {
    const decoder = FrameDecoder.make(client)
    assert.strictEqual(decoder.bufferedBytes, 0)
    decoder.push(Uint8Array.of(0x82, 2, 1))
    decoder.push(new Uint8Array(0))
    decoder.push(Uint8Array.of(2, 0x89))
    assert.strictEqual(decoder.bufferedBytes, 5)
    assert.isDefined(next(decoder))
    assert.strictEqual(decoder.bufferedBytes, 1)
    assert.isUndefined(next(decoder))
    assert.strictEqual(decoder.bufferedBytes, 1)
    decoder.push(Uint8Array.of(0))
    assert.isDefined(next(decoder))
    assert.strictEqual(decoder.bufferedBytes, 0)
  })

  it("answers one shared value while it needs more", () => {
    const decoder = FrameDecoder.make(client)
    const other = FrameDecoder.make(server)
    assert.strictEqual(decoder.next(), decoder.next())
    assert.strictEqual(decoder.next(), other.next())
  })

  it("gives plain byte arrays, whatever class of them the chunks are", () => {
    for (const ownsChunks of [true, false]) {
      for (const role of roles) {
        const bytes = concat([
          encodeFor(role, Frame.make(Opcode.Text, text("whole"))),
          encodeFor(role, Frame.make(Opcode.Text, text("split"))),
          encodeFor(role, Frame.make(Opcode.Text, text("")))
        ])
        const chunks = [Buffer.from(bytes.subarray(0, -9)), Buffer.from(bytes.subarray(-9))]
        const { frames } = FrameDecoder.decodeAll(chunks, { role, maxFrameSize: 1000, ownsChunks })
        assert.deepStrictEqual(frames.map(({ payload }) => payload.constructor.name), Array(3).fill("Uint8Array"))
      }
    }
  })

  it("takes many chunks before it is asked", () => {
    const frame = Frame.make(Opcode.Binary, noise(900, 1))
    const decoder = FrameDecoder.make(server)
    for (const byte of Frame.encode(frame, 1)) decoder.push(Uint8Array.of(byte))
    assert.deepStrictEqual(readable(drain(decoder).frames), readable([frame]))
  })

  it("stops at the first failure of a list of chunks", () => {
    const chunks = [Uint8Array.of(0x89, 0), Uint8Array.of(0x83), Uint8Array.of(0x89, 0)]
    const { bufferedBytes, failure, frames } = FrameDecoder.decodeAll(chunks, client)
    assert.strictEqual(frames.length, 1)
    assert.deepStrictEqual(failure?.reason, { _tag: "UnknownOpcode", opcode: 3 })
    assert.strictEqual(bufferedBytes, 0)
  })

  it("is empty of frames when nothing came", () => {
    assert.deepStrictEqual(FrameDecoder.decodeAll([], client), { frames: [], failure: undefined, bufferedBytes: 0 })
    assert.deepStrictEqual(FrameDecoder.make(client).next(), Result.succeed(undefined))
  })
})
