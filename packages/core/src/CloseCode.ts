/**
 * Close codes of RFC 6455 section 7.4, with those registered since, and which of them may travel in a Close frame.
 *
 * @since 0.1.0
 */

/**
 * The purpose is fulfilled.
 *
 * @category constants
 * @since 0.1.0
 */
export const Normal = 1000

/**
 * The endpoint goes away: a server shuts down, a page is left.
 *
 * @category constants
 * @since 0.1.0
 */
export const GoingAway = 1001

/**
 * The peer broke the protocol.
 *
 * @category constants
 * @since 0.1.0
 */
export const ProtocolError = 1002

/**
 * The endpoint cannot accept this kind of data (only text, say).
 *
 * @category constants
 * @since 0.1.0
 */
export const UnsupportedData = 1003

/**
 * Stands for a Close frame without a code. Never sent.
 *
 * @category constants
 * @since 0.1.0
 */
export const NoStatusReceived = 1005

/**
 * Stands for a connection that ended without a Close frame. Never sent.
 *
 * @category constants
 * @since 0.1.0
 */
export const AbnormalClosure = 1006

/**
 * A payload does not fit its type: text that is not UTF-8, say.
 *
 * @category constants
 * @since 0.1.0
 */
export const InvalidPayloadData = 1007

/**
 * A message breaks the endpoint's policy.
 *
 * @category constants
 * @since 0.1.0
 */
export const PolicyViolation = 1008

/**
 * A frame or message is larger than the endpoint accepts.
 *
 * @category constants
 * @since 0.1.0
 */
export const MessageTooBig = 1009

/**
 * The client expected an extension that the server did not negotiate.
 *
 * @category constants
 * @since 0.1.0
 */
export const MandatoryExtension = 1010

/**
 * The endpoint met a condition that it did not expect.
 *
 * @category constants
 * @since 0.1.0
 */
export const InternalError = 1011

/**
 * The service restarts; a client may come back after a random wait of 5 to 30 seconds.
 *
 * @category constants
 * @since 0.1.0
 */
export const ServiceRestart = 1012

/**
 * The service is overloaded; a client may try another address.
 *
 * @category constants
 * @since 0.1.0
 */
export const TryAgainLater = 1013

/**
 * A gateway got an invalid response from the server behind it.
 *
 * @category constants
 * @since 0.1.0
 */
export const BadGateway = 1014

/**
 * Stands for a failed TLS handshake. Never sent.
 *
 * @category constants
 * @since 0.1.0
 */
export const TlsHandshake = 1015

/**
 * Whether the code may travel in a Close frame, in either direction.
 *
 * **Details**
 *
 * 1004 is reserved; 1005, 1006 and 1015 stand for the absence of a code; 1016 to 2999 wait for a later RFC; 3000 to
 * 3999 belong to libraries and 4000 to 4999 to applications.
 *
 * **Example** (What may be sent)
 *
 * ```ts
 * import { CloseCode } from "@websocket-stream/core"
 *
 * CloseCode.isSendable(CloseCode.Normal) // => true
 * CloseCode.isSendable(CloseCode.AbnormalClosure) // => false
 * CloseCode.isSendable(4001) // => true
 * CloseCode.isSendable(5000) // => false
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isSendable = (code: number): boolean =>
  // RFC 6455 7.4.1 and the registry of 11.7: 1012 to 1014 were registered after the RFC.
  Number.isInteger(code) && (
    (code >= Normal && code <= UnsupportedData) ||
    (code >= InvalidPayloadData && code <= BadGateway) ||
    // RFC 6455 7.4.2
    (code >= 3000 && code <= 4999)
  )

/**
 * The code's name, or its range for a code that has none.
 *
 * **Example** (Readable codes)
 *
 * ```ts
 * import { CloseCode } from "@websocket-stream/core"
 *
 * CloseCode.name(1006) // => "AbnormalClosure"
 * CloseCode.name(4001) // => "Application"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const name = (code: number): string => names.get(code) ?? range(code)

const range = (code: number): string => {
  if (code >= 3000 && code <= 3999) return "Library"
  if (code >= 4000 && code <= 4999) return "Application"
  return "Reserved"
}

const names: ReadonlyMap<number, string> = new Map([
  [Normal, "Normal"],
  [GoingAway, "GoingAway"],
  [ProtocolError, "ProtocolError"],
  [UnsupportedData, "UnsupportedData"],
  [NoStatusReceived, "NoStatusReceived"],
  [AbnormalClosure, "AbnormalClosure"],
  [InvalidPayloadData, "InvalidPayloadData"],
  [PolicyViolation, "PolicyViolation"],
  [MessageTooBig, "MessageTooBig"],
  [MandatoryExtension, "MandatoryExtension"],
  [InternalError, "InternalError"],
  [ServiceRestart, "ServiceRestart"],
  [TryAgainLater, "TryAgainLater"],
  [BadGateway, "BadGateway"],
  [TlsHandshake, "TlsHandshake"]
])
