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
  get argument(): "opcode" | "payload" | "fin" | "rsv1" {
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
  ReservedBit: { argument: "rsv1", section: "5.2" }
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
  }
}
