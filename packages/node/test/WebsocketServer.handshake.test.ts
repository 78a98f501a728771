import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as Effect from "effect/Effect"
import type { Socket } from "node:net"
import { asText } from "./support/frames.ts"
import { acceptOfKey, type Changes, exchange, request } from "./support/http.ts"
import { knock, logging, serving } from "./support/server.ts"
import { takeBytes } from "./support/streams.ts"

const done = () => Effect.void

/** The payload of a frame of up to 125 bytes. */
const takeText = Effect.fnUntraced(function*(socket: Socket) {
  const [, length = 0] = yield* takeBytes(socket, 2)
  return Buffer.from(yield* takeBytes(socket, length)).toString()
})

describe("The 101 of a server", () => {
  it.live("has the headers that the options say, behind its own", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(done, { headers: [["X-Served-By", "us"], ["X-Zone", "ü"]] })
      const { headers, status } = yield* knock(port)
      assert.strictEqual(status, 101)
      assert.deepStrictEqual([...headers], [
        ["upgrade", "websocket"],
        ["connection", "Upgrade"],
        ["sec-websocket-accept", acceptOfKey],
        ["x-served-by", "us"],
        ["x-zone", "ü"]
      ])
    }))

  for (
    const [offer, chosen] of [
      ["chat", "chat"],
      ["unknown, superchat, chat", "superchat"],
      ["chat, superchat", "chat"],
      ["unknown", undefined],
      ["Chat", undefined],
      ["constructor, __proto__", undefined],
      [undefined, undefined]
    ] as const
  ) {
    it.live(`to the offer of ${offer} chooses ${chosen}: what the client likes best of what the server knows`, () =>
      Effect.gen(function*() {
        const { port } = yield* serving((ws) => ws.send(`${ws.subprotocol}`), { subprotocols: ["superchat", "chat"] })
        const { headers, socket, status } = yield* knock(port, { headers: { "Sec-WebSocket-Protocol": offer } })
        assert.deepStrictEqual([status, headers.get("sec-websocket-protocol")], [101, chosen])
        assert.strictEqual(yield* takeText(socket), `${chosen}`)
      }))
  }

  it.live("agrees to compress where the options say so, and else never", () =>
    Effect.gen(function*() {
      const offer = { headers: { "Sec-WebSocket-Extensions": "permessage-deflate; client_max_window_bits" } }
      const [plain, compressing] = [yield* serving(done), yield* serving(done, { deflate: true })]
      const answers = yield* Effect.forEach([plain, compressing], ({ port }) => knock(port, offer))
      const extensions = answers.map(({ headers }) => headers.get("sec-websocket-extensions"))
      assert.isUndefined(extensions[0])
      assert.match(`${extensions[1]}`, /^permessage-deflate/)
    }))
})

