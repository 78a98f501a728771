import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import { dial, parse } from "./support/http.ts"
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
})
