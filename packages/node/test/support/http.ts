/** HTTP as bytes: a client that sends what a test wrote down, and a server that the test ends with its scope. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { createServer, type Server } from "node:http"
import * as net from "node:net"
import { buffer } from "node:stream/consumers"
import * as tls from "node:tls"

/** Lets a server listen, and answers its port. */
export const listen = (server: net.Server): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () => Effect.sync(() => server.close())
  ).pipe(Effect.map(() => {
    const address = server.address()
    return typeof address === "object" && address !== null ? address.port : 0
  }))

/** An HTTP server, listening. */
export const serve: Effect.Effect<{ readonly server: Server; readonly port: number }, never, Scope.Scope> = Effect
  .suspend(() => {
    const server = createServer()
    return Effect.map(listen(server), (port) => ({ server, port }))
  })

/** A client's connection, with nothing sent on it. */
export const dial = (port: number): Effect.Effect<net.Socket, never, Scope.Scope> =>
  open(() => net.connect(port, "127.0.0.1"), "connect")

/** The same over TLS, whoever the server is. */
export const dialSecurely = (port: number): Effect.Effect<net.Socket, never, Scope.Scope> =>
  open(() => tls.connect({ port, host: "127.0.0.1", rejectUnauthorized: false }), "secureConnect")

const open = (connect: () => net.Socket, opened: string): Effect.Effect<net.Socket, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = connect()
      await once(socket, opened)
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.tap((socket) => Effect.sync(() => socket.on("error", () => {}))))

/** Sends a request, and answers all that comes back until the server closes the connection: never, if it does not. */
export const exchange = Effect.fnUntraced(function*(port: number, request: string | Uint8Array) {
  const socket = yield* dial(port)
  socket.write(request)
  return parse(yield* Effect.promise(() => buffer(socket)))
})

export interface Response {
  readonly status: number
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>
  /** Whatever came behind the headers. */
  readonly rest: Buffer
}

export const parse = (bytes: Buffer): Response => {
  const end = bytes.indexOf("\r\n\r\n")
  const [statusLine = "", ...lines] = bytes.subarray(0, end).toString("latin1").split("\r\n")
  const [version, status] = statusLine.split(" ")
  if (end < 0 || version !== "HTTP/1.1") throw new Error(`no HTTP/1.1 response: ${bytes.toString("latin1")}`)
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":")
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { status: Number(status), headers: new Map(headers), rest: bytes.subarray(end + 4) }
}

/** The request of RFC 6455 1.3, and what its server answers in `Sec-WebSocket-Accept`. */
export const key = "dGhlIHNhbXBsZSBub25jZQ=="
export const acceptOfKey = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

export interface Changes {
  /** Default: `GET / HTTP/1.1`. */
  readonly line?: string
  /** Headers to change, to add, or to leave out where they are undefined. */
  readonly headers?: { readonly [name: string]: string | undefined }
}

/** An opening handshake, with changes. */
export const request = ({ headers, line = "GET / HTTP/1.1" }: Changes = {}): string => {
  const all = {
    Host: "server.example.com",
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": key,
    "Sec-WebSocket-Version": "13",
    ...headers
  }
  const lines = Object.entries(all).flatMap(([name, value]) => value === undefined ? [] : [`${name}: ${value}\r\n`])
  return `${line}\r\n${lines.join("")}\r\n`
}
