import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type { Socket } from "node:net"
import { asText, encode, text } from "./support/frames.ts"
import { exchange, request, serve } from "./support/http.ts"
import { alone, eventually, metered, nothing, values } from "./support/metrics.ts"
import { admitting, echo, knock, logging, manyTurns, serving, until } from "./support/server.ts"

describe("The connections of a server", () => {
  it.live("are counted when they are accepted, open and closed", () =>
    alone(Effect.gen(function*() {
      const { url } = yield* serving(echo, metered)
      const one = yield* WebsocketClient.connect(url)
      const two = yield* WebsocketClient.connect(url)
      yield* eventually(({ open }) => open === 2)
      yield* one.close(4000)
      yield* eventually(({ open }) => open === 1)
      yield* two.close()
      const { accepted, closes, open } = yield* eventually(({ open }) => open === 0)
      assert.deepStrictEqual([accepted, open, closes], [2, 0, { 1000: 1, 4000: 1 }])
    })))

  for (
    const [how, code, end] of [
      ["closes with a code", 4007, (socket) => socket.write(closing(4007))],
      ["closes without one", 1005, (socket) => socket.write(closing())],
      ["ends TCP without a Close frame", 1006, (socket) => socket.end()],
      ["resets TCP", 1006, (socket) => socket.resetAndDestroy()],
      ["sends what is no frame", 1002, (socket) => socket.write("no frame")],
      ["sends a text that is no UTF-8", 1007, (socket) => {
        socket.write(encode("server", Frame.make(Opcode.Text, Uint8Array.of(0xff))))
      }],
      ["sends what is too large", 1009, (socket) => {
        socket.write(encode("server", Frame.make(Opcode.Binary, new Uint8Array(1001))))
      }],
      ["agrees with us", 1000, (socket) => socket.write(Buffer.concat([encode("server", text("end")), closing(1000)]))],
      ["does not answer us", 1006, (socket) => socket.write(encode("server", text("end")))]
    ] satisfies ReadonlyArray<readonly [string, number, (socket: Socket) => unknown]>
  ) {
    it.live(`that end because the peer ${how} are closes of ${code}`, () =>
      alone(Effect.gen(function*() {
        const { port } = yield* serving(
          (ws) =>
            Stream.runForEach(
              Stream.takeUntil(ws.messages, (message) => asText(message) === "end"),
              () => Effect.void
            ),
          { ...metered, closeDeadline: "50 millis", limits: { maxMessageSize: 1000 } }
        )
        const { socket } = yield* knock(port)
        yield* eventually(({ open }) => open === 1)
        end(socket)
        const { closes } = yield* eventually(({ open }) => open === 0)
        assert.deepStrictEqual(closes, { [code]: 1 })
      })))
  }

  it.live("that are refused are counted by the status of that, and are not accepted", () =>
    // It logs two errors.
    alone(logging(() =>
      Effect.gen(function*() {
        const { port } = yield* admitting({
          handler: () => Effect.void,
          admit: Effect.gen(function*() {
            const { path } = yield* WebsocketRequest.WebsocketRequest
            if (path === "/die") return yield* Effect.die(new Error("a bug"))
            const headers = path === "/inject" ? [["X-A", "b\r\nX-C: d"]] as const : []
            return yield* new WebsocketRequest.Refusal({ status: 401, headers })
          })
        }, metered)
        const requests = [
          {},
          {},
          { headers: { Origin: "https://elsewhere.test" } },
          { headers: { "Sec-WebSocket-Key": "none" } },
          { headers: { "Sec-WebSocket-Version": "7" } },
          { line: "POST / HTTP/1.1" },
          { line: "GET /die HTTP/1.1" },
          { line: "GET /inject HTTP/1.1" },
          // No opening handshake at all.
          { headers: { Upgrade: undefined, Connection: "close" } }
        ]
        yield* Effect.forEach(requests, (changes) => exchange(port, request(changes)))
        const expected = { 400: 1, 401: 2, 403: 1, 405: 1, 426: 1, 500: 2 }
        assert.deepStrictEqual(yield* values, { ...nothing, refused: expected })
      })
    )))

  it.live("that get an answer which cannot be used are refused with 500", () =>
    // It logs an error.
    alone(logging(() =>
      Effect.gen(function*() {
        const { port } = yield* admitting({
          handler: () => Effect.void,
          admit: Effect.void,
          answer: () => ({ headers: [["bad name", "x"]] })
        }, metered)
        yield* exchange(port, request())
        assert.deepStrictEqual(yield* values, { ...nothing, refused: { 500: 1 } })
      })
    )))

  it.live("that somebody else has answered are not refused", () =>
    // It logs an error.
    alone(logging((logs) =>
      Effect.gen(function*() {
        const { port, server } = yield* serve
        yield* Effect.forkScoped(WebsocketUpgrade.run(server, () => Effect.never), { startImmediately: true })
        const attached = yield* WebsocketServer.attach(server, metered)
        // Who takes its time comes second.
        const running = attached.run(() => Effect.void, { admit: manyTurns })
        yield* Effect.forkScoped(running, { startImmediately: true })
        assert.strictEqual((yield* knock(port)).status, 101)
        yield* until(() => logs.length > 0)
        assert.deepStrictEqual(yield* values, nothing)
      })
    )))

  it.live("that there is no room for are refused with 503", () =>
    alone(Effect.gen(function*() {
      const { port, url } = yield* serving(echo, { ...metered, maxConnections: 1 })
      yield* WebsocketClient.connect(url)
      yield* exchange(port, request())
      assert.deepStrictEqual((yield* values).refused, { 503: 1 })
    })))
})

/** The bytes of a client's Close frame. */
const closing = (code?: number): Uint8Array =>
  encode("server", Frame.make(Opcode.Close, code === undefined ? new Uint8Array(0) : Uint8Array.of(code >> 8, code)))
