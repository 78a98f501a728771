/// <reference types="node" preserve="true" />
/**
 * How reading, writing and opening fail: one error each, with a tagged `reason`, so that
 * `Effect.catchReason("ReadError", "WouldBlock", ...)` takes one reason and leaves the others.
 *
 * @since 0.1.0
 */
import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { EncodeError } from "@websocket-stream/core/EncodeError"
import type { RequestError, ResponseError } from "@websocket-stream/core/HandshakeError"
import type { OptionError } from "@websocket-stream/core/OptionError"
import type { ProtocolError } from "@websocket-stream/core/ProtocolError"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import { type IncomingHttpHeaders, STATUS_CODES } from "node:http"

/**
 * Nothing happened: no whole frame was there to read, or no room to write one. Try again after `awaitReadable` or
 * `awaitWritable`. Only a stream in NonBlock mode fails with it.
 *
 * @category reasons
 * @since 0.1.0
 */
export class WouldBlock extends Data.TaggedClass("WouldBlock") {
  get message(): string {
    return "the operation would block; try again after awaitReadable or awaitWritable"
  }
}

/**
 * There is nothing more to read, or writing is over.
 *
 * **Details**
 *
 * `by` says who ended it: the `"Peer"` whose bytes ended or whose Close frame came first, or `"Us"`: the scope was closed, or
 * a Close frame was sent (RFC 6455 5.5.1). `code` and `reason` are what the peer's Close frame said, 1005 if it said nothing,
 * and 1006 without one (RFC 6455 7.1.5): at the level of frames always 1006, because there a Close frame is a frame like any
 * other. `clean` tells whether both sides sent a Close frame, `truncated` whether the end cut a frame.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Closed extends Data.TaggedClass("Closed")<{
  readonly by: "Peer" | "Us"
  readonly code: number
  readonly reason: string
  readonly clean: boolean
  readonly truncated: boolean
}> {
  get message(): string {
    const who = this.by === "Peer" ? "the peer ended the connection" : "the connection was closed on our side"
    const where = this.truncated ? " in the middle of a frame" : ""
    return `${who}${where} (${this.code} ${CloseCode.name(this.code)}${this.reason === "" ? "" : `: ${this.reason}`})`
  }
}

/**
 * A `Websocket` has taken the stream over: receive and send there.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Busy extends Data.TaggedClass("Busy") {
  get message(): string {
    return "a Websocket has taken this stream over; receive and send there"
  }
}

/**
 * The peer broke the protocol. Terminal: every later read fails the same way. Answer with a Close frame of
 * `error.closeCode`.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Protocol extends Data.TaggedClass("Protocol")<{ readonly error: ProtocolError }> {
  get message(): string {
    return this.error.message
  }
}

/**
 * The stream under us failed: a reset, a broken pipe, a timeout, or its destruction by somebody else.
 *
 * **Details**
 *
 * `code`, `errno` and `syscall` are those of Node's error: `"ECONNRESET"`, `-104`, `"read"`. An errno that nobody has
 * heard of is carried like any other. `cause` is Node's error.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Io extends Data.TaggedClass("Io")<{
  readonly code: string | undefined
  readonly errno: number | undefined
  readonly syscall: string | undefined
  readonly cause: Error
}> {
  get message(): string {
    return `the connection failed: ${messageOf(this.cause)}`
  }
}

// Node's error of a host with several addresses says nothing itself. Those of OpenSSL end in a new line.
const messageOf = (cause: Error): string =>
  cause.message === "" && cause instanceof AggregateError
    ? cause.errors.map(messageOf).join("; ")
    : cause.message.trimEnd()

/**
 * What was to be written is nothing that the protocol lets us send. No byte of it was queued.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Encode extends Data.TaggedClass("Encode")<{ readonly error: EncodeError }> {
  get message(): string {
    return this.error.message
  }
}

/**
 * The opening handshake failed: a server could not take the request, or a client not the 101.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Handshake extends Data.TaggedClass("Handshake")<{ readonly error: RequestError | ResponseError }> {
  get message(): string {
    return this.error.message
  }
}

/**
 * The server answered with a status other than 101: it may ask for a login, send elsewhere, or speak no WebSocket there.
 * `headers` are Node's, their names in lower case; `body` is at most the first KiB of the body, as UTF-8. `redirect` is there where
 * only `maxRedirects` kept the client from going on: scheme, host and port of where to, as what is behind them may be a secret.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Refused extends Data.TaggedClass("Refused")<{
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
  readonly redirect?: string | undefined
}> {
  get message(): string {
    const name = STATUS_CODES[this.status]
    const status = name === undefined ? `${this.status}` : `${this.status} ${name}`
    const { redirect } = this
    const advice = redirect === undefined ? "" : `: it redirects to ${redirect}, raise maxRedirects to follow it`
    return `the server answered with status ${status} instead of 101 (RFC 6455 4.1)${advice}`
  }
}

/**
 * The server redirects to where we do not follow: to another scheme, or from `wss:` to `ws:`. `location` is as the server
 * sent it, without its userinfo.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidRedirect extends Data.TaggedClass("InvalidRedirect")<{
  readonly status: number
  readonly location: string
  /** What it must be, as the end of a sentence. */
  readonly expected: string
}> {
  get message(): string {
    return `the server redirects (${this.status}) to ${this.location}, it must be ${this.expected}`
  }
}

