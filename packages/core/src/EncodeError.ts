/**
 * What *we* may not send. Found before a byte of it is queued, so the connection goes on.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"

/**
 * What exactly was wrong; `argument` in the error names where.
 *
 * @category models
 * @since 0.1.0
 */
export type Reason =
  | { readonly _tag: "UnknownOpcode"; readonly opcode: number }
  /** `length` in bytes. */
  | { readonly _tag: "ControlTooLong"; readonly length: number }
  | { readonly _tag: "FragmentedControl" }
  | { readonly _tag: "ReservedBit" }
  /** RSV1, where no extension was negotiated that uses it. */
  | { readonly _tag: "ExtensionMissing" }
  | { readonly _tag: "InvalidCloseCode"; readonly code: number }
  /** `length` in bytes of UTF-8. */
  | { readonly _tag: "CloseReasonTooLong"; readonly length: number }
  | { readonly _tag: "FragmentOutOfOrder" }
  | { readonly _tag: "AfterClose" }

/**
 * A frame that the protocol does not let us send.
 *
 * **Example** (A ping that is too long)
 *
 * ```ts
 * import { Frame, Opcode } from "@websocket-stream/core"
 *
 * const error = Frame.check(Frame.make(Opcode.Ping, new Uint8Array(126)))!
 * error.argument // => "payload"
 * error.message // => "payload: a control frame holds at most 125 bytes, this one has 126 (RFC 6455 5.5)"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class EncodeError extends Data.TaggedError("EncodeError")<{ readonly reason: Reason }> {
  /** The argument that was wrong. */
  get argument(): "opcode" | "payload" | "fin" | "rsv1" | "code" | "reason" {
    return rules[this.reason._tag].argument
  }

  /** The section of RFC 6455 that holds the rule. */
  get section(): string {
    return rules[this.reason._tag].section
  }

  override get message(): string {
    return `${this.argument}: ${describe(this.reason)} (RFC 6455 ${this.section})`
  }
}

/**
 * Whether a value is an `EncodeError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isEncodeError = (value: unknown): value is EncodeError => value instanceof EncodeError

const rules = {
  UnknownOpcode: { argument: "opcode", section: "5.2" },
  ControlTooLong: { argument: "payload", section: "5.5" },
  FragmentedControl: { argument: "fin", section: "5.5" },
  ReservedBit: { argument: "rsv1", section: "5.2" },
  ExtensionMissing: { argument: "rsv1", section: "5.2" },
  InvalidCloseCode: { argument: "code", section: "7.4" },
  CloseReasonTooLong: { argument: "reason", section: "5.5" },
  FragmentOutOfOrder: { argument: "opcode", section: "5.4" },
  AfterClose: { argument: "opcode", section: "5.5.1" }
} as const

const describe = (reason: Reason): string => {
  switch (reason._tag) {
    case "UnknownOpcode":
      return `${reason.opcode} is not an opcode, take one of the constants of Opcode`
    case "ControlTooLong":
      return `a control frame holds at most 125 bytes, this one has ${reason.length}`
    case "FragmentedControl":
      return "a control frame cannot be fragmented, leave fin true"
    case "ReservedBit":
      return "only the first frame of a data message may carry RSV1, leave it false"
    case "ExtensionMissing":
      return "no extension that uses RSV1 was negotiated, leave it false, or say of the stream that one was"
    case "InvalidCloseCode":
      return `${reason.code} may not travel in a Close frame, take 1000 or one of 3000 to 4999`
    case "CloseReasonTooLong":
      return `a close reason has at most 123 bytes of UTF-8, this one has ${reason.length}`
    case "FragmentOutOfOrder":
      return "a continuation continues a message that was begun, and nothing else may come before its end"
    case "AfterClose":
      return "nothing can be sent after a Close frame"
  }
}
