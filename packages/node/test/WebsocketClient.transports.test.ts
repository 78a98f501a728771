import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import * as Https from "node:https"
import * as net from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as tls from "node:tls"
import * as Certificate from "./support/certificate.ts"
import { asText } from "./support/frames.ts"
import { listen } from "./support/http.ts"
import { gone, proper, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"

const path = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true }))
).pipe(Effect.map((directory) => join(directory, "socket")))

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

  it.live("R18: names no host to an address, for which SNI has no form", () =>
    Effect.gen(function*() {
      const { names, url } = yield* serveTls
      yield* WebsocketClient.connectStream(url.replace("localhost", "127.0.0.1"), { tls: { ca } })
      assert.deepStrictEqual(names, [false])
    }))

  it.live("R18: names the host of the URL though other options are given, and none of theirs is dialled", () =>
    Effect.gen(function*() {
      const { names, url } = yield* serveTls
      const tls = { ca, servername: undefined, host: "127.0.0.2", hostname: "127.0.0.3", port: 1 }
      yield* WebsocketClient.connectStream(url, { tls, headers: [["X-Other", "a"]] })
      assert.deepStrictEqual(names, ["localhost"])
    }))

  it.live("R18: verifies the host of the URL through an agent and over a unix socket, and names it", () =>
    Effect.gen(function*() {
      const { names, port, url } = yield* serveTls
      const agent = new Https.Agent({ keepAlive: true })
      yield* WebsocketClient.connectStream(url, { agent, tls: { ca } })
      assert.deepInclude(yield* refusal(url, { agent }), { _tag: "Io", code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
      const socketPath = yield* path
      const relay = net.createServer((socket) => {
        const far = net.connect(port, "127.0.0.1").on("error", () => {})
        socket.on("error", () => {}).on("close", () => far.destroy()).pipe(far)
        far.pipe(socket)
      })
      yield* Effect.acquireRelease(
        Effect.promise(() => once(relay.listen(socketPath), "listening")),
        () => Effect.sync(() => relay.close())
      )
      yield* WebsocketClient.connectStream("wss://localhost/", { socketPath, tls: { ca } })
      assert.deepStrictEqual(names, ["localhost", "localhost"])
      for (const host of ["example.com", "127.0.0.2", "[::1]"]) {
        const reason = yield* refusal(`wss://${host}/`, { socketPath, tls: { ca } })
        assert.deepInclude(reason, { _tag: "Io", code: "ERR_TLS_CERT_ALTNAME_INVALID" })
      }
    }))

  it.live("tells of a server that speaks no TLS", () =>
    Effect.gen(function*() {
      const port = yield* listen(net.createServer((socket) => {
        socket.on("error", () => {}).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"))
      }))
      const { _tag, message } = yield* refusal(`wss://127.0.0.1:${port}/`)
      assert.strictEqual(_tag, "Io")
      assert.match(message, /^the connection failed: .*wrong version number.*\S$/)
    }))

  it.live("tells of a server that speaks TLS where we do not", () =>
    Effect.gen(function*() {
      const { port } = yield* serveTls
      assert.strictEqual((yield* refusal(`ws://127.0.0.1:${port}/`))._tag, "Io")
    }))
})

describe("WebsocketClient over a unix socket", () => {
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
