import { assert, describe, it } from "@effect/vitest"
import * as HandshakeError from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Origin from "@websocket-stream/core/Origin"
import * as Result from "effect/Result"
import { validOffer, validRequest, validResponse, withHeaders } from "./support/handshakes.ts"
import { docTable } from "./support/sources.ts"

type RequestTag = HandshakeError.RequestReason["_tag"]
type ResponseTag = HandshakeError.ResponseReason["_tag"]

interface RequestCase {
  readonly status: number
  readonly section: string
  readonly cases: ReadonlyArray<
    readonly [OpeningHandshake.ReceivedRequest, HandshakeError.RequestReason, message: string]
  >
}

const requestWith = (headers: OpeningHandshake.Headers) => withHeaders(validRequest, headers)
const responseWith = (headers: OpeningHandshake.Headers) => withHeaders(validResponse, headers)

const requestCases: { readonly [T in RequestTag]: RequestCase } = {
  MethodNotGet: {
    status: 405,
    section: "4.2.1",
    cases: ["POST", "HEAD", "CONNECT", "get", ""].map((method) => [
      { ...validRequest, method },
      { _tag: "MethodNotGet", method },
      `the method of an opening handshake is GET, not ${shown(method)} (RFC 6455 4.2.1)`
    ])
  },
  HttpTooOld: {
    status: 400,
    section: "4.2.1",
    cases: ["1.0", "0.9"].map((httpVersion) => [
      { ...validRequest, httpVersion },
      { _tag: "HttpTooOld", httpVersion },
      `an opening handshake needs HTTP/1.1 or higher, this request is HTTP/${httpVersion} (RFC 6455 4.2.1)`
    ])
  },
  InvalidTarget: {
    status: 400,
    section: "4.2.1",
    cases: ["*", "/a#b", "ws://a.test/", "http:///a"].map((target) => [
      { ...validRequest, target },
      { _tag: "InvalidTarget" },
      "the request target must be a path, or a URL of scheme http: or https: with a host, and have no fragment " +
      "(RFC 6455 4.2.1)"
    ])
  },
  NoHost: {
    status: 400,
    section: "4.2.1",
    cases: [[requestWith({ host: undefined }), { _tag: "NoHost" }, "the Host header is missing (RFC 6455 4.2.1)"]]
  },
  InvalidHost: {
    status: 400,
    section: "9112 3.2",
    cases: [
      ["a.test", "b.test"],
      ["a.test", "a.test"],
      ["", ""],
      "a b",
      "user@a",
      "a/b",
      "a:b",
      "a:80:90",
      "[::1",
      "[::1]a",
      "\u00e4.test"
    ]
      .map((host) => [
        requestWith({ host }),
        { _tag: "InvalidHost", host: [host].flat().join(", ") },
        "the Host header must be there once, and hold a host, with a port or without (RFC 9112 3.2)"
      ])
  },
  NotAnUpgrade: {
    status: 426,
    section: "4.2.1",
    cases: [
      { upgrade: undefined },
      { connection: undefined },
      { upgrade: "", connection: "" },
      { upgrade: "h2c" },
      { upgrade: "websockets" },
      { upgrade: "websocket/13" },
      { connection: "keep-alive" },
      { connection: "close, upgraded" }
    ].map((headers) => [
      requestWith(headers),
      { _tag: "NotAnUpgrade" },
      "this address speaks WebSocket: the request needs the headers Connection: Upgrade and Upgrade: websocket " +
      "(RFC 6455 4.2.1)"
    ])
  },
  UnsupportedVersion: {
    status: 426,
    section: "4.4",
    cases: [undefined, "12", "8", "", "013", "13.0", "13, 8", "+13"].map((version) => [
      requestWith({ "sec-websocket-version": version }),
      { _tag: "UnsupportedVersion", version },
      `Sec-WebSocket-Version must be 13, it is ${shown(version ?? "missing")} (RFC 6455 4.4)`
    ])
  },
  InvalidKey: {
    status: 400,
    section: "4.2.1",
    cases: [
      undefined,
      "",
      "not base64 of 16 bytes!!",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ=A",
      "dGhlIHNhbXBsZSBub25jZVM=",
      "dGhlIHNhbXBsZSBub25jZQ==, dGhlIHNhbXBsZSBub25jZQ=="
    ].map((key) => [
      requestWith({ "sec-websocket-key": key }),
      { _tag: "InvalidKey", key },
      `Sec-WebSocket-Key must be 16 bytes in Base64, it is ${key === undefined ? "missing" : "not"} (RFC 6455 4.2.1)`
    ])
  },
  HasContent: {
    status: 400,
    section: "9110 7.8",
    cases: ([
      ["Content-Length", { "content-length": "5" }],
      ["Content-Length", { "content-length": "0, 5" }],
      ["Content-Length", { "content-length": ["0", "0"] }],
      ["Content-Length", { "content-length": "x" }],
      ["Content-Length", { "content-length": "" }],
      ["Content-Length", { "content-length": "0x0" }],
      ["Transfer-Encoding", { "transfer-encoding": "chunked" }],
      ["Transfer-Encoding", { "transfer-encoding": "" }],
      ["Transfer-Encoding", { "transfer-encoding": "chunked", "content-length": "0" }]
    ] as const).map(([header, headers]) => [
      requestWith(headers),
      { _tag: "HasContent", header },
      `an opening handshake has no content, which would be taken for frames: send it without ${header} (RFC 9110 7.8)`
    ])
  },
  InvalidSubprotocols: {
    status: 400,
    section: "4.1",
    cases: ["", ",", " , ", "chat, chat", "chat, super chat", "a/b", "chat;v=1", "ch\u00e4t"].map((subprotocols) => [
      requestWith({ "sec-websocket-protocol": subprotocols }),
      { _tag: "InvalidSubprotocols", subprotocols },
      "Sec-WebSocket-Protocol must list tokens, each of them once (RFC 6455 4.1)"
    ])
  },
  InvalidExtensions: {
    status: 400,
    section: "9.1",
    cases: ["", ",", ";", "a b", "permessage-deflate;", "permessage-deflate; =8", "x; y=\"a b\"", "x; y=\"a"].map(
      (extensions) => [
        requestWith({ "sec-websocket-extensions": extensions }),
        { _tag: "InvalidExtensions", extensions },
        "Sec-WebSocket-Extensions must list names with their parameters (RFC 6455 9.1)"
      ]
    )
  },
  ForbiddenOrigin: {
    status: 403,
    section: "4.2.2",
    cases: ["http://example.com", "null", ""].map((origin) => [
      requestWith({ origin }),
      { _tag: "ForbiddenOrigin", origin },
      `pages of the origin ${shown(origin)} may not connect here (RFC 6455 4.2.2)`
    ])
  }
}

