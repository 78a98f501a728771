import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import { edgeLengths, integer, length, maskingKey, validWire } from "./support/arbitraries.ts"
import { bigEndian, noise } from "./support/bytes.ts"
import { readable } from "./support/decoding.ts"
import * as NaiveDecoder from "./support/naiveDecoder.ts"

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const noLimit = Number.MAX_SAFE_INTEGER

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

describe("Frame.make", () => {
  it("makes a whole frame unless told otherwise, and keeps the payload", () => {
    const payload = text("hi")
    assert.deepStrictEqual(Frame.make(Opcode.Text, payload), { opcode: 1, fin: true, rsv1: false, payload })
    assert.deepStrictEqual(Frame.make(Opcode.Text, payload, {}), { opcode: 1, fin: true, rsv1: false, payload })
    const first = Frame.make(Opcode.Text, payload, { fin: false, rsv1: true })
    assert.deepStrictEqual(first, { opcode: 1, fin: false, rsv1: true, payload })
    assert.strictEqual(first.payload, payload)
  })
})

describe("Frame.encode", { timeout: 60_000 }, () => {
  it("writes the examples of RFC 6455 5.7", () => {
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Text, text("Hello")))), "810548656c6c6f")
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Text, text("Hello")), 0x37fa213d)), "818537fa213d7f9f4d5158")
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Text, text("Hel"), { fin: false }))), "010348656c")
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Continuation, text("lo")))), "80026c6f")
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Ping, text("Hello")))), "890548656c6c6f")
    assert.strictEqual(hex(Frame.encode(Frame.make(Opcode.Pong, text("Hello")), 0x37fa213d)), "8a8537fa213d7f9f4d5158")
    const binary256 = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(256)))
    assert.strictEqual(hex(binary256.subarray(0, 4)), "827e0100")
    const binary64k = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(65_536)))
    assert.strictEqual(hex(binary64k.subarray(0, 10)), "827f0000000000010000")
  })

  it.prop(
    "B14 is read back by the naive decoder, masked and not, whole and in fragments",
    { wire: validWire(length) },
    ({ wire: { bytes, frames, role, rsv1 } }) => {
      const decoded = NaiveDecoder.decode(bytes, { role, rsv1, maxFrameSize: noLimit })
      assert.deepStrictEqual(readable(decoded.frames), readable(frames))
      assert.deepStrictEqual(decoded.broken, [])
      assert.strictEqual(decoded.rest, 0)
    }
  )

  it.prop("never writes to the payload", { key: maskingKey }, ({ key }) => {
    for (const length of edgeLengths) {
      const payload = noise(length, key)
      Frame.encode(Frame.make(Opcode.Binary, payload), key)
      Frame.encode(Frame.make(Opcode.Binary, payload))
      assert.isTrue(Buffer.from(payload).equals(noise(length, key)))
    }
  }, { arbitrary: { runs: 20 } })

  it("masks with a key of zero, too, and takes keys signed or not", () => {
    const frame = Frame.make(Opcode.Binary, Uint8Array.of(1, 2))
    assert.strictEqual(hex(Frame.encode(frame, 0)), "8282000000000102")
    assert.strictEqual(hex(Frame.encode(frame, 0xfffefdfc)), "8282fffefdfcfefc")
    assert.deepStrictEqual(Frame.encode(frame, 0xfffefdfc | 0), Frame.encode(frame, 0xfffefdfc))
  })
})

describe("Frame.encodedLength and Frame.headerLength", () => {
  it("are what encode writes", () => {
    for (const length of edgeLengths) {
      const frame = Frame.make(Opcode.Binary, new Uint8Array(length))
      for (const masked of [true, false]) {
        const written = Frame.encode(frame, masked ? 1 : undefined).length
        assert.strictEqual(Frame.encodedLength(frame, masked), written)
        assert.strictEqual(Frame.headerLength(length, masked), written - length)
      }
    }
  })

  it("take the fewest bytes that hold the length", () => {
    for (const [length, bytes] of [[0, 2], [125, 2], [126, 4], [65_535, 4], [65_536, 10], [noLimit, 10]] as const) {
      assert.strictEqual(Frame.headerLength(length, false), bytes)
      assert.strictEqual(Frame.headerLength(length, true), bytes + 4)
    }
  })
})

describe("Frame.encodeInto", { timeout: 60_000 }, () => {
  it.prop("writes the same bytes at an offset, answers the offset behind them, and touches no other", {
    offset: integer(0, 20),
    key: maskingKey
  }, ({ key, offset }) => {
    for (const length of edgeLengths) {
      for (const maskingKey of [key, undefined]) {
        const frame = Frame.make(Opcode.Binary, noise(length, key))
        const bytes = Frame.encode(frame, maskingKey)
        const target = noise(offset + bytes.length + 5, 1)
        const expected = target.slice()
        expected.set(bytes, offset)
        assert.strictEqual(Frame.encodeInto(frame, target, offset, maskingKey), offset + bytes.length)
        assert.isTrue(Buffer.from(target).equals(expected))
      }
    }
  }, { arbitrary: { runs: 20 } })

  it("writes lengths of more than 32 bits", () => {
    // There is no room for such a payload here, nor is there in the target: the header is written before that is found.
    for (const size of [2 ** 32 - 1, 2 ** 32, 2 ** 33 + 5, Number.MAX_SAFE_INTEGER]) {
      class Huge extends Uint8Array {
        override get length(): number {
          return size
        }
      }
      const target = new Uint8Array(10)
      assert.throws(() => Frame.encodeInto(Frame.make(Opcode.Binary, new Huge(20)), target, 0), RangeError)
      assert.deepStrictEqual(Array.from(target), [0x82, 0x7f, ...bigEndian(BigInt(size), 8)])
    }
  })
})
