import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Certificate from "./support/certificate.ts"
import { dial, exchange, parse, request } from "./support/http.ts"
import { listening, manyTurns, serving } from "./support/server.ts"
import { event, takeAll } from "./support/streams.ts"

describe("R26: how long a client may take for its request", () => {
  const hurried = { handshakeDeadline: "100 millis" } as const

  for (
    const [name, sends] of [
      ["nothing", ""],
      ["half a line", "GET / HT"],
      ["half a request", request().slice(0, -2)]
    ] as const
  ) {
    it.live(`one that sends ${name} is answered with 408 and cut`, () =>
      Effect.gen(function*() {
        const { port, url } = yield* serving((ws) => ws.receive, hurried)
        const socket = yield* dial(port)
        socket.write(sends)
        const response = parse(Buffer.from(yield* takeAll(socket)))
        assert.deepStrictEqual([response.status, response.headers.get("connection")], [408, "close"])
        yield* servesOn(WebsocketClient.connect(url))
      }))
  }

  it.live("one that sends a byte now and then gains nothing by it", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive, hurried)
      const socket = yield* dial(port)
      socket.write("GET / HTTP/1.1\r\nX: ")
      const drip = Effect.sync(() => socket.write("x"))
      yield* Effect.forkChild(Effect.forever(Effect.andThen(manyTurns, drip)), { startImmediately: true })
      // What it sends late may reset the connection, and the 408 be lost with it.
      yield* event(socket.resume(), "close")
    }))

  for (const [name, bytes] of [["nothing", []], ["half a handshake of TLS", [0x16, 3, 1, 2, 0]]] as const) {
    it.live(`one that sends ${name} where TLS is spoken is cut`, () =>
      Effect.gen(function*() {
        const tls = Certificate.make()
        const { port, server } = yield* serving((ws) => ws.receive, { ...hurried, tls })
        const url = WebsocketServer.url(server.address, "wss")
        const socket = yield* dial(port)
        socket.write(Uint8Array.from(bytes))
        socket.resume()
        yield* event(socket, "close")
        yield* servesOn(WebsocketClient.connect(url, { tls: { ca: tls.cert } }))
      }))
  }

  it.effect("one that has sent it and that no handler comes for gets a 503", () =>
    Effect.gen(function*() {
      const { port } = yield* listening({ handshakeDeadline: "10 seconds" })
      const sockets = yield* Effect.replicateEffect(dial(port), 2)
      const [early, late] = sockets.map((socket) => takeAll(socket))
      sockets[0]!.write(request())
      yield* arrival(port)
      yield* TestClock.adjust("6 seconds")
      sockets[1]!.write(request())
      yield* arrival(port)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(parse(Buffer.from(yield* early!)).status, 503)
      assert.strictEqual(sockets[1]!.bytesRead, 0)
      // To within half of the closing deadline.
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(parse(Buffer.from(yield* late!)).status, 503)
    }))
})

// More than once: a busy machine may keep a client from its request for as long as a slow one.
const servesOn = (connect: ReturnType<typeof WebsocketClient.connect>) => Effect.eventually(Effect.scoped(connect))

// What was sent before has been read by the time that the answer to another request is there.
const arrival = (port: number) => exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
