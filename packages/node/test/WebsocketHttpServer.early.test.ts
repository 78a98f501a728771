import { assert, describe, it } from "@effect/vitest"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import { dial } from "./support/http.ts"
import { handshake } from "./support/httpServer.ts"
import { knock, takeHead, until } from "./support/server.ts"
import { event, takeAll } from "./support/streams.ts"

/** A server that nobody serves yet, and clients whose requests it has: one for a WebSocket, and one for a page. */
const visited = Effect.gen(function*() {
  const node = createServer()
  const accepted: Array<Socket> = []
  node.on("connection", (socket) => accepted.push(socket))
  const scope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
  const server = yield* Scope.provide(WebsocketHttpServer.make(() => node, { port: 0, host: "127.0.0.1" }), scope)
  const port = "port" in server.address ? server.address.port : 0
  const ask = Effect.fnUntraced(function*(request: string) {
    const count = accepted.length + 1
    const socket = yield* dial(port)
    socket.write(request)
    yield* until(() => accepted.length === count && accepted.at(-1)!.bytesRead === request.length)
    return socket
  })
  const upgrade = yield* ask(handshake("/ws"))
  const page = yield* ask("GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
  return { node, page, port, scope, server, upgrade }
})

const app = Effect.gen(function*() {
  const { url } = yield* HttpServerRequest
  if (url === "/page") return HttpServerResponse.text("a page")
  const ws = yield* WebsocketHttpServer.upgrade()
  yield* ws.runForEach((message) => ws.send(message))
  return HttpServerResponse.empty()
})

describe("Who comes to a WebsocketHttpServer before its application is there", () => {
  it.live("is answered when it is, and the server listens alone then", () =>
    Effect.gen(function*() {
      const { node, page, port, scope, server, upgrade } = yield* visited
      yield* Scope.provide(server.serve(app), scope)
      assert.deepStrictEqual([node.listenerCount("request"), node.listenerCount("upgrade")], [1, 1])
      assert.strictEqual((yield* takeHead(upgrade)).status, 101)
      const text = Buffer.from(yield* takeAll(page)).toString()
      assert.match(text, /^HTTP\/1\.1 200 .*a page$/s)
      assert.strictEqual((yield* knock(port)).status, 101)
      upgrade.destroy()
    }))

  it.live("and has left by then, is nobody's", () =>
    Effect.gen(function*() {
      const { page, scope, server, upgrade } = yield* visited
      upgrade.resetAndDestroy()
      yield* Scope.provide(server.serve(app), scope)
      assert.match(Buffer.from(yield* takeAll(page)).toString(), /^HTTP\/1\.1 200 /)
    }))

  it.live("is hung up on where it never is, and the server ends", () =>
    Effect.gen(function*() {
      const { node, page, scope, upgrade } = yield* visited
      const ends = Effect.all([event(upgrade, "close"), event(page, "close")], { concurrency: "unbounded" })
      upgrade.resume()
      page.resume()
      yield* Effect.all([Scope.close(scope, Exit.void), ends], { concurrency: "unbounded" })
      assert.deepStrictEqual([node.listenerCount("request"), node.listenerCount("upgrade")], [0, 0])
    }))

  it.live("is the application's of Node where there is one, and gets one answer", () =>
    Effect.gen(function*() {
      let asked = 0
      const node = createServer((_, response) => {
        asked++
        response.end("Node's")
      })
      const server = yield* WebsocketHttpServer.make(() => node, { port: 0, host: "127.0.0.1" })
      const page = yield* dial("port" in server.address ? server.address.port : 0)
      page.write("GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
      assert.match(Buffer.from(yield* takeAll(page)).toString(), /Node's$/)
      yield* server.serve(app)
      assert.strictEqual(asked, 1)
    }))
})
