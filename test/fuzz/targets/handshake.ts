/**
 * The opening handshake: requests and responses with any headers are judged as a plain reading of RFC 6455 4 judges them, and no
 * header of ours can be made to say more than one line.
 */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as Origin from "@websocket-stream/core/Origin"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import assert from "node:assert/strict"
import { validateHeaderName, validateHeaderValue } from "node:http"
import { validOffer, validRequest, validResponse } from "../../../packages/core/test/support/handshakes.ts"
import * as Generator from "../generator.ts"
import * as Handshake from "../oracles/handshake.ts"
import type { Target } from "../target.ts"

interface Header {
  readonly name: string
  /** One line or several; none where the header is absent. */
  readonly lines: ReadonlyArray<string>
}

export interface Input {
  readonly method: string
  readonly httpVersion: string
  readonly status: number
  /** What is said instead of the headers of a valid request, and of a valid response. */
  readonly headers: ReadonlyArray<Header>
  readonly offersExtensions: boolean
  readonly origins: ReadonlyArray<string>
  /** Of an application, to be sent. */
  readonly said: {
    readonly host: string
    readonly target: string
    readonly subprotocols: ReadonlyArray<string>
    readonly extensions?: string | undefined
    readonly headers: ReadonlyArray<Header>
  }
}

const names = [
  "sec-websocket-key",
  "sec-websocket-accept",
  "sec-websocket-version",
  "sec-websocket-protocol",
  "sec-websocket-extensions",
  "upgrade",
  "connection",
  "host",
  "origin",
  "__proto__",
  "constructor",
  "content-length",
  "expect",
  "transfer-encoding"
]

const text = Generator.string([
  "websocket",
  "WebSocket",
  "upgrade",
  "Upgrade",
  "keep-alive",
  "13",
  "chat",
  "superchat",
  "permessage-deflate",
  "100-Continue",
  "dGhlIHNhbXBsZSBub25jZQ==",
  "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  ",",
  ", ",
  ";",
  "=",
  `"`,
  " ",
  "\t",
  "\r\n",
  "\0",
  "webSoc\u212aet",
  "\u0130",
  "\u010d",
  "http://",
  "https://server.example.com",
  "server.example.com",
  ":80",
  ":443",
  ":65536",
  "[::1]",
  "/",
  "?",
  "#",
  "null",
  "a".repeat(300),
  "0"
], 5)

const header = Generator.struct<Header>({ name: Generator.choice(names), lines: Generator.list(text, 3) })

const inputs: Generator.Generator<Input> = Generator.struct({
  method: Generator.choice(["GET", "GET", "GET", "GET", "get", "POST", ""]),
  httpVersion: Generator.choice(["1.1", "1.1", "1.1", "2.0", "1.0", "0.9"]),
  status: Generator.choice([101, 101, 101, 200, 0]),
  headers: Generator.list(header, 5),
  offersExtensions: Generator.boolean,
  origins: Generator.list(text, 2),
  said: Generator.struct<Input["said"]>({
    host: text,
    target: text,
    subprotocols: Generator.list(text, 3),
    extensions: Generator.optional(text),
    headers: Generator.list(
      Generator.struct<Header>({
        name: Generator.string([...names, "X-", "Cookie", ":", " "], 2),
        lines: Generator.list(text, 2)
      }),
      3
    )
  })
})

export const check = (input: Input): Effect.Effect<void> =>
  Effect.sync(() => {
    const { httpVersion, method, offersExtensions, status } = input
    const request = { method, httpVersion, headers: instead(validRequest.headers, input.headers) }
    const read = OpeningHandshake.read(request)
    assert.equal(Result.isFailure(read) ? read.failure.reason._tag : undefined, Handshake.request(request))
    assert.equal(OpeningHandshake.expectsContinue(request.headers), Handshake.expectsContinue(request.headers))
    if (Result.isSuccess(read)) assertAccepted(read.success, request.headers)
    else assertLines(OpeningHandshake.reject(read.failure).headers)

    const response = { status, headers: instead(validResponse.headers, input.headers) }
    const offer = { ...validOffer, extensions: offersExtensions ? "permessage-deflate" : undefined }
    const confirmed = OpeningHandshake.confirm(response, offer)
    assert.equal(
      Result.isFailure(confirmed) ? confirmed.failure.reason._tag : undefined,
      Handshake.response(response, offer)
    )
    if (Result.isFailure(confirmed)) assert.ok(confirmed.failure.message.length > 0)

    assertOrigins(input, request.headers)
    assertSaid(input)
    assertAsked(input.said.target)
  })

