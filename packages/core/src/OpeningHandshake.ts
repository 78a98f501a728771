/**
 * The opening handshake of RFC 6455 section 4, as values over headers that an HTTP parser has read: a client makes a
 * request and confirms the response; a server reads the request, then accepts or rejects it.
 *
 * Extensions are passed on as they are; their negotiation is their own business.
 *
 * @since 0.1.0
 */
import * as Noble from "@noble/hashes/legacy.js"
import { utf8ToBytes } from "@noble/hashes/utils.js"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import { RequestError, type RequestReason, ResponseError, type ResponseReason } from "./HandshakeError.ts"
import { parseExtensions } from "./internal/extensions.ts"
import { checkHeaders, type HeaderLines } from "./internal/headerLines.ts"
import {
  contentHeader,
  hasToken,
  isBase64Of16Bytes,
  isHost,
  isOnlyToken,
  isRequestTarget,
  isToken,
  line,
  list,
  trim
} from "./internal/headers.ts"
import type { Headers } from "./internal/headers.ts"
import { type Resource, resource } from "./internal/resource.ts"
import { OptionError } from "./OptionError.ts"

export type {
  /**
   * Header lines to send, in order.
   *
   * @category models
   * @since 0.1.0
   */
  HeaderLines,
  /**
   * Headers as HTTP parsers hand them out, Node's among them: names in lower case; a header that came on several lines
   * as an array, or joined by commas.
   *
   * @category models
   * @since 0.1.0
   */
  Headers,
  /**
   * What a request asks for.
   *
   * @category models
   * @since 0.1.0
   */
  Resource
}

export {
  /**
   * What a request target names: itself where it is a path, or what the whole URL says. `undefined` for one that is no opening
   * handshake's.
   *
   * **Example** (The three that there are)
   *
   * ```ts
   * import { OpeningHandshake } from "@websocket-stream/core"
   *
   * OpeningHandshake.resource("/chat?room=1") // => { name: "/chat?room=1", host: undefined }
   * OpeningHandshake.resource("http://example.com/chat") // => { name: "/chat", host: "example.com" }
   * OpeningHandshake.resource("*") // => undefined
   * ```
   *
   * @category server
   * @since 0.1.0
   */
  resource
}

/**
 * A client's request, as a server's HTTP parser read it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceivedRequest {
  readonly method: string
  /** Default: one that names a resource. */
  readonly target?: string | undefined
  /** `"1.1"`, say. */
  readonly httpVersion: string
  readonly headers: Headers
}

/**
 * What a valid request asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Offer {
  /** `Sec-WebSocket-Key`: 16 bytes in Base64. */
  readonly key: string
  /** The subprotocols that the client speaks, the one that it likes best first. */
  readonly subprotocols: ReadonlyArray<string>
  /** `Sec-WebSocket-Extensions`, as it came. */
  readonly extensions: string | undefined
}

/**
 * A response to send.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly status: number
  readonly headers: HeaderLines
  /** Text, empty for 101. */
  readonly body: string
}

/**
 * Reads a client's request, and fails with a `RequestError` if it opens no WebSocket connection.
 *
 * **Example** (The request of RFC 6455 1.3)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const offer = OpeningHandshake.read({
 *   method: "GET",
 *   httpVersion: "1.1",
 *   headers: {
 *     host: "server.example.com",
 *     upgrade: "websocket",
 *     connection: "Upgrade",
 *     "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
 *     "sec-websocket-protocol": "chat, superchat",
 *     "sec-websocket-version": "13"
 *   }
 * })
 * Result.getOrThrow(offer).subprotocols // => ["chat", "superchat"]
 * ```
 *
 * @category server
 * @since 0.1.0
 */
