import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import type * as WebsocketError from "@websocket-stream/node/WebsocketError"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { asText } from "./support/frames.ts"

const local = { host: "127.0.0.1", port: 0 }

/** Why the connection ended, as `receive` tells. */
const closeOf = (error: WebsocketError.ReadError) =>
  error.reason._tag === "Closed" ? error.reason.code : error.reason._tag

const serving = <E, R>(handler: WebsocketServer.Handler<void, E, R>, options?: WebsocketServer.ServingOptions) =>
  Effect.gen(function*() {
    const server = yield* WebsocketServer.make({ ...local, ...options })
    yield* Effect.forkScoped(server.run(handler), { startImmediately: true })
    return WebsocketServer.url(server.address)
  })

describe("WebsocketServer.run", () => {
  it.live("runs a handler for each connection, with the request in its context", () =>
    Effect.gen(function*() {
      const url = yield* serving((ws) =>
        Effect.gen(function*() {
          const { path, query, remoteAddress, subprotocols, url } = yield* WebsocketRequest.WebsocketRequest
          yield* ws.send(JSON.stringify([url, path, query.get("b"), remoteAddress, subprotocols]))
          yield* ws.receive
        })
      )
      const ws = yield* WebsocketClient.connect(`${url}a/c?b=1%202`, { subprotocols: ["x", "y"] })
      assert.deepStrictEqual(JSON.parse(asText(yield* ws.receive)), [
        "/a/c?b=1%202",
        "/a/c",
        "1 2",
        "127.0.0.1",
        ["x", "y"]
      ])
      assert.strictEqual(ws.subprotocol, undefined)
    }))

  it.live("tells the peer by the close code how the handler ended, and nothing else", () =>
    Effect.gen(function*() {
      const url = yield* serving(() =>
        Effect.gen(function*() {
          const { path } = yield* WebsocketRequest.WebsocketRequest
          if (path === "/succeed") return
          if (path === "/fail") return yield* Effect.fail("secret")
          if (path === "/die") return yield* Effect.die("secret")
          if (path === "/interrupt") return yield* Effect.interrupt
        })
      )
      const ends: Array<unknown> = []
      for (const path of ["succeed", "fail", "die", "interrupt"]) {
        const ws = yield* WebsocketClient.connect(`${url}${path}`)
        const { reason } = yield* Effect.flip(ws.receive)
        ends.push(reason._tag === "Closed" && [reason.code, reason.reason])
      }
      assert.deepStrictEqual(ends, [[1000, ""], [1011, ""], [1011, ""], [1001, ""]])
    }))

  it.live("closes the handler's scope with its connection", () =>
    Effect.gen(function*() {
      const closed = yield* Deferred.make<void>()
      const url = yield* serving((ws) =>
        Effect.andThen(Effect.addFinalizer(() => Deferred.succeed(closed, undefined)), Stream.runDrain(ws.messages))
      )
      const ws = yield* WebsocketClient.connect(url)
      yield* ws.close()
      yield* Deferred.await(closed)
    }))

  it.live("admits before the connection is open: what it finds out is the handler's, a refusal the client's", () =>
    Effect.gen(function*() {
      const server = yield* WebsocketServer.make(local)
      const admit = Effect.gen(function*() {
        const { query } = yield* WebsocketRequest.WebsocketRequest
        const name = query.get("name")
        if (name !== null) return { name }
        return yield* new WebsocketRequest.Refusal({
          status: 401,
          headers: [["WWW-Authenticate", "Basic"]],
          body: "who?"
        })
      })
      yield* Effect.forkScoped(server.run((ws, { name }) => ws.send(name), { admit }), { startImmediately: true })
      const url = WebsocketServer.url(server.address)
      const ws = yield* WebsocketClient.connect(`${url}?name=Ada`)
      assert.strictEqual(asText(yield* ws.receive), "Ada")
      const response = yield* Effect.promise(() => refusal(url))
      assert.deepStrictEqual(response, { status: 401, authenticate: "Basic", body: "who?" })
    }))

  it.live("lets clients wait until a handler runs", () =>
    Effect.gen(function*() {
      const server = yield* WebsocketServer.make(local)
      const connecting = yield* Effect.forkScoped(WebsocketClient.connect(WebsocketServer.url(server.address)), {
        startImmediately: true
      })
      yield* Effect.forkScoped(server.run((ws) => ws.send("at last")))
      const ws = yield* Fiber.join(connecting)
      assert.strictEqual(asText(yield* ws.receive), "at last")
    }))

  it.live("asks the peers to leave when it is interrupted, and waits for the handlers", () =>
    Effect.gen(function*() {
      const server = yield* WebsocketServer.make(local)
      const served: Array<string> = []
      const fiber = yield* Effect.forkChild(
        server.run((ws) =>
          Effect.gen(function*() {
            yield* ws.send("ready")
            const { reason } = yield* Effect.flip(ws.receive)
            served.push(reason._tag)
          })
        ),
        { startImmediately: true }
      )
      const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
      yield* ws.receive
      const ending = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
      assert.strictEqual(closeOf(yield* Effect.flip(ws.receive)), 1001)
      yield* Fiber.join(ending)
      assert.deepStrictEqual(served, ["Closed"])
    }))
})

describe("WebsocketServer.layer", () => {
  it.live("serves for as long as it lives", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const echo = WebsocketServer.serve((ws) => Stream.runForEach(ws.messages, (message) => ws.send(message)))
      const context = yield* Layer.buildWithScope(Layer.provideMerge(echo, WebsocketServer.layer(local)), scope)
      const url = WebsocketServer.url(Context.get(context, WebsocketServer.WebsocketServer).address)
      const ws = yield* WebsocketClient.connect(url)
      yield* ws.send("Hello")
      assert.strictEqual(asText(yield* ws.receive), "Hello")
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      assert.strictEqual(closeOf(yield* Effect.flip(ws.receive)), 1001)
      yield* Fiber.join(closing)
      const { reason } = yield* Effect.flip(WebsocketClient.connect(url))
      assert.strictEqual(reason._tag === "Io" && reason.code, "ECONNREFUSED")
    }))
})

const refusal = async (url: string) => {
  const { get } = await import("node:http")
  const headers = {
    Connection: "Upgrade",
    Upgrade: "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="
  }
  return new Promise((resolve) => {
    get(url.replace("ws:", "http:"), { headers }, async (response) => {
      const body = (await response.toArray()).join("")
      resolve({ status: response.statusCode, authenticate: response.headers["www-authenticate"], body })
    })
  })
}
