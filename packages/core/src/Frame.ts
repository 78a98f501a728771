/**
 * One frame of RFC 6455 section 5.2, as plain data, and its bytes.
 *
 * ```text
 *  0               1               2               3
 *  0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7 0 1 2 3 4 5 6 7
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * |F|R|R|R| opcode|M| Payload len |    Extended payload length    |
 * |I|S|S|S|  (4)  |A|     (7)     |           (0/16/64)           |
 * |N|V|V|V|       |S|             |                               |
 * | |1|2|3|       |K|             |                               |
 * +-+-+-+-+-------+-+-------------+-------------------------------+
 * |              Masking key (0/32)               |  Payload ...  |
 * +-----------------------------------------------+---------------+
 * ```
 *
 * @since 0.1.0
 */
import { EncodeError } from "./EncodeError.ts"
import * as Masking from "./Masking.ts"
import * as Opcode from "./Opcode.ts"

/**
 * A whole frame: its opcode, whether it ends its message, RSV1 and the payload, unmasked.
 *
 * **Details**
 *
 * `payload` belongs to whoever holds the frame: nothing of ours writes to it again. It may be a view of a larger buffer,
 * which lives as long as the view does; copy a small payload that is kept for long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Frame {
  readonly opcode: Opcode.Opcode
  /** Whether this is the last frame of its message. Always true of control frames. */
  readonly fin: boolean
  /** The reserved bit that RFC 7692 uses: the message is compressed. */
  readonly rsv1: boolean
  readonly payload: Uint8Array
}

/**
 * The most that a control frame can hold: 125 bytes (RFC 6455 5.5).
 *
 * @category constants
 * @since 0.1.0
 */
export const maxControlPayload = 125

/**
 * A frame, whole unless `fin` says otherwise. The payload is kept as it is, not copied.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  opcode: Opcode.Opcode,
  payload: Uint8Array,
  options?: { readonly fin?: boolean | undefined; readonly rsv1?: boolean | undefined }
): Frame => ({ opcode, fin: options?.fin ?? true, rsv1: options?.rsv1 ?? false, payload })

/**
 * What keeps the frame from being sent, or `undefined`.
 *
 * **Details**
 *
 * Only what one frame decides: an opcode that is none, a control frame that is long or fragmented, RSV1 where no
 * extension may use it. The order of fragments is the message's business, and what a Close frame says that of `Close.encode`.
 *
 * @category validation
 * @since 0.1.0
 */
export const check = (frame: Frame): EncodeError | undefined => {
  const { fin, opcode, payload, rsv1 } = frame
  if (!Opcode.isOpcode(opcode)) return new EncodeError({ reason: { _tag: "UnknownOpcode", opcode } })
  // RFC 7692 6.1: "An endpoint MUST NOT set the "Per-Message Compressed" bit of control frames and non-first fragments of a data
  // message."
  if (rsv1 && opcode !== Opcode.Text && opcode !== Opcode.Binary) {
    return new EncodeError({ reason: { _tag: "ReservedBit" } })
  }
  if (Opcode.isData(opcode)) return undefined
  // RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT be fragmented."
  if (payload.length > maxControlPayload) {
    return new EncodeError({ reason: { _tag: "ControlTooLong", length: payload.length } })
  }
  return fin ? undefined : new EncodeError({ reason: { _tag: "FragmentedControl" } })
}

/**
 * The frame's bytes, in a new array.
 *
 * **Details**
 *
 * Masked when a masking key is given, as a client must (RFC 6455 5.1); `frame.payload` is never written to. The frame is
 * taken to be one that {@link check} lets pass.
 *
 * **Example** (The unmasked "Hello" of RFC 6455 5.7)
 *
 * ```ts
 * import { Frame, Opcode } from "@websocket-stream/core"
 *
 * const frame = Frame.make(Opcode.Text, new TextEncoder().encode("Hello"))
 * Frame.encode(frame) // => new Uint8Array([0x81, 0x05, 0x48, 0x65, 0x6c, 0x6c, 0x6f])
 * ```
 *
 * @param maskingKey 32 bits from a strong source of entropy, fresh for each frame (RFC 6455 5.3)
 * @category encoding
 * @since 0.1.0
 */
export const encode = (frame: Frame, maskingKey?: number): Uint8Array => {
  const bytes = new Uint8Array(encodedLength(frame, maskingKey !== undefined))
  encodeInto(frame, bytes, 0, maskingKey)
  return bytes
}

/**
 * How many bytes the frame takes on the wire, its header included.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodedLength = (frame: Frame, masked: boolean): number =>
  headerLength(frame.payload.length, masked) + frame.payload.length

/**
 * Writes the frame's bytes into `target` and answers the offset behind them.
 *
 * **Details**
 *
 * `target` belongs to the caller and must have {@link encodedLength} bytes left at `offset`.
 *
 * **Example** (Two frames behind each other)
 *
 * ```ts
 * import { Frame, Opcode } from "@websocket-stream/core"
 *
 * const frames = [Frame.make(Opcode.Ping, new Uint8Array(0)), Frame.make(Opcode.Text, new TextEncoder().encode("Hi"))]
 * const bytes = new Uint8Array(frames.reduce((length, frame) => length + Frame.encodedLength(frame, false), 0))
 * frames.reduce((at, frame) => Frame.encodeInto(frame, bytes, at), 0) // => 6
 * bytes // => new Uint8Array([0x89, 0x00, 0x81, 0x02, 0x48, 0x69])
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeInto = (frame: Frame, target: Uint8Array, offset: number, maskingKey?: number): number => {
  const { payload } = frame
  const start = encodeHeader(frame, target, offset, maskingKey)
  target.set(payload, start)
  const end = start + payload.length
  if (maskingKey !== undefined) Masking.applyInPlace(target, maskingKey, 0, start, end)
  return end
}

/**
 * How many bytes a frame's header takes: 2 to 14.
 *
 * @param payloadLength bytes
 * @category encoding
 * @since 0.1.0
 */
export const headerLength = (payloadLength: number, masked: boolean): number =>
  // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length"
  2 + (payloadLength < 126 ? 0 : payloadLength < 65_536 ? 2 : 8) + (masked ? 4 : 0)

/**
 * Writes the frame's header alone into `target`, and answers the offset behind it: for a payload that is written from where it is.
 *
 * **Details**
 *
 * `target` belongs to the caller and must have {@link headerLength} bytes left at `offset`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeHeader = (frame: Frame, target: Uint8Array, offset: number, maskingKey?: number): number => {
  const { length } = frame.payload
  const maskBit = maskingKey === undefined ? 0 : 0x80
  let at = offset
  target[at++] = (frame.fin ? 0x80 : 0) | (frame.rsv1 ? 0x40 : 0) | frame.opcode
  if (length < 126) {
    target[at++] = maskBit | length
  } else if (length < 65_536) {
    target[at++] = maskBit | 126
    target[at++] = length >>> 8
    target[at++] = length
  } else {
    target[at++] = maskBit | 127
    // A length has up to 53 bits, and bitwise operators see only 32.
    at = writeUint32(target, at, Math.floor(length / 0x1_0000_0000))
    at = writeUint32(target, at, length)
  }
  return maskingKey === undefined ? at : writeUint32(target, at, maskingKey)
}

const writeUint32 = (target: Uint8Array, offset: number, value: number): number => {
  target[offset] = value >>> 24
  target[offset + 1] = value >>> 16
  target[offset + 2] = value >>> 8
  target[offset + 3] = value
  return offset + 4
}
