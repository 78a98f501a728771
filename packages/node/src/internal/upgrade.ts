/** The server's half of the opening handshake (RFC 6455 4.2), on a connection that an HTTP server has handed over. */
import { RequestError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Origin from "@websocket-stream/core/Origin"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid } from "effect/Function"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { hash } from "node:crypto"
import type { IncomingMessage, Server, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"
import { Handshake, OpenError } from "../WebsocketError.ts"
import type { Connection, Options, Upgrade } from "../WebsocketUpgrade.ts"
import { isTaken } from "./attached.ts"
import { deflateOptions } from "./deflate.ts"
import { finish } from "./duplexPort.ts"
import type { FrameStream } from "./frameStream.ts"
import type { Stage } from "./handlerEnd.ts"
import { cannotOpen } from "./invalidOption.ts"
import { makeStream } from "./makeStream.ts"
import type { Agreed } from "./messageStream.ts"
import { spoken } from "./optionChecks.ts"
import { hasOthers, unlessSucceeded } from "./ownListeners.ts"
import type { Source } from "./port.ts"
import { format, formatAccepted } from "./response.ts"
import { defaults } from "./streamOptions.ts"

/** An upgrade that has come to a server, by `node:http` or past it. */
export interface Arrival {
  readonly request: Pick<IncomingMessage, "headers" | "httpVersion" | "method" | "rawHeaders" | "url">
  readonly remoteAddress: string | undefined
  /** To turn it away on. */
  readonly socket: Duplex
  readonly head: Uint8Array | undefined
  /** What its connection goes on by, once it is accepted. */
  readonly take: () => Source
}

/** For an HTTP server's event `upgrade`: what it hands over, unless it cannot be upgraded, and was cut. */
export const receiveUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): Upgrade | undefined => {
  // Node takes its own listener off before the event: without another one an error would end the process.
  socket.on("error", constVoid)
  // RFC 9112 9.3.2: responses go "in the same order that the requests were received". One that is due to a request before this
  // would be written into the WebSocket. Node tells nobody but itself that there is one.
  if ("_httpMessage" in socket && Boolean(socket._httpMessage)) {
    socket.destroy()
    return undefined
  }
  return { request, socket, head }
}

/** What the client offers, or why it may not connect. */
export const offerOf = (
  { request }: Pick<Arrival, "request">,
  origins: Origin.Check
): Result.Result<OpeningHandshake.Offer, RequestError> => {
  const { httpVersion, method = "", rawHeaders, url: target } = request
  const hosts = hostsOf(rawHeaders)
  const headers = hosts === undefined ? request.headers : { ...request.headers, host: hosts }
  const offer = OpeningHandshake.read({ method, httpVersion, target, headers })
  const forbidden = Result.isSuccess(offer) ? origins(addressed(headers, target)) : undefined
  return forbidden === undefined ? offer : Result.fail(forbidden)
}

// RFC 9112 3.2.2: of a target that is a whole URL a server "MUST ignore the received Host header field [...] and instead use the
// host information of the request-target".
const addressed = (headers: OpeningHandshake.Headers, target: string | undefined): OpeningHandshake.Headers => {
  const host = target === undefined || target.startsWith("/") ? undefined : OpeningHandshake.resource(target)?.host
  return host === undefined ? headers : { ...headers, host }
}

// Where there are several: Node drops all but the first.
const hostsOf = (lines: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  let count = 0
  for (let i = 0; i < lines.length; i += 2) {
    if (namesHost(lines[i]!)) count++
  }
  return count > 1 ? lines.filter((_, i) => i % 2 === 1 && namesHost(lines[i - 1]!)) : undefined
}

const namesHost = (name: string): boolean => name.length === 4 && name.toLowerCase() === "host"

/** Reads what the client offers. A request that may not connect, or does not ask to, has got its status by then. */
export const readOffer = (
  upgrade: Upgrade,
  options: Options | undefined
): Effect.Effect<OpeningHandshake.Offer, OpenError> =>
  Effect.suspend(() => {
    const check = Origin.check(options?.origins)
    if (Result.isFailure(check)) return misconfigured(upgrade, check.failure)
    const offer = offerOf(upgrade, check.success)
    return Result.isSuccess(offer) ? Effect.succeed(offer.success) : refuse(upgrade, offer.failure)
  })

/** What was agreed on, and the 101 that says so, with what has to go before it. */
export interface Answer extends Agreed {
  readonly greeting: Uint8Array
}

/** What we agree on with a client, of what it offers. */
export const negotiate = (
  { headers }: Pick<IncomingMessage, "headers">,
  offer: OpeningHandshake.Offer,
  options: Pick<Options, "subprotocols" | "headers"> | undefined,
  wanted: PermessageDeflate.Parameters | undefined
): Result.Result<Answer, OptionError> => {
  // RFC 6455 4.1: the client lists its subprotocols "ordered by preference".
  const ours = options?.subprotocols
  const subprotocol = ours === undefined ? undefined : offer.subprotocols.find((name) => ours.includes(name))
  const agreed = wanted === undefined || offer.extensions === undefined
    ? undefined
    : PermessageDeflate.accept(offer.extensions, wanted)
  const accepted = OpeningHandshake.accept(offer, {
    subprotocol,
    extensions: agreed?.header,
    headers: options?.headers,
    sha1
  })
  if (Result.isFailure(accepted)) return Result.fail(accepted.failure)
  const switching = formatAccepted(accepted.success.headers)
  const greeting = OpeningHandshake.expectsContinue(headers) ? Buffer.concat([goOn, switching]) : switching
  return Result.succeed({ subprotocol, deflate: agreed?.parameters, greeting })
}

