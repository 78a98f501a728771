import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { once } from "node:events"
import { existsSync } from "node:fs"
import * as https from "node:https"
import type { Socket } from "node:net"
import * as Certificate from "./support/certificate.ts"
import { asText } from "./support/frames.ts"
import { exchange, request, serve } from "./support/http.ts"
import { socketPath } from "./support/paths.ts"
import { refusal } from "./support/refusal.ts"
import { echo, listening, local, logging, manyTurns, serving, until } from "./support/server.ts"
import { Steps } from "./support/stepping.ts"

const expectEcho = Effect.fnUntraced(function*(url: string, options?: WebsocketClient.Options) {
  const ws = yield* WebsocketClient.connect(url, options)
  yield* ws.send("Hello")
  assert.strictEqual(asText(yield* ws.receive), "Hello")
})

describe("A server listens", () => {
  it.live("at a port of TCP that the system chose, and says which", () =>
    Effect.gen(function*() {
      const { server, url } = yield* serving(echo)
      const { address } = server
      if (address._tag !== "Tcp") return assert.fail(address._tag)
      assert.strictEqual(address.host, "127.0.0.1")
      assert.isAbove(address.port, 0)
      yield* expectEcho(url)
    }))

  it.live("at the same port again, once it has closed", () =>
    Effect.gen(function*() {
      const { port } = yield* Effect.scoped(
        Effect.flatMap(serving(echo), (first) => Effect.as(expectEcho(first.url), first))
      )
      const { url } = yield* serving(echo, { port })
      assert.include(url, `:${port}/`)
      yield* expectEcho(url)
    }))

  it.live("at all addresses of the machine, if it is told none", () =>
    Effect.gen(function*() {
      const { server, url } = yield* serving(echo, { host: undefined })
      assert.include(["::", "0.0.0.0"], server.address._tag === "Tcp" && server.address.host)
      yield* expectEcho(url)
      yield* expectEcho(url.replace("localhost", "127.0.0.1"))
    }))

  it.live("by TLS, to clients that trust its certificate and to no others", () =>
    Effect.gen(function*() {
      const certificate = Certificate.make()
      const { server } = yield* serving(echo, { tls: certificate })
      const url = WebsocketServer.url(server.address, "wss")
      assert.match(url, /^wss:/)
      yield* expectEcho(url, { tls: { ca: certificate.cert } })
      const reason = yield* refusal(url, { tls: { ca: Certificate.make().cert } })
      assert.strictEqual(reason._tag === "Io" && reason.code, "DEPTH_ZERO_SELF_SIGNED_CERT")
      const plain = yield* refusal(WebsocketServer.url(server.address))
      assert.strictEqual(plain._tag, "Io")
    }))

  it.live("at the path of a unix socket, whose file is gone afterwards", () =>
    Effect.gen(function*() {
      const path = yield* socketPath
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(WebsocketServer.make({ path }), scope)
      yield* Effect.forkIn(server.run(echo), scope, { startImmediately: true })
      assert.deepStrictEqual(server.address, { _tag: "Unix", path })
      yield* Effect.scoped(expectEcho(WebsocketServer.url(server.address), { socketPath: path }))
      assert.isTrue(existsSync(path))
      yield* Scope.close(scope, Exit.void)
      assert.isFalse(existsSync(path))
    }))

  it.live.skipIf(process.platform !== "linux")("at a name that needs no file", () =>
    Effect.gen(function*() {
      const path = `\0websocket-stream-${process.pid}`
      const server = yield* WebsocketServer.make({ path })
      yield* Effect.forkScoped(server.run(echo), { startImmediately: true })
      assert.deepStrictEqual(server.address, { _tag: "Unix", path })
      yield* expectEcho(WebsocketServer.url(server.address), { socketPath: path })
    }))

  it.live("and takes who comes before the fiber that lets it listen goes on", () =>
    Effect.gen(function*() {
      const path = yield* socketPath
      const steps = new Steps()
      const serving = Effect.flatMap(WebsocketServer.make({ path }), (server) => server.run(echo))
      const fiber = yield* steps.fork(3, Effect.scoped(serving))
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          fiber.interruptUnsafe()
          return steps.untilEnded(fiber)
        })
      )
      yield* until(() => {
        const listens = existsSync(path)
        if (!listens) steps.step()
        return listens
      })
      const client = yield* Effect.forkScoped(expectEcho("ws://localhost/", { socketPath: path }))
      yield* manyTurns
      yield* steps.untilEnded(client)
      yield* Fiber.join(client)
    }))

  it.live("and answers what is no opening handshake with a 426", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo)
      const response = yield* exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      assert.strictEqual(response.status, 426)
      assert.strictEqual(response.headers.get("sec-websocket-version"), "13")
    }))

  it.live("and who takes it for a proxy with a 405, whether anything runs or not", () =>
    Effect.gen(function*() {
      const { port } = yield* listening()
      const tunnel = {
        line: "CONNECT elsewhere.test:80 HTTP/1.1",
        headers: { Upgrade: undefined, Connection: undefined }
      }
      const response = yield* exchange(port, request(tunnel))
      assert.deepStrictEqual([response.status, response.headers.get("allow")], [405, "GET"])
    }))
})

