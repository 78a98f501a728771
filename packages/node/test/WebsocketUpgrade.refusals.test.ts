import { assert, describe, it } from "@effect/vitest"
import type { OpenError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { type Changes, exchange, request, serve } from "./support/http.ts"
import { reasonOf } from "./support/streams.ts"

interface Refusal extends Changes {
  readonly name: string
  readonly status: number
  readonly says: string
  readonly with?: { readonly [header: string]: string }
}

const refusals: ReadonlyArray<Refusal> = [
  {
    name: "a request that asks for no upgrade",
    headers: { Upgrade: undefined, Connection: undefined },
    status: 426,
    says: "this address speaks WebSocket",
    with: { upgrade: "websocket" }
  },
  {
    name: "an upgrade to something else",
    headers: { Upgrade: "h2c" },
    status: 426,
    says: "this address speaks WebSocket",
    with: { upgrade: "websocket" }
  },
  {
    name: "version 12",
    headers: { "Sec-WebSocket-Version": "12" },
    status: 426,
    says: "Sec-WebSocket-Version must be 13, it is 12",
    with: { "sec-websocket-version": "13" }
  },
  {
    name: "no version",
    headers: { "Sec-WebSocket-Version": undefined },
    status: 426,
    says: "Sec-WebSocket-Version must be 13, it is missing",
    with: { "sec-websocket-version": "13" }
  },
  {
    name: "no key",
    headers: { "Sec-WebSocket-Key": undefined },
    status: 400,
    says: "Sec-WebSocket-Key must be 16 bytes in Base64, it is missing"
  },
  {
    name: "a key of 15 bytes",
    headers: { "Sec-WebSocket-Key": Buffer.alloc(15).toString("base64") },
    status: 400,
    says: "Sec-WebSocket-Key must be 16 bytes in Base64"
  },
  {
    name: "a key that is no Base64",
    headers: { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZ*==" },
    status: 400,
    says: "Sec-WebSocket-Key must be 16 bytes in Base64"
  },
  {
    name: "subprotocols that are none",
    headers: { "Sec-WebSocket-Protocol": "chat, super chat" },
    status: 400,
    says: "Sec-WebSocket-Protocol must list tokens"
  },
  {
    name: "POST",
    line: "POST / HTTP/1.1",
    status: 405,
    says: "the method of an opening handshake is GET, not POST",
    with: { allow: "GET" }
  },
  {
    name: "HTTP/1.0",
    line: "GET / HTTP/1.0",
    status: 400,
    says: "an opening handshake needs HTTP/1.1"
  },
  { name: "no Host", headers: { Host: undefined }, status: 400, says: "the Host header is missing" },
  {
    name: "a second Host",
    headers: { host: "elsewhere.test" },
    status: 400,
    says: "the Host header must be there once, and hold a host"
  },
  {
    name: "a Host that is none",
    headers: { Host: "user@server.example.com" },
    status: 400,
    says: "the Host header must be there once, and hold a host"
  }
]

const neverOpened = () => Effect.die("the handler of a request that opens nothing was called")

describe("What bad input gets: a request that opens no connection", () => {
  for (const { says, status, with: expected = {}, ...changes } of refusals) {
    it.live(`${changes.name} is answered with ${status} and why, and the socket is closed`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve
        yield* Effect.forkScoped(WebsocketUpgrade.run(server, neverOpened), { startImmediately: true })
        const response = yield* exchange(port, request(changes))
        assert.strictEqual(response.status, status)
        const body = response.rest.toString()
        assert.include(body, says)
        assert.match(body, /^[\x20-\x7e]{1,200}\n$/)
        assert.deepInclude(Object.fromEntries(response.headers), {
          ...expected,
          "content-type": "text/plain; charset=utf-8",
          "content-length": `${response.rest.length}`
        })
        assert.match(response.headers.get("connection") ?? "", /\bclose$/)
      }))
  }

  it.live("HEAD is answered as POST is, without the words", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      yield* Effect.forkScoped(WebsocketUpgrade.run(server, neverOpened), { startImmediately: true })
      const response = yield* exchange(port, request({ line: "HEAD / HTTP/1.1" }))
      assert.deepStrictEqual([response.status, response.rest.toString()], [405, ""])
      assert.match(response.headers.get("content-length") ?? "", /^[1-9]\d$/)
    }))

  // A parser may drop headers where there are too many of them, though it has seen that this is an upgrade.
  for (const [name, status] of [["host", 400], ["upgrade", 426], ["connection", 426]] as const) {
    it.live(`R14: an upgrade without the header ${name} is answered with ${status}`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve
        const refused = yield* Deferred.make<OpenError["reason"], unknown>()
        yield* WebsocketUpgrade.runUpgrades(server, (upgrade) => {
          delete upgrade.request.headers[name]
          return reasonOf(Effect.scoped(WebsocketUpgrade.accept(upgrade))).pipe(Deferred.into(refused))
        }).pipe(Effect.forkScoped({ startImmediately: true }))
        assert.strictEqual((yield* exchange(port, request())).status, status)
        const reason = yield* Deferred.await(refused)
        if (reason._tag !== "Handshake" || reason.error._tag !== "RequestError") return assert.fail(reason.message)
        assert.strictEqual(reason.error.status, status)
      }))
  }

  it.live("R14: an upgrade without any header is answered", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      yield* WebsocketUpgrade.runUpgrades(server, (upgrade) => {
        upgrade.request.headers = {}
        return WebsocketUpgrade.accept(upgrade)
      }).pipe(Effect.forkScoped({ startImmediately: true }))
      assert.strictEqual((yield* exchange(port, request())).status, 400)
    }))
})