export const read = ({ headers, httpVersion, method, target }: ReceivedRequest): Result.Result<Offer, RequestError> => {
  // RFC 6455 4.2.1, in its order.
  if (method !== "GET") return deny({ _tag: "MethodNotGet", method })
  if (httpVersion === "1.0" || httpVersion === "0.9") return deny({ _tag: "HttpTooOld", httpVersion })
  // RFC 9112 3.2: an asterisk is for OPTIONS, and an authority for CONNECT; 3: to what is none of the four forms a 400.
  if (target !== undefined && resource(target) === undefined) return deny({ _tag: "InvalidTarget" })
  const host = line(headers, "host")
  if (host === undefined) return deny({ _tag: "NoHost" })
  // RFC 9112 3.2: 400 for "more than one Host header field line or a Host header field with an invalid field value". Who stands
  // between us and the client may have gone by another of them.
  if (!isHost(host)) return deny({ _tag: "InvalidHost", host })
  if (!asksForUpgrade(headers)) return deny({ _tag: "NotAnUpgrade" })
  // RFC 6455 4.4 lets the version be looked at first: the rest means nothing to us in another one.
  const version = line(headers, "sec-websocket-version")
  if (version !== "13") return deny({ _tag: "UnsupportedVersion", version })
  const key = line(headers, "sec-websocket-key")
  if (key === undefined || !isBase64Of16Bytes(key)) return deny({ _tag: "InvalidKey", key })
  // RFC 9110 7.8: "A client cannot begin using an upgraded protocol on the connection until it has completely sent the request
  // message". The content of this one would be read as frames.
  const header = contentHeader(headers)
  if (header !== undefined) return deny({ _tag: "HasContent", header })
  const protocolLine = line(headers, "sec-websocket-protocol")
  const subprotocols = protocolLine === undefined ? noSubprotocols : list(protocolLine)
  // RFC 6455 4.1: "The elements that comprise this value MUST be non-empty strings [...] and MUST all be unique strings."
  if (protocolLine !== undefined && (subprotocols.length === 0 || !areUniqueTokens(subprotocols))) {
    return deny({ _tag: "InvalidSubprotocols", subprotocols: protocolLine })
  }
  const extensions = line(headers, "sec-websocket-extensions")
  // RFC 6455 9.1: a value that does not follow the grammar fails the handshake; one that is not known is just declined.
  if (extensions !== undefined && parseExtensions(extensions) === undefined) {
    return deny({ _tag: "InvalidExtensions", extensions })
  }
  return Result.succeed({ key, subprotocols, extensions })
}

/**
 * Whether the client waits for a 100 (Continue), which has to go before the 101 then.
 *
 * **Example** (One that does)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 *
 * OpeningHandshake.expectsContinue({ expect: "100-continue" }) // => true
 * ```
 *
 * @category server
 * @since 0.1.0
 */
// RFC 9110 7.8: "If a server receives both an Upgrade and an Expect header field with the "100-continue" expectation [...], the
// server MUST send a 100 (Continue) response before sending a 101".
export const expectsContinue = (headers: Headers): boolean => hasToken(line(headers, "expect"), "100-continue")

/**
 * The 101 that opens the connection.
 *
 * **Details**
 *
 * Fails with an `OptionError` for a subprotocol that is no token or was not offered, for extensions that do not follow the grammar
 * (RFC 6455 9.1), and for a header that could not be sent as it is or that belongs to the handshake itself. Whether the
 * extensions were offered is their own negotiation's business.
 *
 * **Example** (The response of RFC 6455 1.3)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const offer = { key: "dGhlIHNhbXBsZSBub25jZQ==", subprotocols: ["chat", "superchat"], extensions: undefined }
 * const response = Result.getOrThrow(OpeningHandshake.accept(offer, { subprotocol: "chat" }))
 * response.headers // => [
 * //   ["Upgrade", "websocket"],
 * //   ["Connection", "Upgrade"],
 * //   ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
 * //   ["Sec-WebSocket-Protocol", "chat"]
 * // ]
 * ```
 *
 * @category server
 * @since 0.1.0
 */
