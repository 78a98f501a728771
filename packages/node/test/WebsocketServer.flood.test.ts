import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import type { Socket } from "node:net"
import { encode } from "./support/frames.ts"
import { dial, exchange, request } from "./support/http.ts"
import { admitting, knock, listening, serving, takeHead } from "./support/server.ts"
import { takeAll, takeBytes } from "./support/streams.ts"

const plain = request({ headers: { Upgrade: undefined, Connection: "close" } })

/** Tries until there is a place: whoever leaves gives it back when all that was its own has ended. */
const knockUntilOpen: (port: number) => ReturnType<typeof knock> = Effect.fnUntraced(function*(port) {
  for (;;) {
    const answer = yield* knock(port)
    if (answer.status !== 503) return answer
  }
})

describe("R27: past the maximum of connections", () => {
  it.live("the next gets a 503, and who comes after one has left gets in", () =>
    Effect.gen(function*() {
      const { port, url } = yield* serving((ws) => ws.receive, { maxConnections: 2 })
      const first = yield* WebsocketClient.connect(url)
      yield* WebsocketClient.connect(url)
      const { headers, rest, status } = yield* exchange(port, request())
      assert.deepStrictEqual([status, headers.get("connection"), rest.length], [503, "close", 0])
      yield* first.close()
      assert.strictEqual((yield* knockUntilOpen(port)).status, 101)
      assert.strictEqual((yield* knock(port)).status, 503)
    }))

  it.live("requests that open nothing have their answers all the same, and take no place", () =>
    Effect.gen(function*() {
      const { port, url } = yield* serving((ws) => ws.receive, { maxConnections: 1 })
      assert.strictEqual((yield* exchange(port, request({ line: "POST / HTTP/1.1" }))).status, 405)
      yield* dial(port)
      yield* WebsocketClient.connect(url)
      assert.strictEqual((yield* exchange(port, plain)).status, 426)
    }))

  it.live("those count who wait until a handler runs", () =>
    Effect.gen(function*() {
      const { port, server } = yield* listening({ maxConnections: 1 })
      const first = yield* dial(port)
      first.write(request())
      // By the time that this is answered the other was read.
      yield* exchange(port, plain)
      assert.strictEqual((yield* exchange(port, request())).status, 503)
      yield* Effect.forkScoped(server.run((ws) => ws.receive))
      assert.include(Buffer.from(yield* takeBytes(first, 12)).toString(), "HTTP/1.1 101")
      assert.strictEqual((yield* exchange(port, request())).status, 503)
      first.destroy()
    }))

  it.effect("and give their place back when they have waited too long", () =>
    Effect.gen(function*() {
      const { port, server } = yield* listening({ maxConnections: 1, handshakeDeadline: "10 seconds" })
      const waiting = yield* Effect.forkChild(exchange(port, request()), { startImmediately: true })
      while ((yield* exchange(port, request())).status !== 503);
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
      yield* Effect.forkScoped(server.run((ws) => ws.receive), { startImmediately: true })
      assert.strictEqual((yield* knock(port)).status, 101)
    }))

  it.live("those count whose admission is not decided, until they are refused", () =>
    Effect.gen(function*() {
      const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { port } = yield* admitting({
        handler: (ws) => ws.receive,
        admit: Effect.gen(function*() {
          yield* Deferred.succeed(asked, undefined)
          yield* Deferred.await(gate)
          const { path } = yield* WebsocketRequest.WebsocketRequest
          if (path === "/refuse") return yield* new WebsocketRequest.Refusal({ status: 401 })
        })
      }, { maxConnections: 1 })
      const refused = yield* Effect.forkChild(exchange(port, request({ line: "GET /refuse HTTP/1.1" })))
      yield* Deferred.await(asked)
      assert.strictEqual((yield* exchange(port, request())).status, 503)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(refused)).status, 401)
      assert.strictEqual((yield* knockUntilOpen(port)).status, 101)
    }))

  it.live("a thousand besides may say nothing: the next is hung up on, and whoever speaks is served and makes room", () =>
    Effect.gen(function*() {
      const { port, url } = yield* serving((ws) => ws.receive, { maxConnections: 2 })
      yield* WebsocketClient.connect(url)
      const silent = yield* Effect.forEach(Array.from({ length: 2 + 1024 }), () => dial(port), { concurrency: 16 })
      assert.strictEqual((yield* takeAll(yield* dial(port))).length, 0)
      silent[0]!.write(request())
      assert.strictEqual((yield* takeHead(silent[0]!)).status, 101)
      assert.strictEqual((yield* exchange(port, plain)).status, 426)
    }))

  const ends: ReadonlyArray<readonly [how: string, path: string, end: (socket: Socket) => unknown]> = [
    ["by its handler", "/succeed", () => {}],
    ["by its handler's interruption", "/interrupt", () => {}],
    ["by its handler's failure", "/fail", () => {}],
    ["by a reset", "/", (socket) => socket.resetAndDestroy()],
    ["by the end of TCP", "/", (socket) => socket.end()],
    ["by what is no frame", "/", (socket) => socket.end("no frame")],
    ["by a Close frame", "/", (socket) => socket.end(encode("server", Frame.make(Opcode.Close, new Uint8Array(0))))]
  ]
  for (const [how, path, end] of ends) {
    it.live(`a place is given back by a connection that ends ${how}`, () =>
      Effect.gen(function*() {
        const { port } = yield* serving(
          (ws) =>
            Effect.gen(function*() {
              const { path } = yield* WebsocketRequest.WebsocketRequest
              if (path === "/interrupt") return yield* Effect.interrupt
              if (path === "/fail") return yield* new WebsocketRequest.Refusal({ status: 403 })
              if (path !== "/succeed") yield* ws.receive
            }),
          // Nobody answers our Close frames.
          { maxConnections: 1, closeDeadline: "10 millis" }
        )
        const { socket, status } = yield* knock(port, { line: `GET ${path} HTTP/1.1` })
        assert.strictEqual(status, 101)
        end(socket)
        assert.strictEqual((yield* knockUntilOpen(port)).status, 101)
        assert.strictEqual((yield* knock(port)).status, 503)
      }))
  }

  it.live("a place is given back by a request that opens no connection", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive, { maxConnections: 1 })
      for (let time = 0; time < 3; time++) {
        const key = { headers: { "Sec-WebSocket-Key": "none" } }
        const origin = { headers: { Origin: "https://elsewhere.test" } }
        assert.strictEqual((yield* exchange(port, request(key))).status, 400)
        assert.strictEqual((yield* exchange(port, request(origin))).status, 403)
      }
    }))
})