describe("R24: pages of another origin", () => {
  const pages = (origin: string | undefined, host = "example.com:8080"): Changes => ({
    headers: { Origin: origin, Host: host }
  })
  const status = (port: number, changes: Changes) => Effect.map(knock(port, changes), ({ status }) => status)

  it.live("are refused with a 403 that says why, unless told otherwise", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(() => Effect.die("a page of elsewhere got in"))
      const { headers, rest, status } = yield* exchange(port, request(pages("https://elsewhere.test")))
      assert.strictEqual(status, 403)
      assert.strictEqual(headers.get("connection"), "close")
      assert.include(rest.toString(), "pages of the origin https://elsewhere.test may not connect here")
    }))

  it.live("are told from those of our own host, its port and none", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(done)
      const answers = yield* Effect.forEach([
        "http://example.com:8080",
        "https://EXAMPLE.com:8080",
        undefined,
        "http://example.com",
        "http://example.com:8081",
        "http://example.com.elsewhere.test:8080",
        "http://elsewhere.test/http://example.com:8080",
        "http://example.com:8080@elsewhere.test",
        "null",
        ""
      ], (origin) => status(port, pages(origin)))
      assert.deepStrictEqual(answers, [101, 101, 101, 403, 403, 403, 403, 403, 403, 403])
    }))

  it.live("are told by the host of the target, where it names one", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(done)
      const answers = yield* Effect.forEach(
        ["http://example.com:8080", "http://elsewhere.test"],
        (origin) => status(port, { ...pages(origin), line: "GET http://Elsewhere.test/a HTTP/1.1" })
      )
      assert.deepStrictEqual(answers, [403, 101])
    }))

  it.live("are let in where a list names them, and no others", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(done, { origins: ["https://app.example.com", "http://[::1]:3000"] })
      const answers = yield* Effect.forEach([
        "https://app.example.com",
        "https://app.example.com:443",
        "http://[::1]:3000",
        "http://example.com:8080",
        "http://app.example.com",
        "https://app.example.com.elsewhere.test",
        "https://elsewhere.test"
      ], (origin) => status(port, pages(origin)))
      assert.deepStrictEqual(answers, [101, 101, 101, 101, 403, 403, 403])
    }))

  it.live("are let in where a function says so of the header as it came", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* serving(done, {
        origins: (origin) => {
          asked.push(origin)
          return origin.endsWith(".example.com")
        }
      })
      const origins = ["https://a.example.com", "https://A.EXAMPLE.COM", "null"]
      assert.deepStrictEqual(yield* Effect.forEach(origins, (origin) => status(port, pages(origin))), [101, 403, 403])
      assert.deepStrictEqual(asked, origins)
    }))

  it.live("get a 500 where that function throws, which is logged, and the server lives on", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const { port } = yield* serving(done, {
          origins: () => {
            throw new Error("secret")
          }
        })
        const { rest, status: answer } = yield* exchange(port, request(pages("https://elsewhere.test")))
        assert.deepStrictEqual([answer, rest.length], [500, 0])
        assert.strictEqual(yield* status(port, pages(undefined)), 101)
        assert.deepStrictEqual(logs.map(({ errors, level, message }) => [level, message, String(errors[0])]), [
          ["Error", "WebSocket admission failed", "Error: secret"]
        ])
      })
    ))
})

describe("WebsocketRequest", () => {
  const seen = Effect.fnUntraced(function*(target: string) {
    const { port } = yield* serving((ws) =>
      Effect.flatMap(
        WebsocketRequest.WebsocketRequest,
        ({ path, query, url }) => ws.send(JSON.stringify([url, path, [...query]]))
      )
    )
    const { socket } = yield* knock(port, { line: `GET ${target} HTTP/1.1` })
    return JSON.parse(yield* takeText(socket))
  })

  for (
    const [target, path, query] of [
      ["/", "/", []],
      ["/a?", "/a", []],
      ["/a?b", "/a", [["b", ""]]],
      ["/a?b=1&b=2", "/a", [["b", "1"], ["b", "2"]]],
      ["/a?next=/b?c=d", "/a", [["next", "/b?c=d"]]],
      ["//elsewhere.test/a", "//elsewhere.test/a", []],
      // RFC 9112 3.2.2, the absolute form.
      ["http://elsewhere.test/admin?b=1", "/admin", [["b", "1"]]],
      ["HTTP://elsewhere.test", "/", []],
      ["http://elsewhere.test:65536/admin", "/admin", []],
      ["http://elsewhere.test/%2e%2e/a/../b", "/%2e%2e/a/../b", []],
      ["/%2e%2e/a%3Fb", "/%2e%2e/a%3Fb", []]
    ] as const
  ) {
    it.live(`of ${target} has the path ${path} as it came, and its query`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* seen(target), [target, path, query])
      }))
  }

  it.live("has what the client asks for and offers", () =>
    Effect.gen(function*() {
      const { url } = yield* serving((ws) =>
        Effect.flatMap(WebsocketRequest.WebsocketRequest, ({ headers, path, subprotocols }) =>
          ws.send(JSON.stringify([subprotocols, headers["x-a"], path])))
      )
      const ws = yield* WebsocketClient.connect(url, { subprotocols: ["x", "y"], headers: [["X-A", "b"]] })
      assert.deepStrictEqual(JSON.parse(asText(yield* ws.receive)), [["x", "y"], "b", "/"])
    }))
})