export const accept = (
  offer: Offer,
  options?: {
    /** One of the subprotocols offered. Default: none. */
    readonly subprotocol?: string | undefined
    /** The value of `Sec-WebSocket-Extensions`. Default: none. */
    readonly extensions?: string | undefined
    /** Further headers. */
    readonly headers?: HeaderLines | undefined
    /** SHA-1 of a text in ASCII, in Base64, where the platform has a faster one. Default: that of `@noble/hashes`. */
    readonly sha1?: ((text: string) => string) | undefined
  }
): Result.Result<Response, OptionError> => {
  const { extensions, headers = noHeaders, sha1, subprotocol } = options ?? {}
  // RFC 6455 4.2.2: the subprotocol is "derived from the client's handshake", or absent.
  if (subprotocol !== undefined && !offer.subprotocols.includes(subprotocol)) {
    const offered = offer.subprotocols.length === 0
      ? "absent: the client offered none"
      : offer.subprotocols.join(" or ")
    return Result.fail(new OptionError({ option: "subprotocol", value: subprotocol, expected: offered }))
  }
  const wrong = checkSubprotocol(subprotocol) ?? checkExtensions(extensions) ?? checkHeaders(headers)
  if (wrong !== undefined) return Result.fail(wrong)
  const acceptLine = ["Sec-WebSocket-Accept", acceptKey(offer.key, sha1)] as const
  const lines: Array<HeaderLines[number]> = [upgradeLine, connectionLine, acceptLine]
  if (subprotocol !== undefined) lines.push(["Sec-WebSocket-Protocol", subprotocol])
  if (extensions !== undefined) lines.push(["Sec-WebSocket-Extensions", extensions])
  lines.push(...headers)
  return Result.succeed({ status: 101, headers: lines, body: "" })
}

/**
 * The response that refuses a request, with a line of text that says why. The connection is to be closed after it.
 *
 * **Example** (A version that nobody speaks any more)
 *
 * ```ts
 * import { HandshakeError, OpeningHandshake } from "@websocket-stream/core"
 *
 * const error = new HandshakeError.RequestError({ reason: { _tag: "UnsupportedVersion", version: "8" } })
 * const response = OpeningHandshake.reject(error)
 * response.status // => 426
 * response.body // => "Sec-WebSocket-Version must be 13, it is 8 (RFC 6455 4.4)\n"
 * ```
 *
 * @category server
 * @since 0.1.0
 */
export const reject = (error: RequestError): Response => ({
  status: error.status,
  headers: [
    // RFC 9110 15.5.6: a 405 "MUST generate an Allow header field".
    ...(error.status === 405 ? [["Allow", "GET"] as const] : []),
    ...connectionLines(error.status),
    ["Content-Type", "text/plain; charset=utf-8"]
  ],
  body: `${error.message}\n`
})

/**
 * A response of the application's own that opens no connection: whoever asks is not known, or goes elsewhere, or comes too
 * often.
 *
 * **Details**
 *
 * Closes the connection; a 426 says what to upgrade to. Fails with an `OptionError` for a status that is not between 300 and 599,
 * and for a header that could not be sent as it is or that belongs to the handshake itself.
 *
 * **Example** (Who is it?)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const response = OpeningHandshake.refuse({ status: 401, headers: [["WWW-Authenticate", "Basic"]] })
 * Result.getOrThrow(response).headers // => [["Connection", "close"], ["WWW-Authenticate", "Basic"]]
 * ```
 *
 * @category server
 * @since 0.1.0
 */
export const refuse = (options: {
  readonly status: number
  /** Default: none. */
  readonly headers?: HeaderLines | undefined
  /** Text. Default: empty. */
  readonly body?: string | undefined
}): Result.Result<Response, OptionError> => {
  const { body = "", headers = [], status } = options
  // RFC 9110 15.2: a status of 1xx is no final one; and with a 2xx the client would take itself for served.
  const wrong = Number.isInteger(status) && status >= 300 && status <= 599
    ? checkHeaders(headers)
    : new OptionError({ option: "status", value: status, expected: "a whole number from 300 to 599" })
  return wrong === undefined
    ? Result.succeed({ status, headers: [...connectionLines(status), ...headers], body })
    : Result.fail(wrong)
}

