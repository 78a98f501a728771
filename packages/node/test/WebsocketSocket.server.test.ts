import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import { ListenError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import type * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as WebsocketSocket from "@websocket-stream/node/WebsocketSocket"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import { mkdtemp, rm } from "node:fs/promises"
import type * as net from "node:net"
import { networkInterfaces, tmpdir } from "node:os"
import { join } from "node:path"
import { encode } from "./support/frames.ts"
import { dial, request } from "./support/http.ts"
import { assertReason, closed, open, reasonOf } from "./support/sockets.ts"
import { event, park } from "./support/streams.ts"

const serve = Effect.fnUntraced(function*(options?: WebsocketServer.Options, admission?: WebsocketSocket.Admission) {
  const layer = WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0, ...options }, admission)
  const server = yield* Effect.provideContext(SocketServer.SocketServer, yield* Layer.build(layer))
  const port = server.address._tag === "UnixPathAddress" ? 0 : server.address.port
  return {
    server,
    port,
    // An address of one link has none.
    get url() {
      return NetAddress.formatUrlUnsafe(server.address, "ws")
    }
  }
})

const echo = (socket: Socket.Socket) =>
  Effect.gen(function*() {
    const { pull } = yield* socket.reader
    const { writeAll } = yield* socket.writer
    return yield* Effect.forever(Effect.flatMap(pull, writeAll))
  }).pipe(Effect.scoped)

type Log = readonly [level: string, cause: string]

type Logs = Queue.Queue<Log>

