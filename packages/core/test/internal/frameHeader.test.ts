import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Reason } from "@websocket-stream/core/ProtocolError"
import { FrameHeader, type HeaderOptions } from "../../src/internal/frameHeader.ts"
import { edgeLengths, opcodes } from "../support/arbitraries.ts"

const key = 0xfedc_ba98

const make = (options?: Partial<HeaderOptions>) =>
  new FrameHeader({ masked: false, maxFrameSize: Number.MAX_SAFE_INTEGER, rsv1: false, ...options })

/** Reads on to the first byte that is wrong. */
const read = (header: FrameHeader, bytes: ReadonlyArray<number>): Reason | undefined => {
  for (const byte of bytes) {
    const wrong = header.read(byte)
    if (wrong !== undefined) return wrong
  }
  return undefined
}

/** The header of a frame that has so many bytes of payload. */
const headerBytes = (frame: Frame.Frame, masked: boolean): ReadonlyArray<number> => {
  const bytes = Frame.encode(frame, masked ? key : undefined)
  return [...bytes.subarray(0, bytes.length - frame.payload.length)]
}

describe("a frame's header", () => {
  it("is whole with its last byte, and says what was encoded, time after time", () => {
    for (const masked of [true, false]) {
      const header = make({ masked, rsv1: true })
      for (const opcode of opcodes) {
        for (const length of edgeLengths) {
          if (Opcode.isControl(opcode) && length > 125) continue
          const fin = Opcode.isControl(opcode) || length % 2 === 0
          const rsv1 = opcode === Opcode.Text && length > 100
          const bytes = headerBytes(Frame.make(opcode, new Uint8Array(length), { fin, rsv1 }), masked)
          for (const byte of bytes) {
            assert.isFalse(header.isWhole)
            assert.isUndefined(header.read(byte))
          }
          assert.isTrue(header.isWhole)
          const said = [header.opcode, header.fin, header.rsv1, header.length]
          assert.deepStrictEqual(said, [opcode, fin, rsv1, length])
          if (masked) assert.strictEqual(header.key >>> 0, key)
          header.begin()
        }
      }
    }
  })

  it("takes any masking key", () => {
    const header = make({ masked: true })
    for (const key of [[0, 0, 0, 0], [0xff, 0xff, 0xff, 0xff], [0x80, 0, 0, 1], [1, 2, 3, 4]]) {
      assert.isUndefined(read(header, [0x82, 0x81, ...key]))
      assert.isTrue(header.isWhole)
      assert.strictEqual(header.key >>> 0, key.reduce((sum, byte) => sum * 0x100 + byte))
      header.begin()
    }
  })

  it("R10 a 64-bit length is read exactly up to 2^53 - 1, and compared before it is whole", () => {
    const header = make()
    assert.isUndefined(read(header, [0x82, 127, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]))
    assert.strictEqual(header.length, Number.MAX_SAFE_INTEGER)
    assert.deepStrictEqual(read(make(), [0x82, 127, 0, 0x20]), {
      _tag: "FrameTooLarge",
      limit: Number.MAX_SAFE_INTEGER,
      announcedAtLeast: 2 ** 53
    })
    assert.deepStrictEqual(read(make(), [0x82, 127, 0x80]), { _tag: "LengthTopBit" })
    assert.deepStrictEqual(read(make({ maxFrameSize: 2 ** 32 }), [0x82, 127, 0, 0, 0, 1, 0, 0, 0, 1]), {
      _tag: "FrameTooLarge",
      limit: 2 ** 32,
      announcedAtLeast: 2 ** 32 + 1
    })
  })

  it("R19 RSV1 stands on the first frame of a message only, and only if it was negotiated", () => {
    for (const rsv1 of [true, false]) {
      for (const opcode of opcodes) {
        const isFirst = opcode === Opcode.Text || opcode === Opcode.Binary
        const wrong = read(make({ rsv1 }), [0xc0 | opcode])
        if (rsv1 && isFirst) assert.isUndefined(wrong)
        else assert.deepStrictEqual(wrong, { _tag: "ReservedBits", bits: 0x40 })
      }
    }
  })
})

describe("the header of a usual frame", () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => byte)
  const lengths = [0, 1, 125, 126, 127].flatMap((length) => [length, 0x80 | length])
  const extended = [[0, 0], [0, 125], [0, 126], [0, 127], [1, 0], [0xff, 0xff]] as const
  const sizes = [2, 3, 4, 6, 7, 8, 9, 14] as const
  const said = ({ fin, isWhole, key, length, opcode, rsv1 }: FrameHeader) => ({
    fin,
    isWhole,
    key,
    length,
    opcode,
    rsv1
  })

  for (const masked of [true, false]) {
    it(`read at once is what it is byte by byte, or is left to that, ${masked ? "masked" : "not masked"}`, () => {
      let taken = 0
      for (const options of [{ maxFrameSize: 126 }, { rsv1: true }].map((one) => ({ ...one, masked }))) {
        for (const first of bytes) {
          for (const second of lengths) {
            for (const [high, low] of extended) {
              for (const size of sizes) {
                const header = [first, second, high, low, 1, 0xfe, 3, 4, 5, 6, 7, 8, 9, 10].slice(0, size)
                const atOnce = make(options)
                const count = atOnce.readUsual(Uint8Array.of(0xff, ...header), 1)
                if (atOnce.isWhole !== count > 0) assert.fail(`${header.join()} took ${count}`)
                if (count === 0) continue
                const oneByOne = make(options)
                assert.isUndefined(read(oneByOne, header.slice(0, count)), header.join())
                assert.deepStrictEqual(said(atOnce), said(oneByOne), header.join())
                taken++
              }
            }
          }
        }
      }
      assert.isAbove(taken, 100)
    })
  }

  it("is not read at once amid another", () => {
    const header = make()
    const chunk = Uint8Array.of(0x82, 126, 0, 126, 1, 2, 3, 4, 5)
    header.read(0x81)
    assert.strictEqual(header.readUsual(chunk, 0), 0)
    header.begin()
    assert.strictEqual(header.readUsual(chunk, 0), 4)
    assert.strictEqual(header.length, 126)
  })
})