/**
 * What a client asks for.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestOptions {
  /** The value of `Host`: a name or address, and the port unless it is the scheme's own. */
  readonly host: string
  /** Path and query. */
  readonly target: string
  /** 16 bytes from a strong source of entropy, fresh for each connection (RFC 6455 4.1). */
  readonly nonce: Uint8Array
  /** Subprotocols that we speak, the one that we like best first. Default: none. */
  readonly subprotocols?: ReadonlyArray<string> | undefined
  /** The value of `Sec-WebSocket-Extensions`. Default: none. */
  readonly extensions?: string | undefined
  /** Further headers: `Origin`, `Authorization`, `Cookie`. */
  readonly headers?: HeaderLines | undefined
}

/**
 * A request to send, and what `confirm` has to know of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request extends Offer {
  readonly method: "GET"
  readonly target: string
  readonly headers: HeaderLines
}

/**
 * A client's request.
 *
 * **Details**
 *
 * Fails with an `OptionError` for whatever could not be sent as it is: a target with spaces, a nonce of another length,
 * a subprotocol that is no token or stands there twice, extensions that do not follow the grammar (RFC 6455 9.1), a header with
 * control characters.
 *
 * @category client
 * @since 0.1.0
 */
export const request = (options: RequestOptions): Result.Result<Request, OptionError> => {
  const { extensions, headers = [], host, nonce, subprotocols = [], target } = options
  const wrong = checkRequest(options) ?? checkExtensions(extensions) ?? checkHeaders(headers)
  if (wrong !== undefined) return Result.fail(wrong)
  const key = Base64.encode(nonce)
  return Result.succeed({
    method: "GET",
    target,
    key,
    subprotocols,
    extensions,
    // RFC 6455 4.1, in its order.
    headers: [
      ["Host", host],
      ["Upgrade", "websocket"],
      ["Connection", "Upgrade"],
      ["Sec-WebSocket-Key", key],
      ["Sec-WebSocket-Version", "13"],
      ...optionalLine("Sec-WebSocket-Protocol", subprotocols.length === 0 ? undefined : subprotocols.join(", ")),
      ...optionalLine("Sec-WebSocket-Extensions", extensions),
      ...headers
    ]
  })
}

/**
 * What server and client agreed on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Agreement {
  readonly subprotocol: string | undefined
  /** `Sec-WebSocket-Extensions` of the response, as it came. */
  readonly extensions: string | undefined
}

/**
 * Checks a server's response to our request, and fails with a `ResponseError`, which has an example, if it opens no connection.
 *
 * @param offer what was asked for: the value of {@link request}
 * @category client
 * @since 0.1.0
 */
export const confirm = (
  response: { readonly status: number; readonly headers: Headers },
  offer: Offer
): Result.Result<Agreement, ResponseError> => {
  const { headers, status } = response
  // RFC 6455 4.1, the client's checks in their order.
  if (status !== 101) return distrust({ _tag: "StatusNot101", status })
  if (!isUpgraded(headers)) return distrust({ _tag: "NotUpgraded" })
  const accept = line(headers, "sec-websocket-accept")
  if (accept === undefined || trim(accept) !== acceptKey(offer.key)) return distrust({ _tag: "InvalidAccept", accept })
  const extensions = line(headers, "sec-websocket-extensions")
  if (extensions !== undefined && offer.extensions === undefined) {
    return distrust({ _tag: "ExtensionsNotOffered", extensions })
  }
  const subprotocol = line(headers, "sec-websocket-protocol")
  if (subprotocol !== undefined && !offer.subprotocols.includes(subprotocol)) {
    return distrust({ _tag: "SubprotocolNotOffered", subprotocol })
  }
  return Result.succeed({ subprotocol, extensions })
}