/** What is logged, however unimportant. */
const logging = Effect.map(Queue.unbounded<Log>(), (logs) => {
  const logger = Logger.make<unknown, void>(({ cause, logLevel }) => {
    Queue.offerUnsafe(logs, [logLevel, Cause.pretty(cause)])
  })
  return { logs, layer: Layer.merge(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Debug")) }
})

const assertNext = Effect.fnUntraced(function*(logs: Logs, level: string, within: string) {
  const [logged, cause] = yield* Queue.take(logs)
  assert.strictEqual(logged, level)
  assert.include(cause, within)
})

/** A server whose handler's ends are logged. */
const logged = Effect.fnUntraced(function*<E>(handler: (socket: Socket.Socket) => Effect.Effect<unknown, E>) {
  const { layer, logs } = yield* logging
  const { port, server, url } = yield* serve()
  yield* Effect.forkScoped(Effect.provide(server.run(handler), layer))
  return { logs, port, url }
})

describe("WebsocketSocket.layerSocketServer", () => {
  it.live("runs the handler for each connection's socket, and layerSocket connects to it", () =>
    Effect.gen(function*() {
      const { server, url } = yield* serve()
      yield* Effect.forkScoped(server.run(echo))
      const context = yield* Layer.build(WebsocketSocket.layerSocket(url))
      for (const text of ["first", "second"]) {
        yield* Effect.gen(function*() {
          const socket = yield* Socket.Socket
          const { pull } = yield* socket.reader
          const { write } = yield* socket.writer
          yield* write(text)
          assert.deepStrictEqual(yield* pull, [text])
        }).pipe(Effect.scoped, Effect.provideContext(context))
      }
    }))

  it.live("lets in whom an admission lets in, by the request", () =>
    Effect.gen(function*() {
      const admit = Effect.gen(function*() {
        const { headers } = yield* WebsocketRequest.WebsocketRequest
        if (headers.authorization !== "Bearer ada") return yield* new WebsocketRequest.Refusal({ status: 401 })
      })
      const { server, url } = yield* serve(undefined, { admit })
      yield* Effect.forkScoped(server.run(echo))
      const connect = (token: string) =>
        WebsocketClient.connect(url, { headers: [["Authorization", `Bearer ${token}`]] })
      assert.deepInclude((yield* Effect.flip(connect("eve"))).reason, { _tag: "Refused", status: 401 })
      const ws = yield* connect("ada")
      yield* ws.send("Hello")
      assert.strictEqual((yield* ws.receive)._tag, "Text")
    }))

  it.live("gives an admission what the layer is given, whatever runs it has, and the scope and request of its connection", () =>
    Effect.gen(function*() {
      class Tokens extends Context.Service<Tokens, ReadonlyMap<string, string>>()("Tokens") {}
      const left = yield* Queue.unbounded<string>()
      const admit = Effect.gen(function*() {
        const { headers } = yield* WebsocketRequest.WebsocketRequest
        const name = (yield* Tokens).get(headers.authorization ?? "")
        if (name === undefined) return yield* new WebsocketRequest.Refusal({ status: 401 })
        // The layer's has ended by then.
        const isTraced = Option.isSome(yield* Effect.option(Effect.currentParentSpan))
        yield* Effect.addFinalizer(() => Queue.offer(left, isTraced ? "somebody's span" : name))
      })
      const layer = WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0 }, { admit }).pipe(
        Layer.provide(Layer.succeed(Tokens, new Map([["Bearer a", "Ada"]]))),
        Layer.withSpan("the layer")
      )
      // A server that is made for a connection of another has the request of that.
      const others: WebsocketRequest.WebsocketRequest["Service"] = {
        url: "/",
        path: "/",
        query: new URLSearchParams(),
        headers: {},
        remoteAddress: undefined,
        subprotocols: []
      }
      const built = yield* Effect.provideService(Layer.build(layer), WebsocketRequest.WebsocketRequest, others)
      const server = yield* Effect.provideContext(SocketServer.SocketServer, built)
      yield* Effect.forkScoped(Effect.provideService(server.run(echo), Tokens, new Map()))
      const url = NetAddress.formatUrlUnsafe(server.address, "ws")
      assert.deepInclude((yield* Effect.flip(WebsocketClient.connect(url))).reason, { _tag: "Refused", status: 401 })
      const ws = yield* WebsocketClient.connect(url, { headers: [["Authorization", "Bearer a"]] })
      yield* ws.close()
      assert.strictEqual(yield* Queue.take(left), "Ada")
    }))

  const linkLocal = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
    (addresses ?? []).filter(({ address }) => address.startsWith("fe80:")).map(({ address }) => `${address}%${name}`)
  )
  it.live.skipIf(linkLocal.length === 0)(
    "has an address of one link, with the number of its interface",
    () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve({ host: linkLocal[0]!, port: 0 })
        assert.isAbove(port, 0)
        assert.match(NetAddress.formatSocketAddress(server.address), /^\[fe80.*%\d+\]/)
      })
  )

  for (const host of ["127.0.0.1", "::1"]) {
    it.live(`has the address ${host} that it listens at`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve({ host })
        assert.isAbove(port, 0)
        assert.deepStrictEqual(server.address, NetAddress.inetAddressFromIpStringUnsafe(host, port))
      }))
  }

  it.live("has the path that it listens at", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
        (directory) => Effect.promise(() => rm(directory, { recursive: true }))
      )
      const path = join(directory, "socket")
      const { server } = yield* serve({ host: undefined, port: undefined, path })
      yield* Effect.forkScoped(server.run(echo))
      assert.deepStrictEqual(server.address, NetAddress.unixPathAddress(path))
      const ws = yield* WebsocketClient.connect("ws://localhost/", { socketPath: path })
      yield* ws.send("Hello")
      assert.strictEqual((yield* ws.receive).payload.length, 5)
    }))

  it.live("fails with our ListenError where it cannot listen", () =>
    Effect.gen(function*() {
      const { port } = yield* serve()
      const { reason } = yield* Effect.flip(serve({ port }))
      assert.strictEqual(reason._tag, "SocketServerOpenError")
      assert.instanceOf(reason.cause, ListenError)
      assert.include(reason.cause.message, `port is ${port}`)
    }))

  it.live("tells the clients when it is interrupted", () =>
    Effect.gen(function*() {
      const { server, url } = yield* serve()
      const running = yield* Effect.forkScoped(server.run(echo))
      const { pull } = yield* open(yield* WebsocketSocket.toSocket(WebsocketClient.connect(url)))
      const pulling = yield* park(reasonOf(pull))
      yield* Fiber.interrupt(running)
      assertReason(yield* Fiber.join(pulling), closed(1001))
    }))

  const ends: ReadonlyArray<readonly [string, (socket: Socket.Socket) => Effect.Effect<unknown, unknown>]> = [
    ["the failure of a pull", echo],
    ["its defect", (socket) => Effect.orDie(echo(socket))]
  ]
  for (const [name, handler] of ends) {
    it.live(`takes ${name} for the end of a connection, however it came`, () =>
      Effect.gen(function*() {
        const { logs, port } = yield* logged(handler)
        const peers: ReadonlyArray<(tcp: net.Socket) => void> = [
          (tcp) => tcp.write(encode("server", Frame.make(Opcode.Close, new Uint8Array(0)))),
          (tcp) => tcp.resetAndDestroy(),
          // A text that is not masked, as a client's must be.
          (tcp) => tcp.write(Uint8Array.of(0x81, 0))
        ]
        for (const end of peers) {
          const tcp = yield* dial(port)
          tcp.write(request())
          yield* event(tcp, "data")
          end(tcp)
          yield* assertNext(logs, "Debug", "SocketError")
        }
      }))
  }

  it.live("logs the end of another connection, and closes with 1011", () =>
    Effect.gen(function*() {
      const upstream = yield* serve()
      yield* Effect.forkScoped(upstream.server.run(() => Effect.void))
      const other = yield* WebsocketSocket.toSocket(WebsocketClient.connect(upstream.url))
      const handler = ({ reader }: Socket.Socket) => Effect.scoped(Effect.andThen(reader, echo(other)))
      const { logs, url } = yield* logged(handler)
      const ws = yield* WebsocketClient.connect(url)
      assert.strictEqual((yield* ws.closed).received.code, 1011)
      yield* assertNext(logs, "Error", "SocketError")
    }))

  it.live("takes no interruption for the end of a connection: who joins what was interrupted closes with 1001", () =>
    Effect.gen(function*() {
      const { logs, url } = yield* logged(() => Effect.interrupt)
      const ws = yield* WebsocketClient.connect(url)
      assert.strictEqual((yield* ws.closed).received.code, 1001)
      yield* assertNext(logs, "Debug", "interrupt")
    }))

  it.live("logs a bug beside the end of a connection", () =>
    Effect.gen(function*() {
      const { logs, url } = yield* logged((socket) => Effect.ensuring(echo(socket), Effect.die(new Error("a bug"))))
      yield* Effect.flatMap(WebsocketClient.connect(url), (ws) => ws.close())
      yield* assertNext(logs, "Error", "a bug")
    }))

  it.live("logs other failures, of a socket's use among them, and closes with 1011", () =>
    Effect.gen(function*() {
      const handlers: Array<(socket: Socket.Socket) => Effect.Effect<unknown, unknown>> = [
        () => Effect.fail("oops"),
        (socket) => Effect.scoped(Effect.flatMap(socket.writer, ({ write }) => write(new Socket.CloseEvent(1006))))
      ]
      const { logs, url } = yield* logged((socket) => handlers.shift()!(socket))
      for (const expected of ["oops", "SocketError"]) {
        const ws = yield* WebsocketClient.connect(url)
        assert.strictEqual((yield* ws.closed).received.code, 1011)
        yield* assertNext(logs, "Error", expected)
      }
    }))
})
