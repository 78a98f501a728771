/** RFC 6455 4: the opening handshake as bytes, in both roles. Its rules one by one are tested with the packages. */
import { assert, describe, it } from "@effect/vitest"
import { Websocket, WebsocketClient, type WebsocketError, WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { buffer } from "node:stream/consumers"
import * as http from "../../packages/node/test/support/http.ts"
import * as rawServer from "../../packages/node/test/support/rawServer.ts"
import { agent } from "../support/link.ts"
import { echo } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"
import { listen } from "../support/transports.ts"

const hello = Raw.encode({ opcode: Raw.text, payload: "Hello" }, true)
const goodbye = Raw.encode({ opcode: Raw.close, payload: Raw.closeBody(1000) }, true)

/** The echo server of the suite: subprotocols, and compression for those who offer it. */
const serve = Effect.gen(function*() {
  const { address, server } = yield* listen("TCP")
  yield* WebsocketUpgrade.run(
    server,
    (connection) => Effect.flatMap(Websocket.make(connection.stream, connection), echo),
    { subprotocols: ["chat", "superchat"], deflate: true }
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  return Number(new URL(address.url).port)
})

/** Sends bytes in chops, and answers all that comes until the server ends TCP. */
const say = Effect.fnUntraced(function*(port: number, bytes: Uint8Array, chop = bytes.length) {
  const socket = yield* http.dial(port)
  const answer = buffer(socket)
  yield* Effect.promise(async () => {
    for (let at = 0; at < bytes.length; at += chop) {
      await new Promise<void>((resolve) => socket.write(bytes.subarray(at, at + chop), () => resolve()))
      if (chop < bytes.length) await new Promise<void>((resolve) => setImmediate(resolve))
    }
  })
  return http.parse(Buffer.from(yield* Effect.promise(() => answer)))
})

const echoed = Buffer.concat([
  Raw.encode({ opcode: Raw.text, payload: "Hello" }, false),
  Raw.encode({ opcode: Raw.close, payload: Raw.closeBody(1000) }, false)
])

const opens: ReadonlyArray<
  readonly [name: string, changes: http.Changes, headers: { readonly [name: string]: string | undefined }]
> = [
  ["RFC 6455 1.3: the request of the RFC", {}, {}],
  ["RFC 6455 4.2.1: a path and a query", { line: "GET /chat?room=1 HTTP/1.1" }, {}],
  ["RFC 6455 4.2.1: tokens in any case, among others", {
    headers: { Upgrade: "h2c, WebSocket", Connection: "keep-alive, uPGRADE" }
  }, {}],
  ["RFC 9110 5.1: names of headers in any case", {
    headers: { Upgrade: undefined, uPGRADE: "websocket", Connection: undefined, CONNECTION: "upgrade" }
  }, {}],
  ["RFC 6455 4.2.2: the subprotocol that the client likes best", {
    headers: { "Sec-WebSocket-Protocol": "unknown, superchat, chat" }
  }, { "sec-websocket-protocol": "superchat" }],
  ["RFC 6455 4.2.2: no subprotocol that we speak", { headers: { "Sec-WebSocket-Protocol": "unknown" } }, {
    "sec-websocket-protocol": undefined
  }],
  ["RFC 6455 9.1: an extension that we do not know is declined", {
    headers: { "Sec-WebSocket-Extensions": "x-webkit-deflate-frame; no=1, bbf-usp-protocol" }
  }, { "sec-websocket-extensions": undefined }],
  ["RFC 7692 5: compression, offered behind another extension", {
    headers: { "Sec-WebSocket-Extensions": "unknown, permessage-deflate; client_max_window_bits" }
  }, { "sec-websocket-extensions": "permessage-deflate; server_no_context_takeover; client_no_context_takeover" }],
  ["RFC 9110 8.6: content of no length", { headers: { "Content-Length": "0" } }, {}],
  ["RFC 6455 9.1: a parameter in quotes", {
    headers: { "Sec-WebSocket-Extensions": `permessage-deflate; server_max_window_bits="10"` }
  }, {
    "sec-websocket-extensions":
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=10"
  }]
]

const refused: ReadonlyArray<readonly [name: string, changes: http.Changes, status: number]> = [
  ["RFC 6455 4.2.1: another method", { line: "POST / HTTP/1.1", headers: { "Content-Length": "0" } }, 405],
  ["RFC 6455 4.2.1: HTTP/1.0", { line: "GET / HTTP/1.0" }, 400],
  ["RFC 6455 4.2.1: a target that is an asterisk", { line: "GET * HTTP/1.1" }, 400],
  ["RFC 6455 4.2.1: a target of scheme ws:", { line: "GET ws://server.example.com/ HTTP/1.1" }, 400],
  ["RFC 9110 4.2.1: a target without a host", { line: "GET http:///chat HTTP/1.1" }, 400],
  ["RFC 6455 4.2.1: no Host", { headers: { Host: undefined } }, 400],
  ["RFC 6455 4.2.1: another protocol", { headers: { Upgrade: "IRC/6.9" } }, 426],
  ["RFC 6455 4.2.1: no key", { headers: { "Sec-WebSocket-Key": undefined } }, 400],
  ["RFC 6455 4.2.1: a key of 15 bytes", { headers: { "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAA" } }, 400],
  ["RFC 6455 4.2.1: a key that is no Base64", { headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ!==" } }, 400],
  ["RFC 6455 4.4: no version", { headers: { "Sec-WebSocket-Version": undefined } }, 426],
  ["RFC 6455 4.4: another version", { headers: { "Sec-WebSocket-Version": "8" } }, 426],
  ["RFC 6455 4.1: a subprotocol twice", { headers: { "Sec-WebSocket-Protocol": "chat, chat" } }, 400],
  ["RFC 9110 7.8: content by its length", { headers: { "Content-Length": "5" } }, 400],
  ["RFC 9110 7.8: content in chunks", { headers: { "Transfer-Encoding": "chunked" } }, 400],
  ["RFC 6455 9.1: extensions that break the grammar", {
    headers: { "Sec-WebSocket-Extensions": "permessage-deflate; =1" }
  }, 400]
]

describe("we are the server", () => {
  for (const [name, changes, headers] of opens) {
    it.live(name, () =>
      Effect.gen(function*() {
        const port = yield* serve
        const { headers: answered, rest, status } = yield* say(
          port,
          Buffer.concat([Buffer.from(http.request(changes)), hello, goodbye])
        )
        assert.strictEqual(status, 101)
        assert.strictEqual(answered.get("sec-websocket-accept"), http.acceptOfKey)
        for (const [header, value] of Object.entries(headers)) assert.strictEqual(answered.get(header), value)
        // The frames came in one piece with the request.
        assert.isTrue(rest.equals(echoed))
      }))
  }

  it.live("RFC 6455 4.2.1: request and frames, a byte at a time", () =>
    Effect.gen(function*() {
      const port = yield* serve
      const bytes = Buffer.concat([Buffer.from(http.request()), hello, goodbye])
      const { rest, status } = yield* say(port, bytes, 1)
      assert.strictEqual(status, 101)
      assert.isTrue(rest.equals(echoed))
    }))

  it.live("RFC 9110 7.8: a client that expects a 100 gets it, and then the 101", () =>
    Effect.gen(function*() {
      const port = yield* serve
      const request = http.request({ headers: { Expect: "100-Continue" } })
      const { headers, rest, status } = yield* say(port, Buffer.concat([Buffer.from(request), hello, goodbye]))
      assert.deepStrictEqual([status, headers.size], [100, 0])
      const switched = http.parse(rest)
      assert.strictEqual(switched.status, 101)
      assert.strictEqual(switched.headers.get("sec-websocket-accept"), http.acceptOfKey)
      assert.isTrue(switched.rest.equals(echoed))
    }))

  it.live("RFC 9110 10.1.1: it gets none where it is refused, or expects something else", () =>
    Effect.gen(function*() {
      const port = yield* serve
      const refusal = http.request({ headers: { Expect: "100-continue", "Content-Length": "5" } })
      assert.strictEqual((yield* say(port, Buffer.from(refusal))).status, 400)
      const other = http.request({ headers: { Expect: "something" } })
      assert.strictEqual((yield* say(port, Buffer.concat([Buffer.from(other), goodbye]))).status, 101)
    }))

  for (const [name, changes, status] of refused) {
    it.live(`${name} is ${status}`, () =>
      Effect.gen(function*() {
        const port = yield* serve
        const answer = yield* say(port, Buffer.from(http.request(changes)))
        assert.strictEqual(answer.status, status)
        assert.isFalse(answer.headers.has("sec-websocket-accept"))
        // RFC 9110 6.6.1
        assert.isFalse(Number.isNaN(Date.parse(answer.headers.get("date") ?? "")))
        // RFC 6455 4.4: the version that we speak.
        if (name.includes(" 4.4")) assert.strictEqual(answer.headers.get("sec-websocket-version"), "13")
      }))
  }
})

/** Our client against a server that answers with the bytes. */
const connect = Effect.fnUntraced(function*(
  answer: (request: rawServer.Request) => string | Uint8Array,
  options?: WebsocketClient.Options,
  chop?: number
) {
  const { url } = yield* rawServer.serve((socket, request) => {
    const bytes = Buffer.from(answer(request))
    const write = (at: number): void => {
      if (at >= bytes.length) return
      socket.write(
        bytes.subarray(at, at + (chop ?? bytes.length)),
        () => setImmediate(write, at + (chop ?? bytes.length))
      )
    }
    write(0)
  })
  return yield* WebsocketClient.connect(url, { agent: agent(), closeDeadline: 0, ...options })
})

const fromServer = Raw.encode({ opcode: Raw.text, payload: "Hello" }, false)

describe("we are the client", () => {
  it.live("RFC 6455 4.1: what a request says", () =>
    Effect.gen(function*() {
      let seen: rawServer.Request | undefined
      const ws = yield* connect((request) => {
        seen = request
        return rawServer.proper(request, { "Sec-WebSocket-Protocol": "chat" })
      }, { subprotocols: ["chat", "superchat"], deflate: true, headers: [["Origin", "http://example.com"]] })
      assert.strictEqual(ws.subprotocol, "chat")
      assert.strictEqual(seen!.line, "GET / HTTP/1.1")
      const headers = Object.fromEntries(seen!.headers)
      assert.match(headers["host"]!, /^127\.0\.0\.1:\d+$/)
      assert.deepInclude(headers, {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": "chat, superchat",
        "sec-websocket-extensions":
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits",
        origin: "http://example.com"
      })
      assert.strictEqual(Buffer.from(headers["sec-websocket-key"]!, "base64").length, 16)
    }))

  it.live("RFC 6455 4.1: a key of its own for each connection", () =>
    Effect.gen(function*() {
      const keys = new Set<string | undefined>()
      const answer = (request: rawServer.Request) => {
        keys.add(request.headers.get("sec-websocket-key"))
        return rawServer.proper(request)
      }
      yield* connect(answer)
      yield* connect(answer)
      assert.strictEqual(keys.size, 2)
    }))

  for (const chop of [undefined, 1]) {
    it.live(`RFC 6455 4.1: a frame behind the response, ${chop === 1 ? "a byte at a time" : "in one piece with it"}`, () =>
      Effect.gen(function*() {
        const ws = yield* connect(
          (request) => Buffer.concat([Buffer.from(rawServer.proper(request)), fromServer]),
          undefined,
          chop
        )
        const message = yield* ws.receive
        assert.strictEqual(message._tag === "Text" && message.text, "Hello")
      }))
  }

  it.live("RFC 6455 4.1: tokens in any case", () =>
    connect((request) => rawServer.proper(request, { Upgrade: "WebSocket", Connection: "keep-alive, UPGRADE" })))

  it.live("RFC 9110 15.2: responses before the 101 are no answer", () =>
    connect((request) =>
      `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n${rawServer.proper(request)}`
    ))

  const refusals: ReadonlyArray<
    readonly [name: string, changes: { readonly [name: string]: string | undefined }, reason: string]
  > = [
    ["RFC 6455 4.1: another protocol", { Upgrade: "h2c" }, "NotUpgraded"],
    ["RFC 6455 4.1: no Sec-WebSocket-Accept", { "Sec-WebSocket-Accept": undefined }, "InvalidAccept"],
    ["RFC 6455 4.1: that of another key", { "Sec-WebSocket-Accept": http.acceptOfKey }, "InvalidAccept"],
    [
      "RFC 6455 4.1: a subprotocol that was not asked for",
      { "Sec-WebSocket-Protocol": "superchat" },
      "SubprotocolNotOffered"
    ],
    [
      "RFC 6455 4.1: an extension that was not asked for",
      { "Sec-WebSocket-Extensions": "permessage-deflate" },
      "ExtensionsNotOffered"
    ]
  ]
  for (const [name, changes, reason] of refusals) {
    it.live(`${name} is no connection`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(connect((request) => rawServer.proper(request, changes)))
        assert.strictEqual(tagOf(error), reason)
      }))
  }

  it.live("RFC 6455 4.1: a status that is not 101 is no connection", () =>
    Effect.gen(function*() {
      const error = yield* Effect.flip(connect(() => "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"))
      assert.deepInclude(error.reason, { _tag: "Refused", status: 403, body: "" })
    }))
})

const tagOf = ({ reason }: WebsocketError.OpenError): string =>
  reason._tag === "Handshake" ? reason.error.reason._tag : reason._tag
