/**
 * A peer that is nothing but a TCP socket: it shakes hands by hand, writes whatever bytes a test wants in whatever chops, and
 * reads frames with a parser of its own.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { once } from "node:events"
import * as net from "node:net"
import * as Raw from "./rawFrames.ts"

/** How the other end's bytes ended: in good order or not. */
export type End = "FIN" | "RST"

export interface RawPeer {
  /** The peer's own end. */
  readonly role: "client" | "server"
  readonly socket: net.Socket
  /** The head of the request or response that it got: the first line, and the headers by name in lower case. */
  readonly head: Head
  /** Writes frames, masked as the role asks for: all as one piece, or chopped. */
  readonly send: (frames: ReadonlyArray<Raw.Shape>, chop?: Chop) => Effect.Effect<void>
  /** Writes bytes, all at once or so many at a time. Waits until the system has them, unless it is told not to. */
  readonly write: (bytes: Uint8Array, chop?: number) => Effect.Effect<void>
  /** The next frame. Dies if there is none before the end. */
  readonly frame: Effect.Effect<Raw.Received>
  readonly frames: (count: number) => Effect.Effect<ReadonlyArray<Raw.Received>>
  /** All frames until the end of the other end's bytes. */
  readonly rest: Effect.Effect<ReadonlyArray<Raw.Received>>
  readonly ended: Effect.Effect<End>
  readonly hasEnded: () => boolean
  /** How many frames came that nobody took yet. */
  readonly waiting: () => number
  /** Ends the peer's bytes, and goes on reading. */
  readonly end: Effect.Effect<void>
  /** Stops reading, so that the other end's bytes have to wait; and goes on. */
  readonly pause: Effect.Effect<void>
  readonly resume: Effect.Effect<void>
}

/** How many bytes a time, or a frame a time. Default: all frames in one piece. */
export type Chop = number | "frames"

export interface Head {
  readonly line: string
  readonly headers: ReadonlyMap<string, string>
}

/** Dials a server of ours. Ends with the scope, without a goodbye. */
export const dial = Effect.fnUntraced(function*(port: number, extensions?: string) {
  const socket = yield* acquire(Effect.promise(async () => {
    const socket = net.connect({ port, host: "127.0.0.1", allowHalfOpen: true })
    await once(socket, "connect")
    return socket
  }))
  socket.write([
    "GET / HTTP/1.1",
    "Host: 127.0.0.1",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
    ...(extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
    "",
    ""
  ].join("\r\n"))
  return yield* read(socket, "client")
})

/** Listens for a client of ours, once. `accepted` is there as soon as it has our 101. */
export const wait = Effect.fnUntraced(function*(extensions?: string) {
  const connection = yield* Deferred.make<net.Socket>()
  const server = net.createServer(
    { allowHalfOpen: true },
    (socket) => Deferred.doneUnsafe(connection, Effect.succeed(socket))
  )
  yield* Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () => Effect.sync(() => server.close())
  )
  const address = server.address()
  const port = typeof address === "object" && address !== null ? address.port : 0
  const accepted = Effect.gen(function*() {
    const socket = yield* acquire(Deferred.await(connection))
    const peer = yield* read(socket, "server")
    socket.write([
      "HTTP/1.1 101 Switching Protocols",
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Accept: ${acceptOf(peer.head.headers.get("sec-websocket-key") ?? "")}`,
      ...(extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]),
      "",
      ""
    ].join("\r\n"))
    return peer
  })
  return { url: `ws://127.0.0.1:${port}/`, accepted }
})

const acceptOf = (key: string): string =>
  createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")

const acquire = (socket: Effect.Effect<net.Socket>): Effect.Effect<net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(socket, (socket) => Effect.sync(() => socket.destroy())).pipe(
    // What happens to it is asserted by `ended`.
    Effect.tap((socket) => Effect.sync(() => socket.setNoDelay().on("error", () => {})))
  )

const read = Effect.fnUntraced(function*(socket: net.Socket, role: "client" | "server") {
  const inbox = new Inbox(socket)
  yield* inbox.until(() => inbox.head !== undefined)
  const masks = role === "client"
  const write = (bytes: Uint8Array, chop = bytes.length): Effect.Effect<void> =>
    Effect.promise(() => writeChopped(socket, bytes, chop))
  const frame = Effect.map(inbox.until(() => inbox.frames.length > 0), () => {
    const frame = inbox.frames.shift()
    if (frame === undefined) throw new Error(`the connection ended by ${inbox.end} where a frame was expected`)
    return frame
  })
  const ended = Effect.map(inbox.until(() => false), () => inbox.end!)
  const peer: RawPeer = {
    role,
    socket,
    head: inbox.head!,
    send: (frames, chop) => {
      const pieces = frames.map((frame) => Raw.encode(frame, masks))
      if (chop === "frames") return Effect.forEach(pieces, (piece) => write(piece), { discard: true })
      return write(Buffer.concat(pieces), chop)
    },
    write,
    frame,
    frames: (count) => Effect.replicateEffect(frame, count),
    rest: Effect.map(ended, () => inbox.frames.splice(0)),
    ended,
    hasEnded: () => inbox.end !== undefined,
    waiting: () => inbox.frames.length,
    end: Effect.sync(() => socket.end()),
    pause: Effect.sync(() => socket.pause()),
    resume: Effect.sync(() => socket.resume())
  }
  return peer
})

/** What came so far. */
class Inbox {
  head: Head | undefined = undefined
  readonly frames: Array<Raw.Received> = []
  end: End | undefined = undefined
  private readonly parser = new Raw.Parser()
  private beforeHead = Buffer.alloc(0)
  private wake = () => {}

  constructor(socket: net.Socket) {
    const over = (end: End) => () => {
      this.end ??= end
      this.wake()
    }
    socket.on("data", (chunk) => {
      this.push(chunk)
      this.wake()
    })
    socket.on("end", over("FIN")).on("error", over("RST")).on("close", over("RST"))
  }

  /** Waits until something holds, or the end has come. */
  until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      this.wake = () => {
        if (holds() || this.end !== undefined) resume(Effect.void)
      }
      this.wake()
    })
  }

  private push(chunk: Buffer): void {
    if (this.head !== undefined) return void this.frames.push(...this.parser.push(chunk))
    this.beforeHead = Buffer.concat([this.beforeHead, chunk])
    const end = this.beforeHead.indexOf("\r\n\r\n")
    if (end < 0) return
    this.head = parseHead(this.beforeHead.toString("latin1", 0, end))
    if (this.beforeHead.length > end + 4) this.push(this.beforeHead.subarray(end + 4))
  }
}

const parseHead = (head: string): Head => {
  const [line = "", ...lines] = head.split("\r\n")
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":")
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { line, headers: new Map(headers) }
}

// Between two chops there is a turn of the event loop, in which the other end, of the same process, reads the first one.
const writeChopped = async (socket: net.Socket, bytes: Uint8Array, chop: number): Promise<void> => {
  for (let at = 0; at < bytes.length; at += chop) {
    await new Promise<void>((resolve) => socket.write(bytes.subarray(at, at + chop), () => resolve()))
    if (chop < bytes.length) await new Promise<void>((resolve) => setImmediate(resolve))
  }
}
