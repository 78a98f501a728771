/** The `ws` package, as client and as server. */
import * as Effect from "effect/Effect"
import { on, once } from "node:events"
import { type ClientOptions, WebSocket, WebSocketServer } from "ws"
import type { Waiting } from "./meeting.ts"
import type { Closing, FramePeer, Message } from "./peer.ts"
import { type Address, listen, type Transport } from "./transports.ts"

/** A client's socket, for what a peer has no word for. */
export const dial = Effect.fnUntraced(function*(address: Address, options?: ClientOptions) {
  const url = address.socketPath === undefined ? address.url : `ws+unix:${address.socketPath}:/`
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => new WebSocket(url, { ca: address.ca, ...options })),
    (socket) => Effect.sync(() => socket.terminate())
  )
  const peer = fromSocket(socket)
  yield* Effect.promise(() => once(socket, "open"))
  return { peer, socket }
})

/** Dials. */
export const connect = (address: Address) => Effect.map(dial(address), ({ peer }) => peer)

/** A server, and the first socket that it gets. */
export const accept = Effect.fnUntraced(function*(transport: Transport) {
  const { address, server } = yield* listen(transport)
  const sockets = new WebSocketServer({ server })
  const accepted = new Promise<{ readonly peer: FramePeer; readonly socket: WebSocket }>((resolve) =>
    sockets.once("connection", (socket) => resolve({ socket, peer: fromSocket(socket) }))
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => sockets.clients.forEach((socket) => socket.terminate())))
  return { address, accepted: Effect.promise(() => accepted) }
})

/** Listens. */
export const wait = (transport: Transport) =>
  Effect.map(accept(transport), ({ accepted, address }): Waiting<FramePeer> => ({
    address,
    accepted: Effect.map(accepted, ({ peer }) => peer)
  }))

/** A socket as a peer. */
export const fromSocket = (socket: WebSocket): FramePeer => {
  const messages = on(socket, "message", { close: ["close"] })
  const closed = new Promise<Closing>((resolve) =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() }))
  )
  const receive = Effect.promise(async (): Promise<Message> => {
    const { done, value } = await messages.next()
    if (done === true) throw new Error("closed where a message was expected")
    const [data, isBinary] = value
    return isBinary ? data : data.toString()
  })
  return {
    send: (...messages) => Effect.sync(() => messages.forEach((message) => socket.send(message))),
    receive,
    receiveMany: (count) => Effect.replicateEffect(receive, count),
    close: (code, reason) => Effect.sync(() => socket.close(code, reason)),
    closed: Effect.promise(() => closed),
    ping: (payload) =>
      Effect.promise(async () => {
        const pong = once(socket, "pong")
        socket.ping(payload)
        const [answer] = await pong
        if (answer.toString() !== payload) throw new Error(`a pong of another payload: ${answer}`)
      }),
    sendFragments: (fragments) =>
      Effect.sync(() => fragments.forEach((fragment, i) => socket.send(fragment, { fin: i === fragments.length - 1 })))
  }
}
