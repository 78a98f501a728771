/**
 * What the peer did wrong. Each reason knows the close code that answers it and the rule that it broke:
 *
 * | reason | close code | RFC 6455 | when |
 * | --- | --- | --- | --- |
 * | `ReservedBits` | 1002 | 5.2 | RSV2, RSV3, or an RSV1 that no extension gave a meaning |
 * | `UnknownOpcode` | 1002 | 5.2 | an opcode of 3 to 7 or 11 to 15 |
 * | `FragmentedControl` | 1002 | 5.5 | a control frame without FIN |
 * | `ControlTooLong` | 1002 | 5.5 | a control frame that announces more than 125 bytes |
 * | `MaskMissing` | 1002 | 5.1 | an unmasked frame from a client |
 * | `MaskForbidden` | 1002 | 5.1 | a masked frame from a server |
 * | `LengthNotMinimal` | 1002 | 5.2 | a length in more bytes than it needs |
 * | `LengthTopBit` | 1002 | 5.2 | a 64-bit length with its most significant bit set |
 * | `FrameTooLarge` | 1009 | 10.4 | a length over `limits.maxFrameSize` |
 * | `UnexpectedContinuation` | 1002 | 5.4 | a continuation of no message |
 * | `ExpectedContinuation` | 1002 | 5.4 | a new message amid the fragments of another |
 * | `MessageTooLarge` | 1009 | 10.4 | frames that add up to more than `limits.maxMessageSize` |
 * | `TooManyFragments` | 1008 | 10.4 | more frames in a message than `limits.maxFragments` |
 * | `TooMuchHeld` | 1013 | 10.4 | more unfinished messages in the process than `limits.maxHeldBytes` |
 * | `InvalidUtf8` | 1007 | 8.1 | a text or a close reason that is not UTF-8 |
 * | `CloseBodyTooShort` | 1002 | 5.5.1 | a Close frame with a body of one byte |
 * | `InvalidCloseCode` | 1002 | 7.4 | a close code that may not travel |
 * | `InvalidCompressedData` | 1007 | 7692 6.2 | a compressed message that does not inflate |
 * | `InflatedTooLarge` | 1009 | 10.4 | a compressed message that inflates to more than `limits.maxInflatedSize` |
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as CloseCode from "./CloseCode.ts"
import { clause } from "./internal/clause.ts"

/**
 * What exactly was wrong, with the values that show it.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  /** `bits` as in the frame's first byte: 0x40 is RSV1, 0x20 RSV2, 0x10 RSV3. */
  | { readonly _tag: "ReservedBits"; readonly bits: number }
  | { readonly _tag: "UnknownOpcode"; readonly opcode: number }
  | { readonly _tag: "FragmentedControl"; readonly opcode: number }
  | { readonly _tag: "ControlTooLong"; readonly opcode: number }
  | { readonly _tag: "MaskMissing" }
  | { readonly _tag: "MaskForbidden" }
  /** How many bytes of extended length there were: 2 or 8. */
  | { readonly _tag: "LengthNotMinimal"; readonly lengthBytes: 2 | 8 }
  | { readonly _tag: "LengthTopBit" }
  /** Both in bytes. The refusal comes at the byte that decides it, so the length announced is known from below. */
  | { readonly _tag: "FrameTooLarge"; readonly limit: number; readonly announcedAtLeast: number }
  | { readonly _tag: "UnexpectedContinuation" }
  | { readonly _tag: "ExpectedContinuation"; readonly opcode: number }
  /** Both in bytes; what later fragments would add is not known. */
  | { readonly _tag: "MessageTooLarge"; readonly limit: number; readonly announcedAtLeast: number }
  | { readonly _tag: "TooManyFragments"; readonly limit: number }
  /** `limit` in bytes, of the whole process. */
  | { readonly _tag: "TooMuchHeld"; readonly limit: number }
  | { readonly _tag: "InvalidUtf8" }
  | { readonly _tag: "CloseBodyTooShort" }
  | { readonly _tag: "InvalidCloseCode"; readonly code: number }
  | { readonly _tag: "InvalidCompressedData" }
  /** `limit` in bytes. */
  | { readonly _tag: "InflatedTooLarge"; readonly limit: number }

/**
 * The peer broke the protocol. There is no going on from it: the connection is to be failed with `closeCode`
 * (RFC 6455 7.1.7).
 *
 * **Example** (An error that says what to answer, and why)
 *
 * ```ts
 * import { ProtocolError } from "@websocket-stream/core"
 *
 * const error = new ProtocolError.ProtocolError({ reason: { _tag: "UnknownOpcode", opcode: 3 } })
 * error.closeCode // => 1002
 * error.section // => "5.2"
 * error.message // => "the opcode 0x3 is reserved (RFC 6455 5.2)"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ProtocolError extends Data.TaggedError("ProtocolError")<{ readonly reason: Reason }> {
  /** The code for the Close frame that answers it. */
  get closeCode(): number {
    return rules[this.reason._tag].closeCode
  }

  /** The section of RFC 6455 that holds the rule; with the number of another RFC in front, a section of that. */
  get section(): string {
    return rules[this.reason._tag].section
  }

  /** What the peer did, and the rule against it: what it is told. */
  get explanation(): string {
    return `${describe(this.reason)} (${clause(this.section)})`
  }

  /** The same, and what to do about it on our side. */
  override get message(): string {
    return `${this.explanation}${advice(this.reason)}`
  }
}

