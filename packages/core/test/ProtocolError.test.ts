import { assert, describe, it } from "@effect/vitest"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import { concat } from "./support/bytes.ts"
import { drain, next, nextFailure } from "./support/decoding.ts"
import { docTable } from "./support/sources.ts"

type Tag = ProtocolError.Reason["_tag"]

interface Case {
  /** The last byte is the one that decides. */
  readonly bytes: ReadonlyArray<number>
  readonly reason: ProtocolError.Reason
  readonly role?: Role
  readonly maxFrameSize?: number
  readonly rsv1?: boolean
}

const reserved = (bits: number, byte: number, rsv1 = false): Case => ({
  bytes: [byte],
  reason: { _tag: "ReservedBits", bits },
  rsv1
})

const tooLarge = (limit: number, announcedAtLeast: number, bytes: ReadonlyArray<number>): Case => ({
  bytes,
  maxFrameSize: limit,
  reason: { _tag: "FrameTooLarge", limit, announcedAtLeast }
})

/** What one frame decides. The reasons that need more than a frame are provoked where they are found. */
type FrameTag = Extract<
  Tag,
  | "ReservedBits"
  | "UnknownOpcode"
  | "FragmentedControl"
  | "ControlTooLong"
  | "MaskMissing"
  | "MaskForbidden"
  | "LengthNotMinimal"
  | "LengthTopBit"
  | "FrameTooLarge"
>

// As a client, and without RSV1, unless a case says otherwise.
const cases: { readonly [T in FrameTag]: { readonly closeCode: number; readonly cases: ReadonlyArray<Case> } } = {
  ReservedBits: {
    closeCode: 1002,
    cases: [
      reserved(0x40, 0xc1),
      reserved(0x20, 0xa2),
      reserved(0x10, 0x91),
      reserved(0x70, 0xf9),
      reserved(0x20, 0x21, true),
      reserved(0x60, 0xe1, true),
      // RFC 7692 6.1: not on fragments but the first, and not on control frames.
      reserved(0x40, 0xc0, true),
      reserved(0x40, 0xc8, true),
      reserved(0x40, 0xc9, true),
      reserved(0x40, 0xca, true)
    ]
  },
  UnknownOpcode: {
    closeCode: 1002,
    cases: [3, 4, 5, 6, 7, 11, 12, 13, 14, 15].flatMap((opcode) => [
      { bytes: [0x80 | opcode], reason: { _tag: "UnknownOpcode", opcode } },
      { bytes: [opcode], reason: { _tag: "UnknownOpcode", opcode } }
    ])
  },
  FragmentedControl: {
    closeCode: 1002,
    cases: [8, 9, 10].map((opcode) => ({ bytes: [opcode], reason: { _tag: "FragmentedControl", opcode } }))
  },
  ControlTooLong: {
    closeCode: 1002,
    cases: [8, 9, 10].flatMap((opcode) => [
      { bytes: [0x80 | opcode, 126], reason: { _tag: "ControlTooLong", opcode } },
      { bytes: [0x80 | opcode, 127], reason: { _tag: "ControlTooLong", opcode } },
      { bytes: [0x80 | opcode, 0x80 | 126], reason: { _tag: "ControlTooLong", opcode }, role: "server" }
    ])
  },
  MaskMissing: {
    closeCode: 1002,
    cases: [0, 1, 125, 126, 127].map((second) => ({
      bytes: [0x82, second],
      reason: { _tag: "MaskMissing" },
      role: "server"
    }))
  },
  MaskForbidden: {
    closeCode: 1002,
    cases: [0, 1, 125, 126, 127].map((length) => ({ bytes: [0x82, 0x80 | length], reason: { _tag: "MaskForbidden" } }))
  },
  LengthNotMinimal: {
    closeCode: 1002,
    cases: [
      { bytes: [0x82, 126, 0, 0], reason: { _tag: "LengthNotMinimal", lengthBytes: 2 } },
      { bytes: [0x82, 126, 0, 125], reason: { _tag: "LengthNotMinimal", lengthBytes: 2 } },
      // The two that are left cannot make it 65,536 any more.
      { bytes: [0x82, 127, 0, 0, 0, 0, 0, 0], reason: { _tag: "LengthNotMinimal", lengthBytes: 8 } },
      { bytes: [0x82, 0xfe, 0, 125], reason: { _tag: "LengthNotMinimal", lengthBytes: 2 }, role: "server" }
    ]
  },
  LengthTopBit: {
    closeCode: 1002,
    cases: [
      { bytes: [0x82, 127, 0x80], reason: { _tag: "LengthTopBit" } },
      { bytes: [0x82, 127, 0xff], reason: { _tag: "LengthTopBit" } },
      { bytes: [0x82, 0xff, 0x80], reason: { _tag: "LengthTopBit" }, role: "server" }
    ]
  },
  FrameTooLarge: {
    closeCode: 1009,
    cases: [
      tooLarge(0, 1, [0x82, 1]),
      tooLarge(10, 11, [0x82, 11]),
      tooLarge(10, 125, [0x89, 125]),
      tooLarge(10, 126, [0x82, 126, 0, 126]),
      tooLarge(126, 127, [0x82, 126, 0, 127]),
      // 768 and more: not yet. 1,024 and more: yes.
      tooLarge(1000, 1001, [0x82, 126, 3, 0xe9]),
      tooLarge(1000, 1024, [0x82, 126, 4]),
      tooLarge(65_535, 65_536, [0x82, 127, 0, 0, 0, 0, 0, 1]),
      tooLarge(65_536, 65_537, [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 1]),
      tooLarge(65_536, 131_072, [0x82, 127, 0, 0, 0, 0, 0, 2]),
      tooLarge(1024 ** 2, 2 ** 32, [0x82, 127, 0, 0, 0, 1]),
      tooLarge(Number.MAX_SAFE_INTEGER, 2 ** 53, [0x82, 127, 0, 0x20]),
      tooLarge(Number.MAX_SAFE_INTEGER, 0x7f * 2 ** 56, [0x82, 127, 0x7f])
    ]
  }
}

