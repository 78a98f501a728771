/** A server that answers an opening handshake with whatever bytes a test wants. */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { createServer, type Server, type Socket } from "node:net"
import { listen } from "./http.ts"
import { event } from "./streams.ts"

export interface Request {
  readonly line: string
  /** By name in lower case, in the order that they came in. */
  readonly headers: ReadonlyMap<string, string>
}

type Answer = (socket: Socket, request: Request) => void

/** Calls back with each request that is whole. `sockets` has each connection, from before its first byte. */
export const serve = Effect.fnUntraced(function*(answer: Answer, makeServer: (serve: Serve) => Server = createServer) {
  const sockets = yield* Queue.unbounded<Socket>()
  const server = makeServer((socket) => {
    socket.on("error", () => {})
    Queue.offerUnsafe(sockets, socket)
    let received = ""
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1")
      if (received.endsWith("\r\n\r\n")) answer(socket, parse(received))
    })
  })
  const port = yield* listen(server)
  return { port, sockets, url: `ws://127.0.0.1:${port}/` }
})

type Serve = (socket: Socket) => void

const parse = (received: string): Request => {
  const [line = "", ...lines] = received.slice(0, -4).split("\r\n")
  const headers = lines.map((line): readonly [string, string] => {
    const [name = "", ...value] = line.split(": ")
    return [name.toLowerCase(), value.join(": ")]
  })
  return { line, headers: new Map(headers) }
}

/** The lines of a proper 101, with changes: a header that is undefined is left out. */
export const proper = (request: Request, changes?: { readonly [name: string]: string | undefined }): string => {
  const all = {
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Accept": OpeningHandshake.acceptKey(request.headers.get("sec-websocket-key") ?? ""),
    ...changes
  }
  const lines = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}\r\n`])
  return `HTTP/1.1 101 Switching Protocols\r\n${lines.join("")}\r\n`
}

/** Waits until the connection is gone. */
export const gone = (socket: Socket): Effect.Effect<void> =>
  Effect.suspend(() => (socket.closed ? Effect.void : event(socket, "close")))