/**
 * Whether a value is a `ProtocolError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isProtocolError = (value: unknown): value is ProtocolError => value instanceof ProtocolError

/**
 * The close code and the RFC 6455 section of every reason.
 *
 * @category models
 * @since 0.1.0
 */
export const rules: {
  readonly [Tag in Reason["_tag"]]: { readonly closeCode: number; readonly section: string }
} = {
  ReservedBits: { closeCode: CloseCode.ProtocolError, section: "5.2" },
  UnknownOpcode: { closeCode: CloseCode.ProtocolError, section: "5.2" },
  FragmentedControl: { closeCode: CloseCode.ProtocolError, section: "5.5" },
  ControlTooLong: { closeCode: CloseCode.ProtocolError, section: "5.5" },
  MaskMissing: { closeCode: CloseCode.ProtocolError, section: "5.1" },
  MaskForbidden: { closeCode: CloseCode.ProtocolError, section: "5.1" },
  LengthNotMinimal: { closeCode: CloseCode.ProtocolError, section: "5.2" },
  LengthTopBit: { closeCode: CloseCode.ProtocolError, section: "5.2" },
  FrameTooLarge: { closeCode: CloseCode.MessageTooBig, section: "10.4" },
  UnexpectedContinuation: { closeCode: CloseCode.ProtocolError, section: "5.4" },
  ExpectedContinuation: { closeCode: CloseCode.ProtocolError, section: "5.4" },
  MessageTooLarge: { closeCode: CloseCode.MessageTooBig, section: "10.4" },
  TooManyFragments: { closeCode: CloseCode.PolicyViolation, section: "10.4" },
  TooMuchHeld: { closeCode: CloseCode.TryAgainLater, section: "10.4" },
  InvalidUtf8: { closeCode: CloseCode.InvalidPayloadData, section: "8.1" },
  CloseBodyTooShort: { closeCode: CloseCode.ProtocolError, section: "5.5.1" },
  InvalidCloseCode: { closeCode: CloseCode.ProtocolError, section: "7.4" },
  InvalidCompressedData: { closeCode: CloseCode.InvalidPayloadData, section: "7692 6.2" },
  InflatedTooLarge: { closeCode: CloseCode.MessageTooBig, section: "10.4" }
}

const describe = (reason: Reason): string => {
  switch (reason._tag) {
    case "ReservedBits":
      return `the reserved bits ${
        bitNames(reason.bits)
      } are set, where no extension that was negotiated gives them a meaning`
    case "UnknownOpcode":
      return `the opcode 0x${reason.opcode.toString(16)} is reserved`
    case "FragmentedControl":
      return `a control frame (opcode 0x${
        reason.opcode.toString(16)
      }) has no FIN bit, control frames cannot be fragmented`
    case "ControlTooLong":
      return `a control frame (opcode 0x${reason.opcode.toString(16)}) announces more than 125 bytes`
    case "MaskMissing":
      return "a frame of the client is not masked"
    case "MaskForbidden":
      return "a frame of the server is masked"
    case "LengthNotMinimal":
      return `a length that fits in fewer bytes takes ${reason.lengthBytes}`
    case "LengthTopBit":
      return "the most significant bit of a 64-bit length is set"
    case "FrameTooLarge":
      return `max frame size is ${reason.limit} bytes, the peer announced ${reason.announcedAtLeast} or more`
    case "UnexpectedContinuation":
      return "a continuation frame continues no message"
    case "ExpectedContinuation":
      return `a new message (opcode 0x${reason.opcode.toString(16)}) begins amid the fragments of another`
    case "MessageTooLarge":
      return `max message size is ${reason.limit} bytes, the peer announced ${reason.announcedAtLeast} or more`
    case "TooManyFragments":
      return `a message has more than ${reason.limit} fragments`
    case "TooMuchHeld":
      return `the unfinished messages of all connections would hold more than the ${reason.limit} bytes that they may`
    case "InvalidUtf8":
      return "a text is not valid UTF-8"
    case "CloseBodyTooShort":
      return "the body of a Close frame has one byte, a code takes two"
    case "InvalidCloseCode":
      return `the close code ${reason.code} may not travel`
    case "InvalidCompressedData":
      return "a compressed message does not inflate"
    case "InflatedTooLarge":
      return `max inflated size is ${reason.limit} bytes, a message inflates to more`
  }
}

const advice = (reason: Reason): string => {
  const option = optionOf[reason._tag]
  if (option === undefined) return ""
  // Which a frame may have unless told otherwise: raised alone, that of frames would have the message refused for its own size.
  const other = reason._tag === "FrameTooLarge" ? ", or limits.maxFrameSize where that is less" : ""
  return `; raise limits.${option} to accept it${other}`
}

const optionOf: { readonly [Tag in Reason["_tag"]]?: string } = {
  FrameTooLarge: "maxMessageSize",
  MessageTooLarge: "maxMessageSize",
  TooManyFragments: "maxFragments",
  TooMuchHeld: "maxHeldBytes",
  InflatedTooLarge: "maxInflatedSize"
}

const bitNames = (bits: number): string =>
  [bits & 0x40 ? "RSV1" : "", bits & 0x20 ? "RSV2" : "", bits & 0x10 ? "RSV3" : ""].filter((bit) => bit !== "").join(
    ", "
  )