const messages: { readonly [T in FrameTag]: string } = {
  ReservedBits:
    "the reserved bits RSV1 are set, where no extension that was negotiated gives them a meaning (RFC 6455 5.2)",
  UnknownOpcode: "the opcode 0x3 is reserved (RFC 6455 5.2)",
  FragmentedControl: "a control frame (opcode 0x8) has no FIN bit, control frames cannot be fragmented (RFC 6455 5.5)",
  ControlTooLong: "a control frame (opcode 0x8) announces more than 125 bytes (RFC 6455 5.5)",
  MaskMissing: "a frame of the client is not masked (RFC 6455 5.1)",
  MaskForbidden: "a frame of the server is masked (RFC 6455 5.1)",
  LengthNotMinimal: "a length that fits in fewer bytes takes 2 (RFC 6455 5.2)",
  LengthTopBit: "the most significant bit of a 64-bit length is set (RFC 6455 5.2)",
  FrameTooLarge: "max frame size is 0 bytes, the peer announced 1 or more (RFC 6455 10.4); " +
    "raise limits.maxMessageSize to accept it, or limits.maxFrameSize where that is less"
}

describe("ProtocolError", () => {
  for (const [tag, { cases: casesOfTag, closeCode }] of Object.entries(cases)) {
    it(`B12 ${tag} is ${closeCode}, at exactly the byte that decides it`, () => {
      for (
        const { bytes, maxFrameSize = Number.MAX_SAFE_INTEGER, reason, role = "client", rsv1 = false } of casesOfTag
      ) {
        // At the start of a stream, and behind a frame.
        for (const before of [[], role === "server" ? [0x89, 0x80, 1, 2, 3, 4] : [0x89, 0]]) {
          const decoder = FrameDecoder.make({ role, maxFrameSize, rsv1 })
          decoder.push(Uint8Array.from(before))
          drain(decoder)
          for (const byte of bytes.slice(0, -1)) {
            decoder.push(Uint8Array.of(byte))
            assert.isUndefined(next(decoder))
          }
          decoder.push(Uint8Array.from(bytes.slice(-1)))
          const failure = nextFailure(decoder)
          assert.deepStrictEqual(failure.reason, reason)
          assert.strictEqual(failure.reason._tag, tag)
          assert.strictEqual(failure.closeCode, closeCode)
          const inOneChunk = FrameDecoder.decodeAll([concat([before, bytes, [0, 0, 0]])], { role, maxFrameSize, rsv1 })
          assert.deepStrictEqual(inOneChunk.failure?.reason, reason)
        }
      }
    })
  }

  it("says the same of RSV1 whether or not an extension uses it elsewhere", () => {
    for (const opcode of [0, 8, 9, 10]) {
      const frame = Uint8Array.of(0xc0 | opcode, 0)
      const { failure } = FrameDecoder.decodeAll([frame], { role: "client", maxFrameSize: 0, rsv1: true })
      assert.strictEqual(failure?.message, messages.ReservedBits)
    }
  })

  it("says what was wrong, and where that stands", () => {
    for (const [tag, { cases: [first] }] of Object.entries(cases)) {
      const error = new ProtocolError.ProtocolError({ reason: first!.reason })
      assert.strictEqual(error.message, Object.entries(messages).find(([name]) => name === tag)?.[1])
    }
  })

  it("says of messages what was wrong, and which limit to raise", () => {
    const messageOf = (reason: ProtocolError.Reason) => new ProtocolError.ProtocolError({ reason }).message
    const said: ReadonlyArray<readonly [ProtocolError.Reason, string]> = [
      [{ _tag: "UnexpectedContinuation" }, "a continuation frame continues no message (RFC 6455 5.4)"],
      [
        { _tag: "ExpectedContinuation", opcode: 1 },
        "a new message (opcode 0x1) begins amid the fragments of another (RFC 6455 5.4)"
      ],
      [
        { _tag: "MessageTooLarge", limit: 10, announcedAtLeast: 11 },
        "max message size is 10 bytes, the peer announced 11 or more (RFC 6455 10.4); " +
        "raise limits.maxMessageSize to accept it"
      ],
      [
        { _tag: "TooManyFragments", limit: 3 },
        "a message has more than 3 fragments (RFC 6455 10.4); raise limits.maxFragments to accept it"
      ],
      [
        { _tag: "TooMuchHeld", limit: 9 },
        "the unfinished messages of all connections would hold more than the 9 bytes that they may (RFC 6455 10.4); " +
        "raise limits.maxHeldBytes to accept it"
      ],
      [{ _tag: "InvalidUtf8" }, "a text is not valid UTF-8 (RFC 6455 8.1)"],
      [
        { _tag: "CloseBodyTooShort" },
        "the body of a Close frame has one byte, a code takes two (RFC 6455 5.5.1)"
      ],
      [{ _tag: "InvalidCloseCode", code: 1006 }, "the close code 1006 may not travel (RFC 6455 7.4)"],
      [{ _tag: "InvalidCompressedData" }, "a compressed message does not inflate (RFC 7692 6.2)"],
      [
        { _tag: "InflatedTooLarge", limit: 7 },
        "max inflated size is 7 bytes, a message inflates to more (RFC 6455 10.4); " +
        "raise limits.maxInflatedSize to accept it"
      ]
    ]
    for (const [reason, message] of said) assert.strictEqual(messageOf(reason), message)
    assert.sameMembers(
      [...Object.keys(cases), ...said.map(([{ _tag }]) => _tag)],
      Object.keys(ProtocolError.rules)
    )
  })

  it("names every reserved bit that is set", () => {
    const names = [[0x40, "RSV1"], [0x20, "RSV2"], [0x10, "RSV3"], [0x50, "RSV1, RSV3"], [0x70, "RSV1, RSV2, RSV3"]]
    for (const [bits, expected] of names) {
      const { message } = new ProtocolError.ProtocolError({ reason: { _tag: "ReservedBits", bits: Number(bits) } })
      assert.include(message, `reserved bits ${expected} are set`)
    }
  })

  it("knows the close code and the section of every reason as its documentation has them", () => {
    const documented = docTable("ProtocolError", "| reason | close code |").map(([tag, closeCode, section]) => [
      tag,
      { closeCode: Number(closeCode), section }
    ])
    assert.deepStrictEqual(Object.fromEntries(documented), { ...ProtocolError.rules })
    for (const { cases: [first] } of Object.values(cases)) {
      const error = new ProtocolError.ProtocolError({ reason: first!.reason })
      const { closeCode, section } = error
      assert.deepStrictEqual({ closeCode, section }, ProtocolError.rules[error.reason._tag])
    }
  })

  it("is told from other values", () => {
    assert.isTrue(ProtocolError.isProtocolError(new ProtocolError.ProtocolError({ reason: { _tag: "MaskMissing" } })))
    for (const value of [undefined, null, "ProtocolError", { _tag: "ProtocolError" }, new Error("other")]) {
      assert.isFalse(ProtocolError.isProtocolError(value))
    }
  })
})