const checkOrigin = Result.getOrThrow(Origin.check())

// What of a request is looked at in which order: who may connect at all comes last.
const errorOf = (request: OpeningHandshake.ReceivedRequest) =>
  Result.isFailure(OpeningHandshake.read(request))
    ? Result.getOrThrow(Result.flip(OpeningHandshake.read(request)))
    : checkOrigin(request.headers)!

type ResponseCases = ReadonlyArray<
  readonly [{ status: number; headers: OpeningHandshake.Headers }, HandshakeError.ResponseReason, message: string]
>

// What the extensions must be is known to their own negotiation, which finds `InvalidExtensions`.
const responseCases: { readonly [T in Exclude<ResponseTag, "InvalidExtensions">]: ResponseCases } = {
  StatusNot101: [200, 301, 401, 426, 503, 100].map((status) => [
    { ...validResponse, status },
    { _tag: "StatusNot101", status },
    `the server answered with status ${status} instead of 101 (RFC 6455 4.1)`
  ]),
  NotUpgraded: [
    { upgrade: undefined },
    { connection: undefined },
    { upgrade: "h2c" },
    { connection: "keep-alive" },
    { upgrade: "websocket, h2c" }
  ].map((headers) => [
    responseWith(headers),
    { _tag: "NotUpgraded" },
    "the response does not have both Connection: Upgrade and Upgrade: websocket, the latter with nothing else (RFC 6455 4.1)"
  ]),
  InvalidAccept: [
    undefined,
    "",
    "S3PPLMBITXAQ9KYGZZHZRBK+XOO=",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo",
    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=, s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
  ].map((accept) => [
    responseWith({ "sec-websocket-accept": accept }),
    { _tag: "InvalidAccept", accept },
    `Sec-WebSocket-Accept does not prove that the server read our key, it is ${
      shown(accept ?? "missing")
    } (RFC 6455 4.1)`
  ]),
  SubprotocolNotOffered: ["other", "CHAT", "", "chat, superchat"].map((subprotocol) => [
    responseWith({ "sec-websocket-protocol": subprotocol }),
    { _tag: "SubprotocolNotOffered", subprotocol },
    `the server chose the subprotocol ${shown(subprotocol)}, which was not offered (RFC 6455 4.1)`
  ]),
  ExtensionsNotOffered: ["permessage-deflate", ""].map((extensions) => [
    responseWith({ "sec-websocket-extensions": extensions }),
    { _tag: "ExtensionsNotOffered", extensions },
    `the server chose the extensions ${shown(extensions)}, but none were offered (RFC 6455 4.1)`
  ])
}

