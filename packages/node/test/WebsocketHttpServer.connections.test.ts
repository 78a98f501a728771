import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import { Io, ReadError, WouldBlock } from "@websocket-stream/node/WebsocketError"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import { once } from "node:events"
import { createServer } from "node:http"
import * as https from "node:https"
import * as Certificate from "./support/certificate.ts"
import { encode, text } from "./support/frames.ts"
import { dial, dialSecurely, exchange, parse } from "./support/http.ts"
import { closeDeadline, codes, handshake, serving, textOf, websocket } from "./support/httpServer.ts"
import { logging } from "./support/server.ts"
import { event, reasonOf, takeAll, takeBytes } from "./support/streams.ts"

const page = HttpRouter.add("GET", "/page", HttpServerResponse.text("a page"))

describe("What a WebsocketHttpServer delivers", () => {
  it.live("the first message is not lost, however late the handler begins to read", () =>
    Effect.gen(function*() {
      const [arrived, upgrade, opened, read] = yield* Effect.all(Array.from({ length: 4 }, () => Deferred.make<void>()))
      const seen = yield* Queue.unbounded<string>()
      const route = HttpRouter.add(
        "GET",
        "/",
        Effect.gen(function*() {
          yield* Deferred.succeed(arrived!, undefined)
          yield* Deferred.await(upgrade!)
          const ws = yield* WebsocketHttpServer.upgrade()
          yield* Deferred.succeed(opened!, undefined)
          yield* Deferred.await(read!)
          return yield* Effect.forever(Effect.flatMap(textOf(ws), (text) => Queue.offer(seen, text)))
        })
      )
      const { port } = yield* serving(route)
      const socket = yield* dial(port)
      socket.write(Buffer.concat([Buffer.from(handshake("/")), encode("server", text("with the request"))]))
      yield* Deferred.await(arrived!)
      socket.write(encode("server", text("before the 101")))
      yield* Deferred.succeed(upgrade!, undefined)
      yield* Deferred.await(opened!)
      socket.write(encode("server", text("before the reading")))
      yield* Deferred.succeed(read!, undefined)
      const all = [yield* Queue.take(seen), yield* Queue.take(seen), yield* Queue.take(seen)]
      assert.deepStrictEqual(all, ["with the request", "before the 101", "before the reading"])
    }))

  for (const how of ["ends", "resets"] as const) {
    it.live(`a handler gets what came before the peer ${how} the connection, and is told, not interrupted`, () =>
      Effect.gen(function*() {
        const closed = yield* Deferred.make<void>()
        const seen = yield* Deferred.make<readonly [ReadonlyArray<string>, unknown], unknown>()
        const node = createServer()
        const { port } = yield* serving(
          websocket("/", (ws) =>
            Effect.gen(function*() {
              yield* Deferred.await(closed)
              const texts = [yield* textOf(ws), yield* textOf(ws)]
              return [texts, yield* Effect.orDie(reasonOf(ws.receive))] as const
            }).pipe(Effect.onExit((exit) => Deferred.done(seen, exit)))),
          { server: node }
        )
        // Both are in the server's hands with the handshake, so that no reset can overtake them.
        const accepted = once(node, "connection")
        const socket = yield* dial(port)
        socket.write(Buffer.concat([Buffer.from(handshake("/")), encode("server", text("one"), text("two"))]))
        yield* event(socket, "readable")
        if (how === "resets") {
          const [peer] = yield* Effect.promise(() => accepted)
          const gone = yield* Effect.forkChild(event(peer, "close"), { startImmediately: true })
          socket.resetAndDestroy()
          yield* Fiber.join(gone)
        } else {
          socket.end()
        }
        yield* Deferred.succeed(closed, undefined)
        const [texts, reason] = yield* Deferred.await(seen)
        assert.deepStrictEqual(texts, ["one", "two"])
        if (how === "resets") assert.deepInclude(reason, { _tag: "Io", code: "ECONNRESET" })
        else assert.deepInclude(reason, { _tag: "Closed", by: "Peer", code: 1006 })
      }))
  }

  const ends = [
    ["1000 for a handler that ends well", Effect.void, 1000],
    ["1011 for a handler that fails", Effect.fail("boom"), 1011],
    ["1011 for a handler that dies", Effect.die("boom"), 1011],
    ["1011 for a handler that another connection fails", new ReadError({ reason: new WouldBlock() }), 1011],
    ["1001 for a handler that is interrupted", Effect.interrupt, 1001]
  ] as const
  for (const [name, end, code] of ends) {
    it.live(`R22: a client gets ${name}, and no other byte behind the 101`, () =>
      Effect.gen(function*() {
        const { port } = yield* serving(websocket("/", () => end as Effect.Effect<void, unknown>), {
          websocket: { closeDeadline }
        }).pipe(Effect.provide(Logger.layer([])))
        const socket = yield* dial(port)
        socket.write(handshake("/"))
        // What it is told of it, too: everything else would be a frame that is none.
        const header = "HTTP/1.1 101 Switching Protocols\r\n"
        assert.strictEqual(Buffer.from(yield* takeBytes(socket, header.length)).toString(), header)
        const { rest } = parse(Buffer.concat([Buffer.from(header), yield* takeAll(socket)]))
        const close = Frame.make(Opcode.Close, Uint8Array.of(code >> 8, code & 0xff))
        assert.deepStrictEqual([...rest], [...encode("client", close)])
      }))
  }

  it.live("R22: a connection upgrades behind a response, and is cut where one is still due", () =>
    Effect.gen(function*() {
      const slow = HttpRouter.add("GET", "/slow", Effect.never)
      const { port } = yield* serving(Layer.mergeAll(page, slow, websocket("/", () => Effect.void)), {
        websocket: { closeDeadline }
      })
      const socket = yield* dial(port)
      socket.write("GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
      yield* event(socket, "readable")
      const response: Buffer = socket.read()
      assert.strictEqual(parse(response).status, 200)
      socket.write(handshake("/"))
      assert.deepStrictEqual(codes(parse(Buffer.from(yield* takeAll(socket))).rest), [1000])
      const other = yield* dial(port)
      other.write(`GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${handshake("/")}`)
      assert.strictEqual((yield* takeAll(other)).length, 0)
    }))

  it.live("logs what a handler fails of behind the end of its connection", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const unopened = (cause: Error) =>
          new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind: "Unknown", cause }) })
        const reset = new ReadError({
          reason: new Io({ code: "ECONNRESET", errno: undefined, syscall: "read", cause: new Error("reset") })
        })
        const socket = (use: (socket: Socket.Socket) => Effect.Effect<unknown, unknown, Scope.Scope>) =>
          HttpServerRequest.pipe(
            Effect.flatMap(({ upgrade }) => upgrade),
            Effect.flatMap(use),
            Effect.scoped,
            Effect.as(HttpServerResponse.empty())
          )
        const routes = Layer.mergeAll(
          websocket("/ping", (ws) => Effect.ensuring(ws.ping(new Uint8Array(126)), Effect.ignore(ws.close()))),
          HttpRouter.add(
            "GET",
            "/other",
            socket(({ reader }) => Effect.andThen(reader, unopened(new Error("nobody"))))
          ),
          HttpRouter.add("GET", "/lost", socket(({ reader }) => Effect.andThen(reader, unopened(reset)))),
          HttpRouter.add(
            "GET",
            "/close",
            socket(({ reader, writer }) =>
              Effect.gen(function*() {
                yield* reader
                yield* (yield* writer).write(new Socket.CloseEvent(999))
              })
            )
          )
        )
        yield* Effect.scoped(Effect.gen(function*() {
          const { connect } = yield* serving(routes)
          for (const path of ["/ping", "/other", "/lost", "/close"]) yield* reasonOf((yield* connect(path)).receive)
        }))
        assert.deepStrictEqual(logs.map(({ message }) => message), Array(4).fill("WebSocket handler failed"))
        const failures = ["a control frame holds at most 125 bytes", "during Open", "during Open", "during Write"]
        for (const [i, failure] of failures.entries()) assert.include(String(logs[i]?.errors[0]), failure)
      })
    ))

  it.live("logs what a handler fails of, once and as an error, and not that a connection ended", () =>
    Effect.gen(function*() {
      const logged = yield* Queue.unbounded<string>()
      const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
        const failure = cause.reasons.length === 0 ? [] : [Cause.squash(cause)]
        Queue.offerUnsafe(logged, [logLevel, message, ...failure].join(" "))
      })
      const routes = Layer.mergeAll(
        websocket("/boom", () => Effect.fail("boom")),
        websocket("/other", () => new ReadError({ reason: new WouldBlock() })),
        websocket("/", (ws) => ws.receive),
        HttpRouter.add(
          "GET",
          "/socket",
          Effect.gen(function*() {
            const { reader } = yield* (yield* HttpServerRequest).upgrade
            const { pull } = yield* reader
            return yield* Effect.forever(pull)
          })
        )
      )
      const port = yield* Effect.scoped(Effect.gen(function*() {
        const { port } = yield* serving(routes, { disableLogger: false, websocket: { closeDeadline } })
        yield* exchange(port, handshake("/boom"))
        yield* exchange(port, handshake("/other"))
        for (const path of ["/", "/socket"]) {
          const socket = yield* dial(port)
          socket.end(handshake(path))
          yield* takeAll(socket)
        }
        return port
      })).pipe(Effect.provide(Logger.layer([logger])))
      assert.isAbove(port, 0)
      assert.deepStrictEqual(yield* Queue.takeAll(logged), [
        "Error WebSocket handler failed boom",
        `Error WebSocket handler failed ReadError: ${new WouldBlock().message}`,
        "Info Sent HTTP response",
        "Info Sent HTTP response"
      ])
    }))

  it.live("a request opens one WebSocket only", () =>
    Effect.gen(function*() {
      const second = yield* Deferred.make<unknown>()
      const { connect } = yield* serving(websocket("/", (ws) =>
        Effect.gen(function*() {
          const exit = yield* Effect.exit(WebsocketHttpServer.upgrade())
          yield* Deferred.succeed(second, exit._tag === "Failure" && Cause.squash(exit.cause))
          yield* ws.send("still here")
        })))
      const ws = yield* connect("/")
      assert.include(String(yield* Deferred.await(second)), "this request was upgraded already")
      assert.strictEqual(yield* textOf(ws), "still here")
    }))
})