/**
 * The value of `Sec-WebSocket-Accept` that answers a key.
 *
 * **Example** (The key of RFC 6455 1.3)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 *
 * OpeningHandshake.acceptKey("dGhlIHNhbXBsZSBub25jZQ==") // => "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
 * ```
 *
 * @category server
 * @since 0.1.0
 */
// RFC 6455 4.2.2: the key and a fixed identifier, hashed with SHA-1, in Base64.
export const acceptKey = (key: string, sha1: (text: string) => string = nobleSha1): string =>
  sha1(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)

const nobleSha1 = (text: string): string => Base64.encode(Noble.sha1(utf8ToBytes(text)))

const noSubprotocols: ReadonlyArray<string> = []
const noHeaders: HeaderLines = []

const upgradeLine = ["Upgrade", "websocket"] as const
const connectionLine = ["Connection", "Upgrade"] as const

// RFC 9110 15.5.22: a 426 "MUST send an Upgrade header field", and RFC 6455 4.4: with the version that we speak.
const connectionLines = (status: number): HeaderLines =>
  status === 426
    ? [["Upgrade", "websocket"], ["Sec-WebSocket-Version", "13"], ["Connection", "Upgrade, close"]]
    : [["Connection", "close"]]

const deny = (reason: RequestReason) => Result.fail(new RequestError({ reason }))
const distrust = (reason: ResponseReason) => Result.fail(new ResponseError({ reason }))

// RFC 6455 4.2.1: Upgrade has "websocket" and Connection has "Upgrade", both whatever their case.
const asksForUpgrade = (headers: Headers): boolean =>
  hasToken(line(headers, "upgrade"), "websocket") && hasToken(line(headers, "connection"), "upgrade")

// RFC 6455 4.1: Upgrade is "websocket", where a request may have a list. RFC 9110 7.8: a response lists protocols that lie one
// upon the other, and with another one among them what follows is no frames.
const isUpgraded = (headers: Headers): boolean =>
  isOnlyToken(line(headers, "upgrade"), "websocket") && hasToken(line(headers, "connection"), "upgrade")

const areUniqueTokens = (names: ReadonlyArray<string>): boolean =>
  names.every(isToken) && new Set(names).size === names.length

const optionalLine = (name: string, value: string | undefined): HeaderLines =>
  value === undefined ? [] : [[name, value]]

const checkRequest = (options: RequestOptions): OptionError | undefined => {
  const { host, nonce, subprotocols = [], target } = options
  const wrong = (option: string, value: unknown, expected: string) => new OptionError({ option, value, expected })
  if (host === "" || !isHost(host)) return wrong("host", host, "a name or an address, with a port or without")
  if (!isRequestTarget(target)) {
    return wrong("target", target, "a path with a query or without, of visible ASCII characters, and no fragment")
  }
  if (nonce.length !== 16) return wrong("nonce", `${nonce.length} bytes long`, "16 bytes long")
  if (!areUniqueTokens(subprotocols)) return wrong("subprotocols", subprotocols, "tokens, each of them once")
  return undefined
}

// An offer that `read` made has tokens only, one that came from elsewhere may hold anything.
const checkSubprotocol = (subprotocol: string | undefined): OptionError | undefined =>
  subprotocol === undefined || isToken(subprotocol)
    ? undefined
    : new OptionError({
      option: "subprotocol",
      value: JSON.stringify(subprotocol),
      expected: "a token (RFC 9110 5.6.2)"
    })

// RFC 6455 9.1: what does not follow the grammar fails the handshake at the other end, which cannot say what of it we did.
const checkExtensions = (extensions: string | undefined): OptionError | undefined =>
  extensions === undefined || parseExtensions(extensions) !== undefined
    ? undefined
    : new OptionError({
      option: "extensions",
      value: JSON.stringify(extensions),
      expected: "absent, or names with their parameters (RFC 6455 9.1)"
    })
