/** The columns of the comparison: sockets and socket servers of Effect's, ours and its own, for the same programs. */
import * as NodeSocket from "@effect/platform-node/NodeSocket"
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as NodeWS from "@effect/platform-node/NodeWS"
import { WebsocketClient, type WebsocketServer, WebsocketSocket } from "@websocket-stream/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"

export type Connect = (url: string) => Effect.Effect<Socket.Socket>

/** Clients: `ws` and the global `WebSocket` are what Effect's own runs over. */
export const clients: { readonly [name in "ours" | "ws" | "global"]: Connect } = {
  // On Node's own sockets, where what is queued can be seen, of ours as of theirs.
  ours: (url) => WebsocketSocket.toSocket(WebsocketClient.connect(url, { direct: false })),
  ws: (url) => Effect.provide(Socket.makeWebSocket(url), NodeWS.layerWebSocketConstructor),
  global: (url) => Effect.provide(Socket.makeWebSocket(url), NodeSocket.layerWebSocketConstructor)
}

export type Handler = (socket: Socket.Socket) => Effect.Effect<unknown, unknown>

export type Serve = (handler: Handler) => Effect.Effect<Served, never, Scope.Scope>

export interface Served {
  readonly port: number
  /** Shuts the server down, as the end of its layer does. */
  readonly shutDown: Effect.Effect<void>
}

const local = { host: "127.0.0.1", port: 0 }

/** Servers. */
export const servers: {
  readonly ours: (handler: Handler, options?: WebsocketServer.ServingOptions) => ReturnType<Serve>
  readonly ws: Serve
} = {
  ours: (handler, options) =>
    serve(WebsocketSocket.layerSocketServer({ ...local, direct: false, ...options }), handler),
  ws: (handler) => serve(NodeSocketServer.layerWebSocket(local), handler)
}

// Handlers fail where a test wants them to, and both servers log it.
const serve = (layer: Layer.Layer<SocketServer.SocketServer, unknown>, handler: Handler): ReturnType<Serve> =>
  Effect.gen(function*() {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const server = Context.get(yield* Layer.buildWithScope(layer, scope), SocketServer.SocketServer)
    const running = yield* Effect.forkIn(server.run(handler), scope, { startImmediately: true })
    const port = "port" in server.address ? server.address.port : 0
    return { port, shutDown: Effect.andThen(Fiber.interrupt(running), Scope.close(scope, Exit.void)) }
  }).pipe(Effect.provide(Logger.layer([])), Effect.orDie)