const goOn = Buffer.from("HTTP/1.1 100 Continue\r\n\r\n")

/** Answers an offer with the 101, and takes the socket over. */
export const openUpgrade = (
  upgrade: Upgrade,
  offer: OpeningHandshake.Offer,
  options: Options | undefined
): Effect.Effect<Connection, OpenError, Scope.Scope> =>
  Effect.gen(function*() {
    const { head, request, socket } = upgrade
    const wrong = spoken(options?.subprotocols)
    if (wrong !== undefined) return yield* misconfigured(upgrade, wrong)
    const agreed = Result.flatMap(
      deflateOptions(options?.deflate),
      (wanted) => negotiate(request, offer, options, wanted)
    )
    if (Result.isFailure(agreed)) return yield* misconfigured(upgrade, agreed.failure)
    const { deflate, greeting, subprotocol } = agreed.success
    const rsv1 = deflate !== undefined
    const made = makeStream(socket, { ...options, role: "server", head, rsv1 }, greeting)
    const stream = yield* Effect.catchTag(
      answerBy(socket, made),
      "OptionError",
      (error) => misconfigured(upgrade, error)
    )
    return { stream, request, subprotocol, deflate }
  })

// Whoever looks notes in the same step that it answers: a fiber may be made to yield between two, and another looks meanwhile.
const answerBy = <R>(
  socket: Duplex,
  made: Effect.Effect<FrameStream, OptionError, R>
): Effect.Effect<FrameStream, OptionError, R> =>
  Effect.uninterruptible(Effect.suspend(() => {
    if (isAnswered(socket)) return Effect.fail(answeredAlready("upgrade"))
    answered.set(socket, undefined)
    return Effect.onExit(made, (exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) answered.set(socket, exit.value)
        else answered.delete(socket)
      }))
  }))

/** How far an upgrade has come, by its socket. */
export const stageOf = (socket: Duplex): Stage => {
  const stream = answered.get(socket)
  return stream === undefined ? "Unopened" : stream.isOver ? "Over" : "Open"
}

/** Whether it has got its one answer, whoever of those that listen for upgrades gave it: by hand, where a stream has its socket. */
export const isAnswered = (socket: Duplex): boolean => answered.has(socket) || isTaken(socket)

/** What is wrong where somebody else was first. */
export const answeredAlready = (option: "server" | "upgrade"): OptionError =>
  new OptionError({
    option,
    value: "answered already",
    expected: "answered by one of those who listen for upgrades: end the others, or part the paths by runUpgrades"
  })

// By the socket: the stream of what `openUpgrade` opened, nothing for a refusal, and for what is being opened.
const answered = new WeakMap<Duplex, FrameStream | undefined>()

/**
 * Answers with an HTTP response instead, and closes the socket, unless it was answered. Dies of a header that would not stay in its
 * line.
 */
export const reject = ({ request, socket }: Asked, response: OpeningHandshake.Response): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) => {
    const bytes = format(response, request?.method, now)
    if (isAnswered(socket)) return Effect.void
    answered.set(socket, undefined)
    socket.write(bytes)
    return finish(socket, defaults.linger)
  })

/** Where to answer, and what was asked, as far as the answer depends on it. */
type Asked = Pick<Upgrade, "socket"> & { readonly request?: Pick<IncomingMessage, "method"> }

/** For an HTTP server's event `request`: what nobody else answers is no opening handshake. */
export const requestListener = (server: Server) =>
  unlessSucceeded(server, "request", (_: IncomingMessage, response: ServerResponse): void => {
    // Somebody has come since to answer them.
    if (hasOthers(server, "request")) return
    const { body, headers, status } = OpeningHandshake.reject(new RequestError({ reason: { _tag: "NotAnUpgrade" } }))
    response.statusCode = status
    for (const [name, value] of headers) response.setHeader(name, value)
    response.end(body)
  })

const refuse = (upgrade: Upgrade, error: RequestError): Effect.Effect<never, OpenError> =>
  Effect.andThen(
    reject(upgrade, OpeningHandshake.reject(error)),
    new OpenError({ reason: new Handshake({ error }) })
  )

/** Answers with a 500: an option of ours cannot be used. */
export const misconfigured = (upgrade: Asked, error: OptionError): Effect.Effect<never, OpenError> =>
  Effect.andThen(
    reject(upgrade, internalServerError),
    cannotOpen(error)
  )

/** Of us, or of the application. */
export const internalServerError: OpeningHandshake.Response = {
  status: 500,
  headers: [["Connection", "close"]],
  body: ""
}

/** There is no room, or nobody to serve. */
export const serviceUnavailable: OpeningHandshake.Response = { ...internalServerError, status: 503 }

const sha1 = (text: string): string => hash("sha1", text, "base64")
