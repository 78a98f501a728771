import { assert, describe, it } from "@effect/vitest"
import * as EncodeError from "@websocket-stream/core/EncodeError"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import { length, opcodes, validWire } from "./support/arbitraries.ts"

type Tag = EncodeError.Reason["_tag"]

interface Case {
  readonly frames: ReadonlyArray<Frame.Frame>
  readonly reason: EncodeError.Reason
  readonly argument: string
  readonly section: string
  readonly message: string
}

const empty = new Uint8Array(0)
const long = new Uint8Array(126)

/** A frame whose opcode a program without types made up. */
const withOpcode = (opcode: number): Frame.Frame => Object.assign(Frame.make(Opcode.Text, empty), { opcode })

const controls = [Opcode.Ping, Opcode.Pong, Opcode.Close] as const

/** What one frame decides. The others are found by `Close.encode`, by a `Connection`, and by who knows what was negotiated. */
type FrameTag = Exclude<
  Tag,
  "ExtensionMissing" | "InvalidCloseCode" | "CloseReasonTooLong" | "FragmentOutOfOrder" | "AfterClose"
>

const cases: { readonly [T in FrameTag]: Case } = {
  UnknownOpcode: {
    frames: [withOpcode(3)],
    reason: { _tag: "UnknownOpcode", opcode: 3 },
    argument: "opcode",
    section: "5.2",
    message: "opcode: 3 is not an opcode, take one of the constants of Opcode (RFC 6455 5.2)"
  },
  ControlTooLong: {
    frames: controls.map((opcode) => Frame.make(opcode, long)),
    reason: { _tag: "ControlTooLong", length: 126 },
    argument: "payload",
    section: "5.5",
    message: "payload: a control frame holds at most 125 bytes, this one has 126 (RFC 6455 5.5)"
  },
  FragmentedControl: {
    frames: controls.map((opcode) => Frame.make(opcode, empty, { fin: false })),
    reason: { _tag: "FragmentedControl" },
    argument: "fin",
    section: "5.5",
    message: "fin: a control frame cannot be fragmented, leave fin true (RFC 6455 5.5)"
  },
  ReservedBit: {
    frames: ([...controls, Opcode.Continuation] as const).map((opcode) => Frame.make(opcode, empty, { rsv1: true })),
    reason: { _tag: "ReservedBit" },
    argument: "rsv1",
    section: "5.2",
    message: "rsv1: only the first frame of a data message may carry RSV1, leave it false (RFC 6455 5.2)"
  }
}

describe("EncodeError", { timeout: 60_000 }, () => {
  for (const [tag, { argument, frames, message, reason, section }] of Object.entries(cases)) {
    it(`B12 ${tag} is found before a byte is written, and names the argument`, () => {
      for (const frame of frames) {
        const error = Frame.check(frame)
        assert.isTrue(EncodeError.isEncodeError(error))
        assert.deepStrictEqual(error?.reason, reason)
        assert.strictEqual(error?.argument, argument)
        assert.strictEqual(error?.section, section)
        assert.strictEqual(error?.message, message)
      }
    })
  }

  it("names the argument of what more than a frame decides, too", () => {
    const said = (["InvalidCloseCode", "CloseReasonTooLong", "FragmentOutOfOrder", "AfterClose"] as const).map(
      (_tag) => {
        const error = new EncodeError.EncodeError({ reason: { _tag, code: 1006, length: 124 } })
        return `${error.argument} ${error.message}`
      }
    )
    assert.deepStrictEqual(said, [
      "code code: 1006 may not travel in a Close frame, take 1000 or one of 3000 to 4999 (RFC 6455 7.4)",
      "reason reason: a close reason has at most 123 bytes of UTF-8, this one has 124 (RFC 6455 5.5)",
      "opcode opcode: a continuation continues a message that was begun, and nothing else may come before its end " +
      "(RFC 6455 5.4)",
      "opcode opcode: nothing can be sent after a Close frame (RFC 6455 5.5.1)"
    ])
  })

  it("says what to do about an extension that nobody negotiated", () => {
    const error = new EncodeError.EncodeError({ reason: { _tag: "ExtensionMissing" } })
    assert.strictEqual(error.argument, "rsv1")
    assert.strictEqual(
      error.message,
      "rsv1: no extension that uses RSV1 was negotiated, leave it false, or say of the stream that one was (RFC 6455 5.2)"
    )
  })

  it("every number that is no opcode is refused", () => {
    for (const opcode of [-1, 3, 7, 11, 16, 128, 1.5, Number.NaN, Infinity]) {
      assert.deepStrictEqual(Frame.check(withOpcode(opcode))?.reason, { _tag: "UnknownOpcode", opcode })
    }
  })

  it("all that may be sent passes", () => {
    for (const opcode of opcodes) assert.isUndefined(Frame.check(Frame.make(opcode, new Uint8Array(125))))
    for (const opcode of [Opcode.Continuation, Opcode.Text, Opcode.Binary] as const) {
      assert.isUndefined(Frame.check(Frame.make(opcode, long, { fin: false })))
    }
    for (const opcode of [Opcode.Text, Opcode.Binary] as const) {
      assert.isUndefined(Frame.check(Frame.make(opcode, empty, { rsv1: true })))
    }
  })

  it.prop("all that a peer may send passes", { wire: validWire(length) }, ({ wire: { frames } }) => {
    for (const frame of frames) assert.isUndefined(Frame.check(frame))
  })

  it("is told from other values", () => {
    assert.isTrue(EncodeError.isEncodeError(new EncodeError.EncodeError({ reason: { _tag: "ReservedBit" } })))
    for (const value of [undefined, null, "EncodeError", { _tag: "EncodeError" }, new Error("other")]) {
      assert.isFalse(EncodeError.isEncodeError(value))
    }
  })
})
