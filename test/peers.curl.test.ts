import { assert, describe, it } from "@effect/vitest"
import { WebsocketRequest, WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { curl, isMissing } from "./support/curl.ts"

/** The headers of an opening handshake, some of them left out or changed. */
const handshake = (changes: { readonly [name: string]: string | undefined } = {}): ReadonlyArray<string> =>
  Object.entries({
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...changes
  }).flatMap(([name, value]) => value === undefined ? [] : ["--header", `${name}: ${value}`])

/** A server that wants to know who it is. */
const serve = Effect.gen(function*() {
  const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
  const admit = new WebsocketRequest.Refusal({
    status: 401,
    headers: [["WWW-Authenticate", `Basic realm="chat"`]],
    body: "who are you?\n"
  })
  yield* Effect.forkScoped(server.run(() => Effect.void, { admit }), { startImmediately: true })
  return WebsocketServer.url(server.address).replace("ws:", "http:")
})

const refusals: ReadonlyArray<{
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly status: string
  readonly headers?: { readonly [name: string]: string }
  readonly body: string
}> = [
  {
    name: "a request that is no upgrade",
    args: [],
    status: "HTTP/1.1 426 Upgrade Required",
    headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    body: "this address speaks WebSocket: the request needs the headers Connection: Upgrade and Upgrade: websocket " +
      "(RFC 6455 4.2.1)\n"
  },
  {
    name: "no key",
    args: handshake({ "Sec-WebSocket-Key": undefined }),
    status: "HTTP/1.1 400 Bad Request",
    body: "Sec-WebSocket-Key must be 16 bytes in Base64, it is missing (RFC 6455 4.2.1)\n"
  },
  {
    name: "another version",
    args: handshake({ "Sec-WebSocket-Version": "8" }),
    status: "HTTP/1.1 426 Upgrade Required",
    headers: { upgrade: "websocket", "sec-websocket-version": "13" },
    body: "Sec-WebSocket-Version must be 13, it is 8 (RFC 6455 4.4)\n"
  },
  {
    name: "POST",
    args: ["--request", "POST", ...handshake()],
    status: "HTTP/1.1 405 Method Not Allowed",
    headers: { allow: "GET" },
    body: "the method of an opening handshake is GET, not POST (RFC 6455 4.2.1)\n"
  },
  {
    name: "HTTP/1.0",
    args: ["--http1.0", ...handshake()],
    status: "HTTP/1.1 400 Bad Request",
    body: "an opening handshake needs HTTP/1.1 or higher, this request is HTTP/1.0 (RFC 6455 4.2.1)\n"
  },
  {
    name: "a forbidden origin",
    args: handshake({ Origin: "http://evil.example" }),
    status: "HTTP/1.1 403 Forbidden",
    body: "pages of the origin http://evil.example may not connect here (RFC 6455 4.2.2)\n"
  },
  {
    name: "somebody who is not admitted",
    args: handshake(),
    status: "HTTP/1.1 401 Unauthorized",
    headers: { "www-authenticate": `Basic realm="chat"` },
    body: "who are you?\n"
  }
]

// apt-get install curl
describe.skipIf(isMissing)("curl is told why it is refused", () => {
  for (const { args, body, headers = {}, name, status } of refusals) {
    it.live(name, () =>
      Effect.gen(function*() {
        const url = yield* serve
        const response = yield* curl(...args, url)
        assert.deepStrictEqual([response.status, response.body], [status, body])
        assert.deepInclude(Object.fromEntries(response.headers), { ...headers, "content-length": `${body.length}` })
        assert.match(response.headers.get("connection") ?? "", /close/)
      }))
  }
})