describe("R23: clients of a WebsocketHttpServer that end their side before they are answered", () => {
  const servers = [
    ["node:http", createServer, dial],
    ["node:https", () => https.createServer({ ...Certificate.make() }), dialSecurely]
  ] as const
  for (const [name, make, dial] of servers) {
    it.live(`leave their place, as any request whose client is gone, at a server of ${name}`, () =>
      Effect.gen(function*() {
        const arrived = yield* Deferred.make<void>()
        const ended = yield* Deferred.make<string>()
        const slow = HttpRouter.add("GET", "/slow", Effect.andThen(Deferred.succeed(arrived, undefined), Effect.never))
        const { port } = yield* serving(Layer.mergeAll(page, slow), {
          server: make(),
          websocket: { maxConnections: 1 },
          // Behind the end of everything that the request had.
          around: (app) => Effect.andThen(Effect.addFinalizer(({ _tag }) => Deferred.succeed(ended, _tag)), app)
        })
        const socket = yield* dial(port)
        socket.write(handshake("/slow"))
        yield* Deferred.await(arrived)
        socket.end()
        assert.strictEqual(yield* Deferred.await(ended), "Failure")
        const next = yield* dial(port)
        next.write(handshake("/page"))
        assert.strictEqual(parse(Buffer.from(yield* takeAll(next))).status, 200)
      }))
  }

  it.live("get to the end of what they were being told", () =>
    Effect.gen(function*() {
      const long = "a page".repeat(1_000_000)
      const server = createServer()
      const { port } = yield* serving(HttpRouter.add("GET", "/long", HttpServerResponse.text(long)), { server })
      const accepted = once(server, "connection")
      const socket = yield* dial(port)
      const [peer] = yield* Effect.promise(() => accepted)
      const told = yield* Effect.forkChild(event(peer, "end"), { startImmediately: true })
      socket.write(handshake("/long"))
      yield* event(socket, "readable")
      socket.end()
      yield* Fiber.join(told)
      assert.include(parse(Buffer.from(yield* takeAll(socket))).rest.toString(), long)
    }))
})

describe("A connection of a WebsocketHttpServer in a longer scope than its request's", () => {
  it.live("leaves its place when that ends, to the next", () =>
    Effect.gen(function*() {
      const connections = yield* Queue.unbounded<Scope.Closeable>()
      const route = HttpRouter.add(
        "GET",
        "/",
        Effect.gen(function*() {
          const scope = yield* Scope.make()
          yield* Scope.provide(WebsocketHttpServer.upgrade(), scope)
          yield* Queue.offer(connections, scope)
          return HttpServerResponse.empty()
        })
      )
      const { connect } = yield* serving(route, { websocket: { maxConnections: 1 } })
      for (let i = 0; i < 2; i++) {
        const ws = yield* connect("/")
        yield* Scope.close(yield* Queue.take(connections), Exit.void)
        yield* ws.closed
      }
    }))
})