/**
 * The connection was not open in time.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Deadline extends Data.TaggedClass("Deadline")<{ readonly duration: Duration.Duration }> {
  get message(): string {
    return `the connection did not open within ${Duration.format(this.duration)}; raise openDeadline`
  }
}

/**
 * An option, the URL among them, cannot be used as it was given.
 *
 * @category reasons
 * @since 0.1.0
 */
export class InvalidOption extends Data.TaggedClass("InvalidOption")<{ readonly error: OptionError }> {
  get message(): string {
    return this.error.message
  }
}

/**
 * A read failed.
 *
 * **Example** (Polling a stream in NonBlock mode)
 *
 * ```ts
 * import { WebsocketStream } from "@websocket-stream/node"
 * import { Effect, Option } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const [duplex] = duplexPair()
 *   const stream = yield* WebsocketStream.make(duplex, { role: "server", mode: "NonBlock" })
 *   return yield* stream.read.pipe(
 *     Effect.asSome,
 *     Effect.catchReason("ReadError", "WouldBlock", () => Effect.succeedNone)
 *   )
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => Option.none()
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class ReadError extends Data.TaggedError("ReadError")<{
  readonly reason: WouldBlock | Closed | Protocol | Io | Busy
}> {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * A write failed, and nothing of it was queued.
 *
 * @category errors
 * @since 0.1.0
 */
export class WriteError extends Data.TaggedError("WriteError")<{
  readonly reason: WouldBlock | Closed | Encode | Io | Busy
}> {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * A connection could not be opened.
 *
 * @category errors
 * @since 0.1.0
 */
export class OpenError extends Data.TaggedError("OpenError")<{
  readonly reason: Handshake | Refused | InvalidRedirect | Deadline | InvalidOption | Io
}> {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * A server could not listen.
 *
 * @category errors
 * @since 0.1.0
 */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly reason: InvalidOption | Io
}> {
  override get message(): string {
    return this.reason.message
  }
}

/**
 * Whether a value is a `ReadError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isReadError = (value: unknown): value is ReadError => value instanceof ReadError

/**
 * Whether a value is a `WriteError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isWriteError = (value: unknown): value is WriteError => value instanceof WriteError

/**
 * Whether a value is an `OpenError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isOpenError = (value: unknown): value is OpenError => value instanceof OpenError

/**
 * Whether a value is a `ListenError`.
 *
 * @category guards
 * @since 0.1.0
 */
export const isListenError = (value: unknown): value is ListenError => value instanceof ListenError
