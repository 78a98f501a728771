/**
 * Connected pairs of streams, one of each kind that a `WebsocketStream` can stand on. `ours` is as Node made it: nobody
 * listens to its errors but the code under test. Both ends are destroyed with the scope.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import * as http2 from "node:http2"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Duplex, duplexPair } from "node:stream"
import * as tls from "node:tls"
import * as Certificate from "./certificate.ts"

export interface Pair<Ours extends Duplex = Duplex, Peer extends Duplex = Ours> {
  readonly ours: Ours
  readonly peer: Peer
}

type Scoped<A> = Effect.Effect<A, never, Scope.Scope>

/** TCP; our end is the server's. */
export const tcp = (options?: net.ServerOpts): Scoped<Pair<net.Socket>> =>
  scoped(() => connectedSockets({ port: 0, host: "127.0.0.1" }, options))

/** A unix socket, in a directory of its own. */
export const unix: Scoped<Pair<net.Socket>> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true }))
).pipe(Effect.flatMap((directory) => scoped(() => connectedSockets({ path: join(directory, "socket") }))))

/** TLS with a certificate that the client checks. */
export const secure: Scoped<Pair<tls.TLSSocket>> = Effect.suspend(() =>
  scoped(async () => {
    const { cert, key } = Certificate.make()
    const server = tls.createServer({ cert, key })
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const peer = tls.connect({ port: portOf(server), host: "127.0.0.1", servername: "localhost", ca: cert })
    const [[ours]] = await Promise.all([once(server, "secureConnection"), once(peer, "secureConnect")])
    server.close()
    return { ours, peer }
  })
)

/** One stream of an HTTP/2 connection; our end is the server's. */
export const http2Stream: Scoped<Pair<http2.ServerHttp2Stream, http2.ClientHttp2Stream>> = Effect.acquireRelease(
  Effect.promise(async () => {
    const server = http2.createServer()
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const session = http2.connect(`http://127.0.0.1:${portOf(server)}`)
    session.on("error", ignore)
    const peer = session.request({ ":method": "POST" }, { endStream: false })
    const [ours] = await once(server, "stream")
    ours.respond({ ":status": 200 })
    await once(peer, "response")
    server.close()
    return { ours, peer, session }
  }),
  ({ ours, peer, session }) => Effect.sync(() => [ours, peer, session].forEach((stream) => stream.destroy()))
).pipe(Effect.tap(({ peer }) => Effect.sync(() => peer.on("error", ignore))))

/** Two ends in memory. */
export const memory = (options?: { readonly highWaterMark?: number }): Scoped<Pair> =>
  scoped(() => {
    const [ours, peer] = duplexPair(options)
    return Promise.resolve({ ours, peer })
  })

/** Every kind, by name. */
export const kinds: ReadonlyArray<readonly [kind: string, pair: Scoped<Pair>]> = [
  ["a TCP socket", Effect.suspend(() => tcp())],
  ["a TLS socket", secure],
  ["an HTTP/2 stream", http2Stream],
  ["a unix socket", unix],
  ["a pair in memory", Effect.suspend(() => memory())]
]

const portOf = (server: net.Server): number => {
  const address = server.address()
  if (typeof address !== "object" || address === null) throw new Error("the server does not listen on a port")
  return address.port
}

const connectedSockets = async (where: net.ListenOptions, options?: net.ServerOpts): Promise<Pair<net.Socket>> => {
  const server = net.createServer(options ?? {})
  server.listen(where)
  await once(server, "listening")
  const peer = where.path === undefined ? net.connect(portOf(server), "127.0.0.1") : net.connect(where.path)
  const [[ours]] = await Promise.all([once(server, "connection"), once(peer, "connect")])
  server.close()
  return { ours, peer }
}

const scoped = <D extends Duplex>(acquire: () => Promise<Pair<D>>): Scoped<Pair<D>> =>
  Effect.acquireRelease(Effect.promise(acquire), ({ ours, peer }) =>
    Effect.sync(() => {
      ours.destroy()
      peer.destroy()
    })).pipe(
      // The peer is the test's own: what happens to it is asserted where it matters.
      Effect.tap(({ peer }) => Effect.sync(() => peer.on("error", ignore)))
    )

const ignore = (): void => {}
