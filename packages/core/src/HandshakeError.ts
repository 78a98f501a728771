/**
 * What was wrong with the peer's half of an opening handshake. Apart from `ProtocolError`, because there is no WebSocket
 * connection yet: the answer to a client is an HTTP status, and a client that refuses a server's answer just leaves.
 *
 * | reason of a `RequestError` | status | RFC 6455 |
 * | --- | --- | --- |
 * | `MethodNotGet` | 405, `Allow: GET` | 4.2.1 |
 * | `HttpTooOld` | 400 | 4.2.1 |
 * | `InvalidTarget` | 400 | 4.2.1 |
 * | `NoHost` | 400 | 4.2.1 |
 * | `InvalidHost` | 400 | 9112 3.2 |
 * | `NotAnUpgrade` | 426, `Upgrade: websocket` | 4.2.1 |
 * | `UnsupportedVersion` | 426, `Sec-WebSocket-Version: 13` | 4.4 |
 * | `InvalidKey` | 400 | 4.2.1 |
 * | `HasContent` | 400 | 9110 7.8 |
 * | `InvalidSubprotocols` | 400 | 4.1 |
 * | `InvalidExtensions` | 400 | 9.1 |
 * | `ForbiddenOrigin` | 403 | 4.2.2 |
 *
 * | reason of a `ResponseError` | RFC 6455 |
 * | --- | --- |
 * | `StatusNot101` | 4.1 |
 * | `NotUpgraded` | 4.1 |
 * | `InvalidAccept` | 4.1 |
 * | `SubprotocolNotOffered` | 4.1 |
 * | `ExtensionsNotOffered` | 4.1 |
 * | `InvalidExtensions` | 4.1 |
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { clause } from "./internal/clause.ts"
import { shown } from "./internal/shown.ts"

/**
 * What a server finds wrong with a client's request. Values are as the client sent them.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestReason =
  | { readonly _tag: "MethodNotGet"; readonly method: string }
  | { readonly _tag: "HttpTooOld"; readonly httpVersion: string }
  /** Without it: a query may be a secret. */
  | { readonly _tag: "InvalidTarget" }
  | { readonly _tag: "NoHost" }
  /** Of several lines, all of them, joined by commas. */
  | { readonly _tag: "InvalidHost"; readonly host: string }
  | { readonly _tag: "NotAnUpgrade" }
  | { readonly _tag: "UnsupportedVersion"; readonly version: string | undefined }
  | { readonly _tag: "InvalidKey"; readonly key: string | undefined }
  /** By which header. A length of 0 is none. */
  | { readonly _tag: "HasContent"; readonly header: "Content-Length" | "Transfer-Encoding" }
  | { readonly _tag: "InvalidSubprotocols"; readonly subprotocols: string }
  | { readonly _tag: "InvalidExtensions"; readonly extensions: string }
  | { readonly _tag: "ForbiddenOrigin"; readonly origin: string }

/**
 * What a client finds wrong with a server's response. Values are as the server sent them.
 *
 * @category models
 * @since 0.1.0
 */
export type ResponseReason =
  | { readonly _tag: "StatusNot101"; readonly status: number }
  | { readonly _tag: "NotUpgraded" }
  | { readonly _tag: "InvalidAccept"; readonly accept: string | undefined }
  | { readonly _tag: "SubprotocolNotOffered"; readonly subprotocol: string }
  | { readonly _tag: "ExtensionsNotOffered"; readonly extensions: string }
  | { readonly _tag: "InvalidExtensions"; readonly extensions: string }

/**
 * A request that does not open a WebSocket connection. `OpeningHandshake.reject` makes the response that says so.
 *
 * @category errors
 * @since 0.1.0
 */
export class RequestError extends Data.TaggedError("RequestError")<{ readonly reason: RequestReason }> {
  /** The HTTP status that answers it. */
  get status(): 400 | 403 | 405 | 426 {
    return requestRules[this.reason._tag].status
  }

  /** The section of RFC 6455 that holds the rule; with the number of another RFC in front, a section of that. */
  get section(): string {
    return requestRules[this.reason._tag].section
  }

  override get message(): string {
    return `${describeRequest(this.reason)} (${clause(this.section)})`
  }
}

