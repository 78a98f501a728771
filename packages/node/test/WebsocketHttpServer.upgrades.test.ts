import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import { dial, exchange, parse } from "./support/http.ts"
import { closeDeadline, handshake, serving, websocket } from "./support/httpServer.ts"
import { event } from "./support/streams.ts"

/** A route that takes the connection as Effect's `Socket`. */
const socketRoute = HttpRouter.add(
  "GET",
  "/socket",
  Effect.gen(function*() {
    const { reader } = yield* (yield* HttpServerRequest).upgrade
    yield* (yield* reader).pull
    return HttpServerResponse.empty()
  })
)

describe("An upgrade at a WebsocketHttpServer", () => {
  for (const path of ["/", "/socket"]) {
    for (const upgrade of ["h2c, websocket", "WebSocket,raw"]) {
      it.live(`may list other protocols: ${upgrade}, by ${path}`, () =>
        Effect.gen(function*() {
          const routes = Layer.merge(socketRoute, websocket("/", () => Effect.void))
          const { port } = yield* serving(routes, { websocket: { closeDeadline } })
          const socket = yield* dial(port)
          socket.write(handshake(path, { Upgrade: upgrade }))
          yield* event(socket, "readable")
          const { headers, status } = parse(socket.read())
          assert.deepStrictEqual([status, headers.get("upgrade")], [101, "websocket"])
          assert.isTrue(headers.has("sec-websocket-accept"))
        }))
    }
  }

  const saying = (connection: string) => HttpServerResponse.text("a page", { headers: { connection } })
  const routes = Layer.mergeAll(
    HttpRouter.add("GET", "/page", HttpServerResponse.text("a page")),
    HttpRouter.add("GET", "/option", saying("Upgrade")),
    HttpRouter.add("GET", "/ends", saying("Close")),
    HttpRouter.add("GET", "/dies", Effect.die("a bug")),
    websocket("/", (ws) => ws.receive)
  )
  const closed: ReadonlyArray<readonly [name: string, path: string, connection: string, upgrade?: string]> = [
    ["a route that does not upgrade", "/page", "close"],
    ["no route", "/nowhere", "close"],
    ["a route that dies", "/dies", "close"],
    ["a server without room", "/", "close"],
    ["a route that names an option itself", "/option", "Upgrade, close"],
    ["a route that ends the connection itself", "/ends", "Close"],
    ["a route that does not upgrade to another protocol", "/page", "close", "raw"]
  ]
  for (const [name, path, connection, upgrade = "websocket"] of closed) {
    it.live(`is told by the answer of ${name} that the connection ends`, () =>
      Effect.gen(function*() {
        const { connect, port } = yield* serving(routes, { websocket: { closeDeadline, maxConnections: 1 } })
        if (path === "/") yield* connect(path)
        const { headers } = yield* exchange(port, handshake(path, { Upgrade: upgrade }))
        assert.strictEqual(headers.get("connection"), connection)
      }).pipe(Effect.provide(Logger.layer([]))))
  }
})
