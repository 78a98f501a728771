import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tls from "node:tls"
import * as Certificate from "./support/certificate.ts"
import { asText } from "./support/frames.ts"
import { listen } from "./support/http.ts"
import { gone, proper, serve } from "./support/rawServer.ts"
import { reasonOf } from "./support/streams.ts"

const refusal = (url: string, options?: WebsocketClient.Options) =>
  reasonOf(Effect.scoped(Effect.asVoid(WebsocketClient.connectStream(url, options))))

describe("WebsocketClient over TLS", () => {
  const certificate = Certificate.make()
  const ca = certificate.cert
  const serveTls = Effect.suspend(() => {
    const names: Array<unknown> = []
    return Effect.map(
      serve(
        (socket, request) => {
          if (socket instanceof tls.TLSSocket) names.push(socket.servername)
          socket.write(proper(request))
        },
        (onConnection) => tls.createServer(certificate, onConnection)
      ),
      ({ port, sockets }) => ({ port, sockets, names, url: `wss://localhost:${port}/` })
    )
  })

  it.live("R18: opens a connection to a server whose certificate is trusted, and names the host to it", () =>
    Effect.gen(function*() {
      const { names, sockets, url } = yield* serveTls
      yield* Effect.scoped(WebsocketClient.connectStream(url, { tls: { ca } }))
      yield* gone(yield* Queue.take(sockets))
      assert.deepStrictEqual(names, ["localhost"])
    }))

  it.live("R18: refuses a certificate that is not trusted", () =>
    Effect.gen(function*() {
      const { url } = yield* serveTls
      assert.deepInclude(yield* refusal(url), { _tag: "Io", code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
    }))

  it.live("R18: refuses a certificate of another host", () =>
    Effect.gen(function*() {
      const { url } = yield* serveTls
      const reason = yield* refusal(url, { tls: { ca, servername: "example.com" } })
      assert.deepInclude(reason, { _tag: "Io", code: "ERR_TLS_CERT_ALTNAME_INVALID" })
    }))

  it.live("tells of a server that speaks no TLS", () =>
    Effect.gen(function*() {
      const port = yield* listen(net.createServer((socket) => {
        socket.on("error", () => {}).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
      }))
      assert.strictEqual((yield* refusal(`wss://127.0.0.1:${port}/`))._tag, "Io")
    }))

  it.live("tells of a server that speaks TLS where we do not", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls
      assert.strictEqual((yield* refusal(`ws://127.0.0.1:${port}/`))._tag, "Io")
    }))
})

describe("WebsocketClient over a unix socket", () => {
  const path = Effect.acquireRelease(
    Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
    (directory) => Effect.promise(() => rm(directory, { recursive: true }))
  ).pipe(Effect.map((directory) => join(directory, "socket")))

  it.live("dials the path, and asks for what the URL names", () =>
    Effect.gen(function*() {
      const socketPath = yield* path
      const server = yield* Effect.acquireRelease(
        Effect.sync(() => createServer()),
        (server) => Effect.sync(() => server.close())
      )
      yield* Effect.promise(() => once(server.listen(socketPath), "listening"))
      yield* WebsocketUpgrade.run(server, ({ request, stream }) =>
        stream.write(Opcode.Text, `${request.headers.host} ${request.url}`)).pipe(
          Effect.forkScoped({ startImmediately: true })
        )
      const asked = Effect.fnUntraced(function*(url: string) {
        const stream = yield* WebsocketClient.connectStream(url, { socketPath })
        return asText(yield* stream.read)
      })
      assert.strictEqual(yield* asked("ws://example.com"), "example.com /")
      assert.strictEqual(yield* asked("ws://example.com:80/chat?a=b%20c"), "example.com /chat?a=b%20c")
      assert.strictEqual(yield* asked("ws://[::1]:8080/"), "[::1]:8080 /")
    }))

  it.live("tells of a path where nobody listens", () =>
    Effect.gen(function*() {
      const socketPath = yield* path
      const reason = yield* refusal("ws://localhost/", { socketPath })
      assert.deepInclude(reason, { _tag: "Io", code: "ENOENT", syscall: "connect" })
    }))
})