function shown(value: string): string {
  return value === "" ? `""` : value
}

describe("RequestError", () => {
  for (const [tag, { cases, section, status }] of Object.entries(requestCases)) {
    it(`${tag} is answered with ${status}`, () => {
      for (const [request, reason, message] of cases) {
        const error = errorOf(request)
        assert.isTrue(HandshakeError.isHandshakeError(error))
        assert.strictEqual(error._tag, "RequestError")
        assert.strictEqual(error.reason._tag, tag)
        assert.deepStrictEqual(error.reason, reason)
        assert.strictEqual(error.message, message)
        assert.strictEqual(error.section, section)
        assert.strictEqual(error.status, status)
        assert.strictEqual(OpeningHandshake.reject(error).status, status)
        assert.strictEqual(OpeningHandshake.reject(error).body, `${message}\n`)
      }
    })
  }

  it("is documented with its status, the headers that go with it, and its section", () => {
    const table = docTable("HandshakeError", "| reason of a `RequestError` |").map(([tag, answer, section]) => [
      tag,
      { answer, section }
    ])
    const actual = Object.entries(requestCases).map(([tag, { cases, section }]) => {
      const error = new HandshakeError.RequestError({ reason: cases[0]![1] })
      const { headers, status } = OpeningHandshake.reject(error)
      const shown = status === 405 ? "Allow" : tag === "UnsupportedVersion" ? "Sec-WebSocket-Version" : "Upgrade"
      const lines = headers.filter(([name]) => name === shown).map(([name, value]) => `, ${name}: ${value}`)
      return [tag, { answer: `${status}${lines.join("")}`, section }]
    })
    assert.deepStrictEqual(Object.fromEntries(table), Object.fromEntries(actual))
  })
})

describe("ResponseError", () => {
  for (const [tag, cases] of Object.entries(responseCases)) {
    it(`${tag} is found in a response`, () => {
      for (const [response, reason, message] of cases) {
        const error = Result.getOrThrow(Result.flip(OpeningHandshake.confirm(response, validOffer)))
        assert.isTrue(HandshakeError.isHandshakeError(error))
        assert.strictEqual(error._tag, "ResponseError")
        assert.strictEqual(error.reason._tag, tag)
        assert.deepStrictEqual(error.reason, reason)
        assert.strictEqual(error.message, message)
      }
    })
  }

  it("is documented with its section", () => {
    const table = docTable("HandshakeError", "| reason of a `ResponseError` |").map(([tag, section]) => [tag, section])
    const invalid: HandshakeError.ResponseReason = { _tag: "InvalidExtensions", extensions: "x" }
    const reasons = [...Object.values(responseCases).map((cases) => cases[0]![1]), invalid]
    const actual = reasons.map((reason) => {
      const { message, reason: { _tag: tag } } = new HandshakeError.ResponseError({ reason })
      return [tag, message.slice(message.lastIndexOf("(RFC 6455 ") + 10, -1)]
    })
    assert.deepStrictEqual(Object.fromEntries(table), Object.fromEntries(actual))
  })
})

describe("isHandshakeError", () => {
  it("tells the two from other values", () => {
    for (const value of [undefined, null, "RequestError", { _tag: "RequestError" }, new Error("other")]) {
      assert.isFalse(HandshakeError.isHandshakeError(value))
    }
  })
})