describe("WebsocketServer.url", () => {
  for (
    const [address, scheme, expected] of [
      [{ _tag: "Tcp", host: "127.0.0.1", port: 8080 }, "ws", "ws://127.0.0.1:8080/"],
      [{ _tag: "Tcp", host: "127.0.0.1", port: 443 }, "wss", "wss://127.0.0.1:443/"],
      [{ _tag: "Tcp", host: "0.0.0.0", port: 8080 }, "ws", "ws://localhost:8080/"],
      [{ _tag: "Tcp", host: "::", port: 8080 }, "ws", "ws://localhost:8080/"],
      [{ _tag: "Tcp", host: "::1", port: 8080 }, "ws", "ws://[::1]:8080/"],
      [{ _tag: "Tcp", host: "2001:db8::7", port: 8080 }, "wss", "wss://[2001:db8::7]:8080/"],
      [{ _tag: "Unix", path: "/run/socket" }, "ws", "ws://localhost/"],
      [{ _tag: "Unix", path: "/run/socket" }, "wss", "wss://localhost/"]
    ] as const
  ) {
    it(`of ${JSON.stringify(address)} by ${scheme} is ${expected}`, () => {
      assert.strictEqual(WebsocketServer.url(address, scheme), expected)
      assert.strictEqual(new URL(expected).protocol, `${scheme}:`)
    })
  }
})

