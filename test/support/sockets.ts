/** The sockets of this process, as Node tells of each that it makes: an end that a library keeps to itself can be looked at. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as diagnostics from "node:diagnostics_channel"
import * as net from "node:net"

/** Finds the other end of a connection, if it was made in this process since. */
export type Find = (socket: net.Socket) => net.Socket

/** Watches until the scope ends. */
export const watch: Effect.Effect<Find, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const sockets: Array<net.Socket> = []
    const onSocket = (message: unknown) => {
      if (isAnnouncement(message)) sockets.push(message.socket)
    }
    for (const channel of channels) diagnostics.subscribe(channel, onSocket)
    return { sockets, onSocket }
  }),
  ({ onSocket }) =>
    Effect.sync(() => {
      for (const channel of channels) diagnostics.unsubscribe(channel, onSocket)
    })
).pipe(Effect.map(({ sockets }) => (end) => sockets.find((socket) => isOtherEnd(socket, end))!))

const channels = ["net.client.socket", "net.server.socket"]

const isAnnouncement = (message: unknown): message is { readonly socket: net.Socket } =>
  typeof message === "object" && message !== null && "socket" in message && message.socket instanceof net.Socket

const isOtherEnd = (socket: net.Socket, peer: net.Socket): boolean =>
  socket.localPort === peer.remotePort && socket.remotePort === peer.localPort
