import { assert, describe, it, layer } from "@effect/vitest"
import { WebsocketClient } from "@websocket-stream/node"
import type { Websocket } from "@websocket-stream/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Examples from "./support/examples.ts"

const authorization = ["Authorization", "Bearer secret"] as const

const serve = Examples.serveWith({ TOKEN: "secret" }, "one-port")

class OnePort extends Context.Service<OnePort, Effect.Success<typeof serve>>()("test/OnePort") {
  static readonly layer = Layer.effect(OnePort, serve)
}

const get = (url: string, headers?: Record<string, string>) =>
  Effect.promise(async (signal) => {
    const response = await fetch(url, { headers: headers ?? {}, signal })
    return { status: response.status, headers: response.headers, body: await response.text() }
  })

const connect = (url: string, headers: WebsocketClient.Options["headers"] = [authorization]) =>
  WebsocketClient.connect(`${url.replace("http", "ws")}/echo`, { headers })

const textOf = Effect.fnUntraced(function*(ws: Websocket.Websocket["Service"]) {
  const message = yield* ws.receive
  return message._tag === "Text" ? message.text : assert.fail("a binary message")
})

/** The metrics, each in a line with its labels and its value. */
const metrics = Effect.fnUntraced(function*(url: string) {
  const { body } = yield* get(`${url}/metrics`)
  const lines = body.trimEnd().split("\n").filter((line) => !line.startsWith("#"))
  return lines.map((line) => line.replace(/network_io_direction=/, ""))
})

describe("examples/one-port", { timeout: Examples.timeout }, () => {
  layer(OnePort.layer, { excludeTestServices: true, timeout: Examples.timeout })((it) => {
    it.effect("answers requests and opens WebSockets for whom it knows, and for nobody else", () =>
      Effect.gen(function*() {
        const { url } = yield* OnePort
        const { body, status } = yield* get(`${url}/whoami`, Object.fromEntries([authorization]))
        assert.deepStrictEqual([status, JSON.parse(body)], [200, { name: "Ada" }])
        const ws = yield* connect(url)
        assert.strictEqual(yield* textOf(ws), "Hello, Ada")
        yield* ws.send("hello")
        assert.strictEqual(yield* textOf(ws), "hello")

        for (const guess of ["", "Bearer secre", "Bearer secret2"]) {
          const refused = yield* get(`${url}/whoami`, { authorization: guess })
          assert.deepStrictEqual([refused.status, refused.headers.get("www-authenticate")], [401, "Bearer"])
          const { reason } = yield* Effect.flip(connect(url, [["Authorization", guess]]))
          assert.deepInclude(reason, { _tag: "Refused", status: 401, body: "who are you?\n" })
        }
      }))
  })

  it.live("tells Prometheus of its connections and messages", () =>
    Effect.gen(function*() {
      const { url } = yield* serve
      const { headers, status } = yield* get(`${url}/metrics`)
      assert.deepStrictEqual([status, headers.get("content-type")?.split(";")[0]], [200, "text/plain"])
      const [first, second] = [yield* connect(url), yield* connect(url)]
      for (const ws of [first, second]) assert.strictEqual(yield* textOf(ws), "Hello, Ada")
      yield* first.send("hello")
      assert.strictEqual(yield* textOf(first), "hello")
      assert.includeMembers(yield* metrics(url), [
        "websocket_connections_open 2",
        `websocket_messages{"receive"} 1`,
        `websocket_messages{"transmit"} 3`
      ])
      yield* second.close(4000)
      assert.include(yield* metrics(url), "websocket_connections_open 1")
    }))

  it.live("tells whoever is connected that it leaves at SIGTERM, and ends with status 0", () =>
    Effect.gen(function*() {
      const { ended, kill, url } = yield* serve
      const ws = yield* connect(url)
      assert.strictEqual(yield* textOf(ws), "Hello, Ada")
      yield* kill("SIGTERM")
      assert.strictEqual((yield* ws.closed).received.code, 1001)
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("says in one line that it has no token", () =>
    Effect.gen(function*() {
      const { ended } = yield* Examples.run("one-port", "--port", "0")
      const { status, stderr } = yield* ended
      assert.strictEqual(status, 1)
      assert.match(stderr, /^.*TOKEN.*\n$/)
    }))
})