describe("WebsocketServer.attach", () => {
  const attached = Effect.fnUntraced(function*() {
    const { port, server } = yield* serve
    server.on("request", (_, response) => response.end("a page"))
    const service = yield* WebsocketServer.attach(server)
    return { port, server, service }
  })

  it.live("serves the upgrades of a server that goes on to answer requests", () =>
    Effect.gen(function*() {
      const { port, service } = yield* attached()
      yield* Effect.forkScoped(service.run(echo), { startImmediately: true })
      assert.deepStrictEqual(service.address, { _tag: "Tcp", host: "127.0.0.1", port })
      yield* expectEcho(WebsocketServer.url(service.address))
      const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
      const { rest, status } = yield* exchange(port, page)
      assert.deepStrictEqual([status, rest.toString()], [200, "a page"])
    }))

  it.live("leaves the server as it was at the end of its scope, still listening", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      server.on("request", (_, response) => response.end("a page"))
      const before = server.eventNames().map((name) => [name, server.listenerCount(name)])
      yield* Effect.scoped(Effect.gen(function*() {
        const service = yield* WebsocketServer.attach(server)
        yield* Effect.forkScoped(service.run(echo), { startImmediately: true })
        yield* expectEcho(`ws://127.0.0.1:${port}/`)
      }))
      assert.deepStrictEqual(server.eventNames().map((name) => [name, server.listenerCount(name)]), before)
      const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
      assert.strictEqual((yield* exchange(port, page)).status, 200)
    }))

  it.live("answers requests with a 426 where nobody else does, until the end of its scope", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      yield* Effect.scoped(Effect.gen(function*() {
        yield* WebsocketServer.attach(server)
        const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
        assert.strictEqual((yield* exchange(port, page)).status, 426)
      }))
      assert.strictEqual(server.listenerCount("request"), 0)
    }))

  it.live("answers them, too, once those who did have left", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const answer = () => {}
      server.on("request", answer)
      yield* WebsocketServer.attach(server)
      server.off("request", answer)
      const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
      assert.strictEqual((yield* exchange(port, page)).status, 426)
    }))

  it.live("leaves requests to those who come to listen for them later", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      yield* WebsocketServer.attach(server)
      server.on("request", (_, response) => response.end("a page"))
      const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
      const { rest, status } = yield* exchange(port, page)
      assert.deepStrictEqual([status, rest.toString()], [200, "a page"])
    }))

  it.live("leaves the sockets to whose server it is, who can cut them", () =>
    Effect.gen(function*() {
      const { server, service } = yield* attached()
      const sockets: Array<Socket> = []
      server.on("connection", (socket: Socket) => {
        sockets.push(socket)
      })
      yield* Effect.forkScoped(service.run(echo), { startImmediately: true })
      const ws = yield* WebsocketClient.connect(WebsocketServer.url(service.address))
      yield* ws.send("Hello")
      yield* ws.receive
      assert.deepStrictEqual(sockets.map(({ destroyed }) => destroyed), [false])
      for (const socket of sockets) socket.destroy()
      assert.strictEqual((yield* ws.closed).received.code, 1006)
    }))

  it.live("leaves tunnels to a server that is a proxy, too", () =>
    Effect.gen(function*() {
      const { port, server } = yield* attached()
      server.on("connect", (_, socket) => socket.end("HTTP/1.1 200 OK\r\n\r\na tunnel"))
      const { rest, status } = yield* exchange(port, request({ line: "CONNECT elsewhere.test:80 HTTP/1.1" }))
      assert.deepStrictEqual([status, rest.toString()], [200, "a tunnel"])
    }))

  it.live("serves one whose connections another one still drains", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const [drains, leave] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(WebsocketServer.attach(server), scope)
      yield* Effect.forkScoped(
        first.run((ws) =>
          ws.closed.pipe(Effect.andThen(Deferred.succeed(drains, undefined)), Effect.andThen(Deferred.await(leave)))
        ),
        { startImmediately: true }
      )
      const ws = yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/`)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      yield* Effect.flip(ws.receive)
      yield* Deferred.await(drains)
      const second = yield* WebsocketServer.attach(server)
      yield* Effect.forkScoped(second.run(echo), { startImmediately: true })
      yield* expectEcho(`ws://127.0.0.1:${port}/`)
      const page = request({ headers: { Upgrade: undefined, Connection: "close" } })
      assert.strictEqual((yield* exchange(port, page)).status, 426)
      yield* Deferred.succeed(leave, undefined)
      yield* Fiber.join(closing)
      yield* expectEcho(`ws://127.0.0.1:${port}/`)
      assert.strictEqual((yield* exchange(port, page)).status, 426)
    }))

  it.live("serves one of node:https", () =>
    Effect.gen(function*() {
      const certificate = Certificate.make()
      const server = https.createServer({ ...certificate })
      yield* Effect.acquireRelease(
        Effect.promise(() => once(server.listen(local), "listening")),
        () => Effect.sync(() => server.close())
      )
      const service = yield* WebsocketServer.attach(server)
      yield* Effect.forkScoped(service.run(echo), { startImmediately: true })
      yield* expectEcho(WebsocketServer.url(service.address, "wss"), { tls: { ca: certificate.cert } })
    }))

  it.live("logs an error of accepting, and goes on", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const { port, server, service } = yield* attached()
        yield* Effect.forkScoped(service.run(echo), { startImmediately: true })
        server.emit("error", Object.assign(new Error("accept EMFILE"), { code: "EMFILE", syscall: "accept" }))
        yield* expectEcho(`ws://127.0.0.1:${port}/`)
        assert.deepStrictEqual(logs.map(({ errors, level, message }) => [level, message, String(errors[0])]), [
          ["Warn", "WebSocket server could not accept a connection", "Error: accept EMFILE"]
        ])
      })
    ))
})