/**
 * A response that does not open the connection that was asked for.
 *
 * **Example** (A client's half of the handshake, and a server that speaks no WebSocket)
 *
 * ```ts
 * import { OpeningHandshake } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const nonce = crypto.getRandomValues(new Uint8Array(16))
 * const request = Result.getOrThrow(OpeningHandshake.request({ host: "server.example.com", target: "/chat", nonce }))
 * const headers = {
 *   upgrade: "websocket",
 *   connection: "Upgrade",
 *   "sec-websocket-accept": OpeningHandshake.acceptKey(request.key)
 * }
 * const agreed = OpeningHandshake.confirm({ status: 101, headers }, request)
 * Result.getOrThrow(agreed) // => { subprotocol: undefined, extensions: undefined }
 * const distrusted = OpeningHandshake.confirm({ status: 200, headers: {} }, request)
 * const error = Result.getOrThrow(Result.flip(distrusted))
 * error.message // => "the server answered with status 200 instead of 101 (RFC 6455 4.1)"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ResponseError extends Data.TaggedError("ResponseError")<{ readonly reason: ResponseReason }> {
  override get message(): string {
    return `${describeResponse(this.reason)} (RFC 6455 4.1)`
  }
}

/**
 * Whether a value is one of the two errors of an opening handshake.
 *
 * @category guards
 * @since 0.1.0
 */
export const isHandshakeError = (value: unknown): value is RequestError | ResponseError =>
  value instanceof RequestError || value instanceof ResponseError

const requestRules = {
  MethodNotGet: { status: 405, section: "4.2.1" },
  HttpTooOld: { status: 400, section: "4.2.1" },
  InvalidTarget: { status: 400, section: "4.2.1" },
  NoHost: { status: 400, section: "4.2.1" },
  InvalidHost: { status: 400, section: "9112 3.2" },
  NotAnUpgrade: { status: 426, section: "4.2.1" },
  UnsupportedVersion: { status: 426, section: "4.4" },
  InvalidKey: { status: 400, section: "4.2.1" },
  HasContent: { status: 400, section: "9110 7.8" },
  InvalidSubprotocols: { status: 400, section: "4.1" },
  InvalidExtensions: { status: 400, section: "9.1" },
  ForbiddenOrigin: { status: 403, section: "4.2.2" }
} as const

const describeRequest = (reason: RequestReason): string => {
  switch (reason._tag) {
    case "MethodNotGet":
      return `the method of an opening handshake is GET, not ${shown(reason.method)}`
    case "HttpTooOld":
      return `an opening handshake needs HTTP/1.1 or higher, this request is HTTP/${reason.httpVersion}`
    case "InvalidTarget":
      return "the request target must be a path, or a URL of scheme http: or https: with a host, and have no fragment"
    case "NoHost":
      return "the Host header is missing"
    case "InvalidHost":
      // Not shown: what is wrong with it may be a password in front of it.
      return "the Host header must be there once, and hold a host, with a port or without"
    case "NotAnUpgrade":
      return "this address speaks WebSocket: the request needs the headers Connection: Upgrade and Upgrade: websocket"
    case "UnsupportedVersion":
      return `Sec-WebSocket-Version must be 13, it is ${shown(reason.version ?? "missing")}`
    case "InvalidKey":
      return `Sec-WebSocket-Key must be 16 bytes in Base64, it is ${reason.key === undefined ? "missing" : "not"}`
    case "HasContent":
      return `an opening handshake has no content, which would be taken for frames: send it without ${reason.header}`
    case "InvalidSubprotocols":
      return "Sec-WebSocket-Protocol must list tokens, each of them once"
    case "InvalidExtensions":
      return "Sec-WebSocket-Extensions must list names with their parameters"
    case "ForbiddenOrigin":
      return `pages of the origin ${shown(reason.origin)} may not connect here`
  }
}

const describeResponse = (reason: ResponseReason): string => {
  switch (reason._tag) {
    case "StatusNot101":
      return `the server answered with status ${reason.status} instead of 101`
    case "NotUpgraded":
      return "the response does not have both Connection: Upgrade and Upgrade: websocket, the latter with nothing else"
    case "InvalidAccept":
      return `Sec-WebSocket-Accept does not prove that the server read our key, it is ${
        shown(reason.accept ?? "missing")
      }`
    case "SubprotocolNotOffered":
      return `the server chose the subprotocol ${shown(reason.subprotocol)}, which was not offered`
    case "ExtensionsNotOffered":
      return `the server chose the extensions ${shown(reason.extensions)}, but none were offered`
    case "InvalidExtensions":
      return `the server chose the extensions ${shown(reason.extensions)}, which is not what was offered`
  }
}
