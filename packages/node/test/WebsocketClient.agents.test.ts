import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import * as Scheduler from "effect/Scheduler"
import * as TestClock from "effect/testing/TestClock"
import * as Http from "node:http"
import * as Https from "node:https"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import * as tls from "node:tls"
import * as Certificate from "./support/certificate.ts"
import { asText, encode, text } from "./support/frames.ts"
import { listen } from "./support/http.ts"
import { gone, proper, type Request, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"
import { event, park } from "./support/streams.ts"

const greet = (socket: net.Socket, request: Request) =>
  socket.write(Buffer.concat([Buffer.from(proper(request)), encode("client", text("Hello"))]))

/** A proxy, by node:http: what it was asked for, and the connections to it. */
const serveProxy = Effect.fnUntraced(function*(status = 200) {
  const asked = yield* Queue.unbounded<Http.IncomingMessage>()
  const sockets = yield* Queue.unbounded<net.Socket>()
  const server = Http.createServer()
  server.on("connection", (socket) => Queue.offerUnsafe(sockets, socket.on("error", () => {})))
  server.on("connect", (request, socket) => {
    Queue.offerUnsafe(asked, request)
    // Read, or else its end would not be seen.
    if (status !== 200) socket.resume().on("end", () => socket.end())
    if (status !== 0) socket.write(`HTTP/1.1 ${status} As Said\r\n\r\n`)
    if (status === 200) join(socket, new URL(`tunnel://${request.url}`))
  })
  server.on("upgrade", (request, socket) => {
    Queue.offerUnsafe(asked, request)
    const url = new URL(request.url ?? "")
    const lines = Array.from(
      { length: request.rawHeaders.length / 2 },
      (_, i) => `${request.rawHeaders[2 * i]}: ${request.rawHeaders[2 * i + 1]}\r\n`
    )
    join(socket, url).write(`GET ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n`)
  })
  const port = yield* listen(server)
  return { asked, sockets, url: `http://user:word@127.0.0.1:${port}` }
})

const join = (socket: Duplex, { hostname, port }: URL): net.Socket => {
  const far = net.connect(Number(port), hostname === "localhost" ? "127.0.0.1" : hostname)
  far.on("error", () => socket.destroy()).on("close", () => socket.destroy())
  socket.on("error", () => far.destroy()).on("close", () => far.destroy())
  socket.pipe(far)
  far.pipe(socket)
  return far
}

const secure = Effect.suspend(() => {
  const certificate = Certificate.make()
  const names: Array<unknown> = []
  return Effect.map(
    serve((socket, request) => {
      if (socket instanceof tls.TLSSocket) names.push(socket.servername)
      greet(socket, request)
    }, (onConnection) => tls.createServer(certificate, onConnection)),
    ({ port, sockets }) => ({ names, port, sockets, ca: certificate.cert })
  )
})

const basic = "Basic dXNlcjp3b3Jk"

// Node has both since 22.21 and 24.5.
const hasProxies = process.allowedNodeEnvironmentFlags.has("--use-env-proxy")

describe.skipIf(!hasProxies)("an agent of Node's with a proxy", () => {
  it.live("wss: goes through a tunnel, is verified and names the host", () =>
    Effect.gen(function*() {
      const { ca, names, port, sockets } = yield* secure
      const proxy = yield* serveProxy()
      const agent = new Https.Agent({ proxyEnv: { HTTPS_PROXY: proxy.url } })
      const url = `wss://localhost:${port}/`
      yield* Effect.scoped(Effect.gen(function*() {
        const stream = yield* WebsocketClient.connectStream(url, { agent, tls: { ca } })
        assert.strictEqual(asText(yield* stream.read), "Hello")
      }))
      const request = yield* Queue.take(proxy.asked)
      assert.deepStrictEqual([request.method, request.url], ["CONNECT", `localhost:${port}`])
      assert.strictEqual(request.headers["proxy-authorization"], basic)
      assert.deepStrictEqual(names, ["localhost"])
      yield* gone(yield* Queue.take(sockets))
      yield* gone(yield* Queue.take(proxy.sockets))
      assert.deepInclude(yield* refusal(url, { agent }), { _tag: "Io", code: "DEPTH_ZERO_SELF_SIGNED_CERT" })
      yield* gone(yield* Queue.take(proxy.sockets))
    }))

  it.live("ws: asks the proxy for the whole URL, with the credentials for it", () =>
    Effect.gen(function*() {
      const requests = yield* Queue.unbounded<Request>()
      const { port } = yield* serve((socket, request) => {
        Queue.offerUnsafe(requests, request)
        greet(socket, request)
      })
      const proxy = yield* serveProxy()
      const agent = new Http.Agent({ proxyEnv: { HTTP_PROXY: proxy.url } })
      const stream = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/room?id=1`, {
        agent,
        headers: [["X-Twice", "1"], ["x-twice", "2"]]
      })
      assert.strictEqual(asText(yield* stream.read), "Hello")
      const request = yield* Queue.take(proxy.asked)
      assert.strictEqual(request.url, `http://127.0.0.1:${port}/room?id=1`)
      assert.deepInclude(request.headers, { "proxy-authorization": basic, "x-twice": "1, 2" })
      assert.strictEqual((yield* Queue.take(requests)).line, "GET /room?id=1 HTTP/1.1")
    }))

  it.live("a proxy that refuses the tunnel is told as what it is, without its credentials", () =>
    Effect.gen(function*() {
      const proxy = yield* serveProxy(407)
      const agent = new Https.Agent({ proxyEnv: { HTTPS_PROXY: proxy.url } })
      const reason = yield* refusal("wss://localhost:1/", { agent })
      assert.deepInclude(reason, { _tag: "Io", code: "ERR_PROXY_TUNNEL" })
      assert.include(reason.message, "407")
      assert.notInclude(reason.message, "word")
      yield* gone(yield* Queue.take(proxy.sockets))
    }))

  it.effect("a proxy that never answers is left at the deadline, and when interrupted", () =>
    Effect.gen(function*() {
      const proxy = yield* serveProxy(0)
      const agent = new Https.Agent({ proxyEnv: { HTTPS_PROXY: proxy.url } })
      const fiber = yield* park(refusal("wss://localhost:1/", { agent }))
      yield* Queue.take(proxy.asked)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "Deadline")
      yield* gone(yield* Queue.take(proxy.sockets))
      const interrupted = yield* park(refusal("wss://localhost:1/", { agent }))
      yield* Queue.take(proxy.asked)
      yield* Fiber.interrupt(interrupted)
      yield* gone(yield* Queue.take(proxy.sockets))
    }))
})

