/**
 * One connection of the load. It does as little as can be, so that the load is not what is measured: requests were masked once
 * and are sent as blocks of bytes, and what comes back is compared with a block of replies, and not parsed.
 */
import * as Effect from "effect/Effect"
import { connect, type Socket } from "node:net"
import * as Handle from "../../packages/node/src/internal/handle.ts"
import { greeting } from "../servers/net.ts"
import { Failure } from "../support/failure.ts"
import type { Exchange, Protocol } from "./exchange.ts"

/** What is being sent on all connections, and who hears of the replies. */
export interface Traffic {
  readonly exchange: Exchange
  /** As many requests behind each other as are in flight at most, and as many replies. */
  readonly requests: Buffer
  readonly replies: Buffer
  readonly onReplies: (connection: Connection, count: number) => void
  readonly onFailure: (error: Failure) => void
}

export interface Address {
  readonly port: number
  readonly protocol: Protocol
  /** The address to come from. */
  readonly source?: string | undefined
}

/** What connections of one pool share. */
export interface Shared {
  traffic: Traffic | undefined
}

export class Connection implements Handle.Reader {
  /** When each of the requests in flight was sent, in milliseconds: a ring. */
  private readonly sentAt: Float64Array
  private sent = 0
  private answered = 0
  /** Bytes of a reply that has begun. */
  private partial = 0
  private readonly socket: Socket
  private readonly shared: Shared

  constructor(socket: Socket, shared: Shared, depth: number) {
    this.socket = socket
    this.shared = shared
    this.sentAt = new Float64Array(depth)
  }

  get inFlight(): number {
    return this.sent - this.answered
  }

  /** When the oldest of the requests in flight was sent. */
  get oldest(): number {
    return this.sentAt[this.answered % this.sentAt.length]!
  }

  send({ exchange, requests }: Traffic, count: number): void {
    const now = performance.now()
    for (let i = 0; i < count; i++) this.sentAt[this.sent++ % this.sentAt.length] = now
    this.socket.write(requests.subarray(0, count * exchange.request.length))
  }

  /** Says that so many of the requests in flight are answered. */
  settle(count: number): void {
    this.answered += count
  }

  /**
   * Has replies read by the socket's handle, where that is as we know it. What a stream does for each reply is 8 percent of what
   * the load takes, and a load that has no time to sleep spares its server to wake it, the more often the slower the server is.
   */
  readByHandle(): void {
    const handle: unknown = Reflect.get(this.socket, "_handle")
    if (Handle.isHandle(handle)) Handle.readBy(handle, this)
  }

  /** So many bytes of replies are in the buffer that all read into. */
  receive(length: number): undefined {
    const { traffic } = this.shared
    if (traffic === undefined) return
    const { exchange: { reply }, replies } = traffic
    const end = this.partial + length
    if (end > replies.length || buffer.compare(replies, this.partial, end, 0, length) !== 0) {
      traffic.onFailure(new Failure({ message: `${length} bytes came that are not the reply` }))
      return
    }
    const count = Math.floor(end / reply.length)
    this.partial = end - count * reply.length
    if (count > 0) traffic.onReplies(this, count)
  }

  /** Nothing comes any more. */
  end(): void {
    this.socket.destroy()
  }

  /** Without a farewell, and without leaving the port in use for a minute. */
  reset(): void {
    this.socket.resetAndDestroy()
  }
}

/** Opens a connection, and shakes hands where there is a protocol. */
export const open = (
  { port, protocol, source }: Address,
  shared: Shared,
  options: { readonly depth: number; readonly onClose: (connection: Connection) => void }
): Effect.Effect<Connection, Failure> =>
  Effect.callback((resume) => {
    let opened = false
    let response = ""
    const onBytes = (length: number) => {
      if (opened) connection.receive(length)
      else {
        response += buffer.toString("latin1", 0, length)
        if (!response.endsWith(protocol === "tcp" ? greeting : "\r\n\r\n")) return true
        opened = protocol === "tcp" || isAccepted(response)
        if (opened) connection.readByHandle()
        const refused = () => new Failure({ message: `the server answers ${response.split("\r\n")[0]}` })
        resume(opened ? Effect.succeed(connection) : Effect.fail(refused()))
      }
      return true
    }
    const socket = connect({
      host: "127.0.0.1",
      port,
      noDelay: true,
      ...(source === undefined ? {} : { localAddress: source }),
      // One for all: it has been looked through when the next bytes come.
      onread: { buffer, callback: onBytes }
    })
    const connection = new Connection(socket, shared, options.depth)
    if (protocol !== "tcp") socket.once("connect", () => socket.write(upgrade))
    socket.on("error", (error) => resume(Effect.fail(new Failure({ message: error.message }))))
    socket.once("close", () => {
      resume(Effect.fail(new Failure({ message: "the server closes before it opens" })))
      options.onClose(connection)
    })
  })

const buffer = Buffer.allocUnsafeSlow(256 * 1024)

const upgrade = [
  "GET / HTTP/1.1",
  "Host: 127.0.0.1",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Version: 13",
  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
  "\r\n"
].join("\r\n")

// The key and the answer of RFC 6455 1.3.
const isAccepted = (response: string): boolean =>
  response.startsWith("HTTP/1.1 101 ") && /^sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/im.test(response)
