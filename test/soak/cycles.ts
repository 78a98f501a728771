/** Connections that begin, talk and vanish, in every way that one meets: the server's end and ours are both of this process. */
import { CloseCode } from "@websocket-stream/core"
import { type Websocket, WebsocketClient } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as net from "node:net"
import { request } from "../../packages/node/test/support/http.ts"
import * as Raw from "../support/rawFrames.ts"
import { Broken } from "./numbered.ts"

export interface Cycle {
  readonly name: string
  readonly run: (to: To) => Effect.Effect<unknown, unknown, Scope.Scope>
}

export interface To {
  readonly url: string
  readonly port: number
}

/** What the server does with a message. */
export const handler = (ws: Websocket.Websocket["Service"]): Effect.Effect<unknown, unknown> =>
  ws.runForEach((message) => {
    switch (message._tag === "Text" ? message.text : "") {
      case "enough":
        return ws.close(4000, "as you like")
      case "throw":
        throw new Error("as you like")
      case "wait":
        return ws.closed
      default:
        return ws.send(message)
    }
  })

const talk = Effect.fnUntraced(function*(ws: Websocket.Websocket["Service"]) {
  yield* ws.sendAll(["Hello", Buffer.alloc(2000, 7)])
  yield* ws.receive
  yield* ws.receive
})

/** A client of ours that talks, and how it ends. */
const ours = (
  name: string,
  end: (ws: Websocket.Websocket["Service"]) => Effect.Effect<unknown, unknown, Scope.Scope>,
  options?: WebsocketClient.Options
): Cycle => ({
  name,
  run: ({ url }) =>
    Effect.gen(function*() {
      const ws = yield* WebsocketClient.connect(url, options)
      yield* talk(ws)
      yield* end(ws)
    })
})

const told = (code: number) => (ws: Websocket.Websocket["Service"]) =>
  Effect.flatMap(
    Effect.flip(Effect.asVoid(ws.receive)),
    ({ reason }) =>
      reason._tag === "Closed" && reason.code === code
        ? Effect.void
        : new Broken({ message: `was told ${reason.message} instead of ${code}` })
  )

/** A socket that says something, and how it ends. */
const raw = (
  name: string,
  end: (socket: net.Socket) => unknown,
  ...said: ReadonlyArray<string | Uint8Array>
): Cycle => ({
  name,
  run: ({ port }) =>
    Effect.promise(async () => {
      const socket = net.connect(port, "127.0.0.1").on("error", () => {})
      const closed = once(socket, "close")
      await once(socket, "connect")
      for (const bytes of said) socket.write(bytes)
      // Upgraded, and with what was sent before in the server's hands.
      if (said.length > 0 && said[0] === hello) await once(socket, "data")
      end(socket.resume())
      await closed
    })
})

const hello = Buffer.concat([Buffer.from(request()), Raw.encode({ opcode: Raw.text, payload: "Hello" }, true)])
const half = Raw.encode({ opcode: Raw.binary, payload: Buffer.alloc(3000, 7) }, true).subarray(0, 1000)
const fragment = Raw.encode({ opcode: Raw.text, payload: "half of a", fin: false }, true)

const reset = (socket: net.Socket) => socket.resetAndDestroy()
const vanish = (socket: net.Socket) => socket.destroy()

/** One after the other, and then from the beginning. */
export const cycles: ReadonlyArray<Cycle> = [
  ours("closed by the client", (ws) => ws.close(CloseCode.Normal, "enough")),
  ours("closed by the server", (ws) => Effect.andThen(ws.send("enough"), told(4000)(ws))),
  ours("compressed", (ws) => ws.close(), { deflate: true, compression: { threshold: 0 } }),
  ours("whose scope closes", () => Effect.void),
  ours("whose scope closes while a ping and a message are on their way", (ws) =>
    Effect.andThen(
      Effect.forkScoped(Effect.ignore(ws.ping()), { startImmediately: true }),
      ws.send(Buffer.alloc(100_000))
    )),
  ours("whose handler throws", (ws) => Effect.andThen(ws.send("throw"), told(CloseCode.InternalError)(ws))),
  {
    name: "interrupted in the middle of opening",
    run: ({ url }) => Effect.raceFirst(WebsocketClient.connect(url), Effect.promise(() => Promise.resolve()))
  },
  {
    name: "refused",
    run: ({ url }) => Effect.flip(WebsocketClient.connect(url, { headers: [["Origin", "https://elsewhere.test"]] }))
  },
  raw("that says nothing", vanish),
  raw("that vanishes in the middle of its request", vanish, request().slice(0, 50)),
  raw("reset in the middle of its request", reset, request().slice(0, 100)),
  raw("that vanishes right behind its request", vanish, request()),
  raw("reset while it talks", reset, hello),
  raw("that vanishes in the middle of a frame", vanish, hello, half),
  raw("reset in the middle of a frame", reset, hello, half),
  raw("that vanishes in the middle of a message", vanish, hello, fragment),
  raw("that half-closes", (socket) => socket.end(), hello),
  raw("that breaks the protocol", () => {}, hello, "no frame at all"),
  raw(
    "reset while its handler waits for its end",
    reset,
    hello,
    Raw.encode({ opcode: Raw.text, payload: "wait" }, true)
  )
]
