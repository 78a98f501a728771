import type * as ProtocolError from "@websocket-stream/core/ProtocolError"

type Reason = ProtocolError.Reason

const limit = Number.MAX_SAFE_INTEGER
const announcedAtLeast = 2 ** 63

/** Each reason to fail a connection, with the values that make its message the longest. */
export const reasons: { readonly [Tag in Reason["_tag"]]: Extract<Reason, { readonly _tag: Tag }> } = {
  ReservedBits: { _tag: "ReservedBits", bits: 0x70 },
  UnknownOpcode: { _tag: "UnknownOpcode", opcode: 15 },
  FragmentedControl: { _tag: "FragmentedControl", opcode: 10 },
  ControlTooLong: { _tag: "ControlTooLong", opcode: 10 },
  MaskMissing: { _tag: "MaskMissing" },
  MaskForbidden: { _tag: "MaskForbidden" },
  LengthNotMinimal: { _tag: "LengthNotMinimal", lengthBytes: 8 },
  LengthTopBit: { _tag: "LengthTopBit" },
  FrameTooLarge: { _tag: "FrameTooLarge", limit, announcedAtLeast },
  UnexpectedContinuation: { _tag: "UnexpectedContinuation" },
  ExpectedContinuation: { _tag: "ExpectedContinuation", opcode: 2 },
  MessageTooLarge: { _tag: "MessageTooLarge", limit, announcedAtLeast },
  TooManyFragments: { _tag: "TooManyFragments", limit },
  TooMuchHeld: { _tag: "TooMuchHeld", limit },
  InvalidUtf8: { _tag: "InvalidUtf8" },
  CloseBodyTooShort: { _tag: "CloseBodyTooShort" },
  InvalidCloseCode: { _tag: "InvalidCloseCode", code: 65_535 },
  InvalidCompressedData: { _tag: "InvalidCompressedData" },
  InflatedTooLarge: { _tag: "InflatedTooLarge", limit }
}
