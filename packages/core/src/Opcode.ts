/**
 * The six opcodes of RFC 6455 section 5.2, and nothing else: the ten reserved values are not opcodes.
 *
 * @since 0.1.0
 */

/**
 * The four bits that say how a frame's payload is to be read.
 *
 * **Details**
 *
 * Opcodes are plain numbers, so a frame costs no more than its bytes. Use the constants of this module instead of
 * literals: `Opcode.Text`, `Opcode.Ping`.
 *
 * @category models
 * @since 0.1.0
 */
export type Opcode =
  | typeof Continuation
  | typeof Text
  | typeof Binary
  | typeof Close
  | typeof Ping
  | typeof Pong

/**
 * A further fragment of the message begun by an earlier frame (RFC 6455 5.4).
 *
 * @category constants
 * @since 0.1.0
 */
export const Continuation = 0x0

/**
 * The first or only frame of a text message: its payload is UTF-8 (RFC 6455 5.6).
 *
 * @category constants
 * @since 0.1.0
 */
export const Text = 0x1

/**
 * The first or only frame of a binary message (RFC 6455 5.6).
 *
 * @category constants
 * @since 0.1.0
 */
export const Binary = 0x2

/**
 * Ends the connection, with an optional code and reason (RFC 6455 5.5.1).
 *
 * @category constants
 * @since 0.1.0
 */
export const Close = 0x8

/**
 * Asks for a pong with the same payload (RFC 6455 5.5.2).
 *
 * @category constants
 * @since 0.1.0
 */
export const Ping = 0x9

/**
 * Answers a ping, or says unasked that the sender lives (RFC 6455 5.5.3).
 *
 * @category constants
 * @since 0.1.0
 */
export const Pong = 0xa

/**
 * Whether a number is one of the six opcodes.
 *
 * **Example** (Reserved values)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 *
 * Opcode.isOpcode(0x2) // => true
 * Opcode.isOpcode(0x3) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isOpcode = (value: number): value is Opcode => names[value] !== undefined

/**
 * Whether the opcode names a control frame: close, ping or pong (RFC 6455 5.5).
 *
 * @category guards
 * @since 0.1.0
 */
// RFC 6455 5.5: "Control frames are identified by opcodes where the most significant bit of the opcode is 1."
export const isControl = (opcode: Opcode): opcode is typeof Close | typeof Ping | typeof Pong => opcode >= 0x8

/**
 * Whether the opcode names a data frame: continuation, text or binary (RFC 6455 5.6).
 *
 * @category guards
 * @since 0.1.0
 */
export const isData = (opcode: Opcode): opcode is typeof Continuation | typeof Text | typeof Binary => opcode < 0x8

/**
 * The opcode's name, as errors and logs print it.
 *
 * **Example** (A readable opcode)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 *
 * Opcode.name(0x9) // => "Ping"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const name = (opcode: Opcode): string => names[opcode]!

// Indexed by the nibble that the peer sent.
const names = [
  "Continuation",
  "Text",
  "Binary",
  ...Array.from({ length: 5 }, () => undefined),
  "Close",
  "Ping",
  "Pong"
]
