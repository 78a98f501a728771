/** A server of the `ws` package, with all the connections that it gets. */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type { IncomingMessage } from "node:http"
import { type ServerOptions, type WebSocket, WebSocketServer } from "ws"
import type { FramePeer } from "./peer.ts"
import { listen } from "./transports.ts"
import { fromSocket } from "./wsPeer.ts"

export interface Accepted {
  readonly peer: FramePeer
  readonly socket: WebSocket
  readonly request: IncomingMessage
}

/** Serves until the scope closes. */
export const serve = Effect.fnUntraced(function*(options?: ServerOptions) {
  const { address, server } = yield* listen("TCP")
  const connections = yield* Queue.unbounded<Accepted>()
  const sockets = new WebSocketServer({ server, ...options })
  sockets.on(
    "connection",
    (socket, request) => Queue.offerUnsafe(connections, { peer: fromSocket(socket), socket, request })
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.clients.forEach((socket) => socket.terminate())))
  return { url: address.url, accept: Queue.take(connections) }
})