describe("an agent of one's own", () => {
  it.live("dials what it likes", () =>
    Effect.gen(function*() {
      const { port } = yield* serve(greet)
      class Elsewhere extends Http.Agent {
        override createConnection() {
          return net.connect(port, "127.0.0.1")
        }
      }
      const stream = yield* WebsocketClient.connectStream("ws://example.com/", { agent: new Elsewhere() })
      assert.strictEqual(asText(yield* stream.read), "Hello")
    }))

  it.live("tunnels ws:, which an agent of Node's does not", () =>
    Effect.gen(function*() {
      const { port } = yield* serve(greet)
      const proxy = yield* serveProxy()
      class Tunnel extends Http.Agent {
        override createConnection(
          { host, port }: Http.ClientRequestArgs,
          callback?: (error: Error | null, socket: Duplex) => void
        ) {
          const { hostname, port: proxyPort } = new URL(proxy.url)
          const options = { host: hostname, port: proxyPort, method: "CONNECT", path: `${host}:${port}`, agent: false }
          Http.request(options).on("connect", (_, socket) => callback?.(null, socket)).end()
          return undefined
        }
      }
      const stream = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`, { agent: new Tunnel() })
      assert.strictEqual(asText(yield* stream.read), "Hello")
    }))

  it.live("of the wrong scheme is refused by name", () =>
    Effect.gen(function*() {
      for (const [url, agent] of [["wss", new Http.Agent()], ["ws", new Https.Agent()]] as const) {
        const reason = yield* refusal(`${url}://127.0.0.1:1/`, { agent })
        if (reason._tag !== "InvalidOption") return assert.fail(reason.message)
        assert.strictEqual(reason.error.option, "agent")
        assert.include(reason.message, `one for the scheme ${url}:`)
      }
    }))

  it.effect("that fails with what is no Error is told with it", () =>
    Effect.gen(function*() {
      class Failing extends Http.Agent {
        override createConnection(_: object, callback?: (error: Error | null, socket: Duplex) => void) {
          // As an agent without types calls back.
          if (callback !== undefined) Reflect.apply(callback, undefined, ["no way through"])
          return undefined
        }
      }
      const reason = yield* refusal("ws://127.0.0.1:1/", { agent: new Failing() })
      assert.deepInclude(reason, { _tag: "Io" })
      assert.strictEqual(reason.message, "the connection failed: no way through")
    }))

  const pooled = (agent: Http.Agent) => [Object.keys(agent.freeSockets), Object.keys(agent.sockets)]

  it.live("never gets the connection into its pool, neither open nor refused", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve((socket, request) =>
        request.line.startsWith("GET /open")
          ? greet(socket, request)
          : socket.write("HTTP/1.1 403 No\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n")
      )
      const agent = new Http.Agent({ keepAlive: true })
      yield* Effect.scoped(Effect.gen(function*() {
        yield* WebsocketClient.connectStream(`${url}open`, { agent })
        assert.deepStrictEqual(pooled(agent), [[], []])
      }))
      yield* gone(yield* Queue.take(sockets))
      assert.strictEqual((yield* refusal(url, { agent }))._tag, "Refused")
      assert.deepStrictEqual(Object.keys(agent.freeSockets), [])
      yield* gone(yield* Queue.take(sockets))
    }))

  it.live("is what it takes to go by a connection that another request has left", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve((socket, request) =>
        request.line.startsWith("GET /plain")
          ? socket.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
          : greet(socket, request)
      )
      yield* Effect.callback<void>((resume) => {
        Http.globalAgent.once("free", () => resume(Effect.void))
        Http.get(`${url.replace("ws:", "http:")}plain`, (response) => response.resume())
      })
      yield* WebsocketClient.connectStream(url)
      assert.strictEqual(yield* Queue.size(sockets), 2)
      for (const socket of yield* Queue.takeAll(sockets)) socket.destroy()
    }))

  it.live("never gets one into its pool that was given up before it was handed over", () =>
    Effect.gen(function*() {
      const { port, sockets, url } = yield* serve(greet)
      const asked = yield* Deferred.make<(socket: net.Socket) => void>()
      class Late extends Http.Agent {
        override createConnection(_: object, callback?: (error: Error | null, socket: Duplex) => void) {
          Deferred.doneUnsafe(asked, Effect.succeed((socket) => callback?.(null, socket)))
          return undefined
        }
      }
      const agent = new Late({ keepAlive: true })
      const fiber = yield* park(refusal(url, { agent }))
      const handOver = yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      const socket = net.connect(port, "127.0.0.1")
      handOver(socket)
      yield* gone(yield* Queue.take(sockets))
      assert.isTrue(socket.destroyed)
      assert.deepStrictEqual(Object.keys(agent.freeSockets), [])
    }))

  it.live("has destroyed what it had before and hands over, where that opens no WebSocket connection", () =>
    Effect.gen(function*() {
      const { port, sockets, url } = yield* serve((socket, request) =>
        socket.write(proper(request, { "Sec-WebSocket-Accept": "no" }))
      )
      const socket = net.connect(port, "127.0.0.1")
      class Early extends Http.Agent {
        override createConnection() {
          return socket
        }
      }
      // Where it goes on only later, Node takes the request for destroyed.
      const reason = yield* Effect.provideService(refusal(url, { agent: new Early() }), Scheduler.MaxOpsBeforeYield, 3)
      assert.strictEqual(reason._tag, "Handshake")
      assert.isTrue(socket.destroyed)
      yield* gone(yield* Queue.take(sockets))
    }))

  for (const why of [undefined, new Error("the tunnel fell in")]) {
    it.effect(`is not waited for when what it hands over is gone: ${why?.message ?? "without a word"}`, () =>
      Effect.gen(function*() {
        const { port, url } = yield* serve(greet)
        const socket = net.connect(port, "127.0.0.1").on("error", () => {})
        socket.destroy(why)
        // Not before it has said so: a request that begins earlier still hears it of the socket.
        yield* event(socket, "close")
        class Late extends Http.Agent {
          override createConnection() {
            return socket
          }
        }
        const reason = yield* refusal(url, { agent: new Late() })
        assert.strictEqual(reason._tag, "Io")
        assert.strictEqual(reason.message, `the connection failed: ${why?.message ?? "the stream was destroyed"}`)
      }))
  }
})
