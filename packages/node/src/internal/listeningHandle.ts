/**
 * What a server listens on, beneath `node:net`: it hands us what it accepts, before Node makes a socket of it. Looked at first,
 * and left alone where it is not what we know, as a socket's own handle is.
 */
import { constVoid } from "effect/Function"
import { Server } from "node:http"
import { Socket } from "node:net"
import { type Handle, isHandle, onReadOf } from "./handle.ts"

export class ListeningHandle {
  private readonly server: CountingServer
  private readonly handle: AcceptingHandle
  private readonly onConnection: AcceptingHandle["onconnection"]

  /** Has all that a server accepts from now on given to `receive`. Answers nothing for a server that is not known. */
  static of(server: Server, receive: (handle: Handle) => void): ListeningHandle | undefined {
    // One of `node:https` expects TLS.
    if (Object.getPrototypeOf(server) !== Server.prototype || !isCounting(server)) return undefined
    const handle: unknown = Reflect.get(server, "_handle")
    return isAccepting(handle) ? new ListeningHandle(server, handle, receive) : undefined
  }

  private constructor(server: CountingServer, handle: AcceptingHandle, receive: (handle: Handle) => void) {
    this.server = server
    this.handle = handle
    const onConnection = this.onConnection = handle.onconnection
    handle.onconnection = (status, accepted) => {
      // Node says what failed, and hangs up on those that are too many.
      if (!isHandle(accepted) || server._connections >= server.maxConnections) {
        return onConnection.call(handle, status, accepted)
      }
      server._connections++
      receive(accepted)
    }
  }

  /** Leaves to Node what is accepted from now on. */
  giveBack(): void {
    this.handle.onconnection = this.onConnection
  }

  /** Leaves a connection to Node, which reads what we have read before anything else. */
  passOn(accepted: Handle, memory: Uint8Array, bytes: Uint8Array): void {
    const { server } = this
    accepted.readStop()
    server._connections--
    server.prependOnceListener("connection", (socket) => socket.unshift(bytes))
    this.onConnection.call(this.handle, 0, accepted)
    accepted.onread = onReadOf(accepted, memory)
  }

  /** A socket of Node's own for a connection that is no HTTP any more. */
  socketOf(accepted: Handle, memory: Uint8Array): Socket {
    accepted.readStop()
    const socket: Socket = Reflect.construct(Socket, [{ handle: accepted, allowHalfOpen: true }])
    accepted.onread = onReadOf(accepted, memory)
    // Tells the server when it has closed.
    Reflect.set(socket, "_server", this.server)
    return socket.on("error", constVoid)
  }

  /** A connection is the server's no more: it is somebody's else, or has closed. */
  forget(): void {
    this.server._connections--
    this.server._emitCloseIfDrained()
  }
}

// Those that are connected and that the server has to do with, which is all that `maxConnections` and `close` look at.
interface CountingServer extends Server {
  _connections: number
  readonly _emitCloseIfDrained: () => void
}

interface AcceptingHandle {
  onconnection: (status: number, accepted: unknown) => void
}

const isCounting = (server: Server): server is CountingServer =>
  typeof Reflect.get(server, "_connections") === "number" &&
  typeof Reflect.get(server, "_emitCloseIfDrained") === "function"

const isAccepting = (handle: unknown): handle is AcceptingHandle =>
  typeof Reflect.get(Object(handle), "onconnection") === "function"
