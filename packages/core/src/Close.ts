/**
 * What a Close frame says (RFC 6455 5.5.1): a code and a reason, or nothing.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as CloseCode from "./CloseCode.ts"
import { EncodeError } from "./EncodeError.ts"
import * as Frame from "./Frame.ts"
import { ProtocolError, type Reason } from "./ProtocolError.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * A code with a reason, which may be empty.
 *
 * **Details**
 *
 * A Close frame without a body is read as code 1005 (RFC 6455 7.1.5), and a connection that ended without a Close frame as
 * 1006. Neither can be sent.
 *
 * @category models
 * @since 0.1.0
 */
export interface Close {
  readonly code: number
  /** At most 123 bytes in UTF-8. */
  readonly reason: string
}

/**
 * The longest reason, in bytes of UTF-8: a control frame holds 125, and the code takes two.
 *
 * @category constants
 * @since 0.1.0
 */
export const maxReasonBytes = Frame.maxControlPayload - 2

/**
 * A code with a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (code: number, reason = ""): Close => ({ code, reason })

/**
 * A code with as much of a reason as fits: whole characters, and at most 123 bytes of UTF-8.
 *
 * **Example** (A reason that is too long)
 *
 * ```ts
 * import { Close } from "@websocket-stream/core"
 *
 * Close.fitting(1011, "\u20ac".repeat(50)).reason.length // => 41
 * Close.fitting(1000, "bye") // => { code: 1000, reason: "bye" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fitting = (code: number, reason: string): Close => make(code, cut(reason))

/**
 * Stands for a Close frame without a body: code 1005.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Close = make(CloseCode.NoStatusReceived)

/**
 * Stands for a connection that ended without a Close frame: code 1006.
 *
 * @category constructors
 * @since 0.1.0
 */
export const abnormal: Close = make(CloseCode.AbnormalClosure)

/**
 * The body of a Close frame; empty for {@link none}.
 *
 * **Details**
 *
 * Fails with an `EncodeError` for a code that may not travel (RFC 6455 7.4) and for a reason of more than 123 bytes.
 *
 * **Example** (A code and a reason)
 *
 * ```ts
 * import { Close } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const payload = Result.getOrThrow(Close.encode(Close.make(1000, "bye")))
 * payload // => new Uint8Array([0x03, 0xe8, 0x62, 0x79, 0x65])
 * Result.getOrThrow(Close.decode(payload)) // => { code: 1000, reason: "bye" }
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (close: Close): Result.Result<Uint8Array, EncodeError> => {
  const { code, reason } = close
  if (code === CloseCode.NoStatusReceived && reason === "") return Result.succeed(new Uint8Array(0))
  if (!CloseCode.isSendable(code)) return Result.fail(new EncodeError({ reason: { _tag: "InvalidCloseCode", code } }))
  const text = new TextEncoder().encode(reason)
  if (text.length > maxReasonBytes) {
    return Result.fail(new EncodeError({ reason: { _tag: "CloseReasonTooLong", length: text.length } }))
  }
  return Result.succeed(body(code, text))
}

/**
 * What the body of a Close frame says.
 *
 * **Details**
 *
 * Fails with a `ProtocolError` for a body of one byte, a code that may not travel, and a reason that is not UTF-8.
 *
 * @category decoding
 * @since 0.1.0
 */
export const decode = (payload: Uint8Array): Result.Result<Close, ProtocolError> => {
  if (payload.length === 0) return Result.succeed(none)
  // RFC 6455 5.5.1: "If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer".
  if (payload.length === 1) return fail({ _tag: "CloseBodyTooShort" })
  const code = payload[0]! * 0x100 + payload[1]!
  if (!CloseCode.isSendable(code)) return fail({ _tag: "InvalidCloseCode", code })
  if (Utf8.advance(Utf8.start, payload, 2) !== Utf8.start) return fail({ _tag: "InvalidUtf8" })
  return Result.succeed({ code, reason: utf8.decode(payload.subarray(2)) })
}

/**
 * What answers a protocol error: its close code, and as much of its explanation as a Close frame holds.
 *
 * **Example** (What a peer is told that sent a reserved opcode)
 *
 * ```ts
 * import { Close, ProtocolError } from "@websocket-stream/core"
 *
 * const error = new ProtocolError.ProtocolError({ reason: { _tag: "UnknownOpcode", opcode: 3 } })
 * Close.fromError(error) // => { code: 1002, reason: "the opcode 0x3 is reserved (RFC 6455 5.2)" }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromError = (error: ProtocolError): Close => fitting(error.closeCode, error.explanation)

/**
 * The body that answers a protocol error; see {@link fromError}.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encodeError = (error: ProtocolError): Uint8Array => {
  const { code, reason } = fromError(error)
  return body(code, new TextEncoder().encode(reason))
}

const body = (code: number, text: Uint8Array): Uint8Array => {
  const payload = new Uint8Array(2 + text.length)
  payload[0] = code >>> 8
  payload[1] = code
  payload.set(text, 2)
  return payload
}

// At most as many bytes as fit, and no character in two.
const cut = (reason: string): string => {
  const text = new TextEncoder().encode(reason)
  if (text.length <= maxReasonBytes) return reason
  let end = maxReasonBytes
  while ((text[end]! & 0xc0) === 0x80) end--
  return utf8.decode(text.subarray(0, end))
}

// A byte order mark is part of the reason.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })

const fail = (reason: Reason) => Result.fail(new ProtocolError({ reason }))