export const target: Target<Input> = { name: "handshake", inputs, check, quick: 2000 }

const instead = (headers: OpeningHandshake.Headers, others: ReadonlyArray<Header>): OpeningHandshake.Headers =>
  Object.fromEntries([
    ...Object.entries(headers),
    ...others.map(({ lines, name }) => [name, lines.length === 0 ? undefined : lines.length === 1 ? lines[0] : lines])
  ])

// What we answer, the client finds right.
const assertAccepted = (offer: OpeningHandshake.Offer, headers: OpeningHandshake.Headers): void => {
  const protocol = headers["sec-websocket-protocol"]
  const offered = Handshake.elements(typeof protocol === "object" ? protocol.join(",") : protocol ?? "")
  assert.deepEqual(offer.subprotocols, offered)
  const response = Result.getOrThrow(OpeningHandshake.accept(offer, { subprotocol: offer.subprotocols[0] }))
  assertLines(response.headers)
  const received = Object.fromEntries(response.headers.map(([name, value]) => [name.toLowerCase(), value]))
  const confirmed = OpeningHandshake.confirm({ status: response.status, headers: received }, offer)
  assert.equal(Result.getOrThrow(confirmed).subprotocol, offered[0])
}

// Whoever is of the same host or on the list is let in, whatever else the header says; and nobody whose origin is none.
const assertOrigins = ({ origins }: Input, headers: OpeningHandshake.Headers): void => {
  const check = Origin.check(origins)
  const own = Result.getOrThrow(Origin.check())
  const refused = own(headers)
  const { origin } = headers
  if (origin === undefined) assert.equal(refused, undefined)
  if (Result.isFailure(check)) return assert.match(check.failure.option, /^origins\[\d\]$/)
  if (refused === undefined) assert.equal(check.success(headers), undefined)
  for (const allowed of origins) assert.equal(check.success({ ...headers, origin: allowed }), undefined)
  if (typeof origin === "string" && !/^[^ ]+:\/\/[^/ ]+$/.test(origin)) {
    assert.equal(check.success(headers)?.status, 403)
  }
}

const assertSaid = ({ said }: Input): void => {
  const { extensions, host, subprotocols, target } = said
  const headers = said.headers.flatMap(({ lines, name }) => lines.map((line) => [name, line] as const))
  const made = OpeningHandshake.request({ host, target, subprotocols, extensions, headers, nonce: new Uint8Array(16) })
  const answers: ReadonlyArray<Result.Result<{ readonly headers: OpeningHandshake.HeaderLines }, OptionError>> = [
    made,
    OpeningHandshake.accept({ ...validOffer, subprotocols }, { subprotocol: subprotocols[0], extensions, headers }),
    OpeningHandshake.refuse({ status: 401, headers })
  ]
  for (const answer of answers) {
    if (Result.isSuccess(answer)) assertLines(answer.success.headers)
    else assert.ok(answer.failure.message.length > 0)
  }
  if (Result.isSuccess(made)) assertReadable(made.success)
}

// What we ask for, a server can read.
const assertReadable = (request: OpeningHandshake.Request): void => {
  const { extensions, key, subprotocols, target } = request
  assert.match(target, /^\/[!-~]*$/)
  const headers = Object.fromEntries(request.headers.map(([name, value]) => [name.toLowerCase(), value]))
  const offer = OpeningHandshake.read({ method: request.method, httpVersion: "1.1", headers })
  assert.deepEqual(Result.getOrThrow(offer), { extensions, key, subprotocols })
}

const assertAsked = (target: string): void => {
  const request = { ...validRequest, target }
  const read = OpeningHandshake.read(request)
  assert.equal(Result.isFailure(read) ? read.failure.reason._tag : undefined, Handshake.request(request))
  // The resource is what a URL parser finds, but that it is left as it came.
  const { host, name } = OpeningHandshake.resource(target) ?? {}
  if (host !== undefined) assert.match(target, /^https?:\/\/[^/]/i)
  if (name !== undefined) {
    assert.ok(target === name || target.endsWith(`${host}${name.slice(1)}`) || target.endsWith(`${host}${name}`))
  }
}

/** Each of them is one line of HTTP, by Node's own check. */
const assertLines = (lines: OpeningHandshake.HeaderLines): void => {
  for (const [name, value] of lines) {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  }
}
