import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import { type OpenError, ReadError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import type { Server, ServerResponse } from "node:http"
import { buffer } from "node:stream/consumers"
import { isCollected } from "../../core/test/support/garbage.ts"
import { asText, encode, text } from "./support/frames.ts"
import { acceptOfKey, dial, exchange, parse, request, serve } from "./support/http.ts"
import { assertClosed, assertWaiting, event, expectEcho, park, reasonOf, takeAll } from "./support/streams.ts"

type Handler = (connection: WebsocketUpgrade.Connection) => Effect.Effect<unknown, unknown>

/** A server that runs the handler. */
const serving = Effect.fnUntraced(function*(handler: Handler, options?: WebsocketUpgrade.Options) {
  const { port, server } = yield* serve
  const fiber = yield* Effect.forkScoped(WebsocketUpgrade.run(server, handler, options), { startImmediately: true })
  return { port, server, fiber, url: `ws://127.0.0.1:${port}/` }
})

const echo: Handler = ({ stream }) => Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll))

const listeners = (server: Server) => server.listenerCount("upgrade") + server.listenerCount("request")

describe("WebsocketUpgrade", () => {
  it.live("opens a connection with a 101 that proves that we read the key, in front of whatever the handler sends", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(({ stream }) => stream.write(Opcode.Text, "Hello"), {
        headers: [["X-Served-By", "us"]]
      })
      const response = yield* exchange(port, request())
      assert.strictEqual(response.status, 101)
      assert.deepStrictEqual(Object.fromEntries(response.headers), {
        upgrade: "websocket",
        connection: "Upgrade",
        "sec-websocket-accept": acceptOfKey,
        "x-served-by": "us"
      })
      assert.deepStrictEqual([...response.rest], [...encode("client", text("Hello"))])
    }))

  it.live("keeps nothing of the request for as long as the connection lives", () =>
    Effect.gen(function*() {
      const requests: Array<WeakRef<object>> = []
      const { url } = yield* serving((connection) => {
        requests.push(new WeakRef(connection.request))
        return echo(connection)
      })
      const stream = yield* WebsocketClient.connectStream(url)
      yield* expectEcho(stream)
      assert.isTrue(yield* isCollected(requests[0]!))
      yield* expectEcho(stream)
    }))

  it.live("loses no frame that came with the request", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(({ stream }) => Effect.flatMap(stream.read, (frame) => stream.writeAll([frame])))
      const frame = encode("server", text("early"))
      const response = yield* exchange(port, Buffer.concat([Buffer.from(request()), frame]))
      assert.deepStrictEqual([...response.rest], [...encode("client", text("early"))])
    }))

  it.live("loses no byte of a frame whose beginning came with the request", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(({ stream }) => Effect.flatMap(stream.read, (frame) => stream.writeAll([frame])))
      const socket = yield* dial(port)
      const frame = encode("server", Frame.make(Opcode.Binary, new Uint8Array(70_000).fill(7)))
      socket.write(Buffer.concat([Buffer.from(request()), frame.subarray(0, 3)]))
      yield* event(socket, "readable")
      socket.write(frame.subarray(3))
      const { rest } = parse(Buffer.from(yield* takeAll(socket)))
      assert.strictEqual(
        Buffer.compare(rest, encode("client", Frame.make(Opcode.Binary, new Uint8Array(70_000).fill(7)))),
        0
      )
    }))

  it.live("hands over what came behind the request as it is, and refuses garbage where frames are read", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const seen = yield* Deferred.make<readonly [head: string, reason: ReadError["reason"]], OpenError>()
      yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
        Effect.gen(function*() {
          const { stream } = yield* WebsocketUpgrade.accept(upgrade)
          return [Buffer.from(upgrade.head).toString(), yield* Effect.orDie(reasonOf(stream.read))] as const
        }).pipe(Effect.scoped, Deferred.into(seen))).pipe(Effect.forkScoped({ startImmediately: true }))
      yield* exchange(port, `${request()}garbage`)
      const [head, reason] = yield* Deferred.await(seen)
      assert.strictEqual(head, "garbage")
      assert.strictEqual(reason._tag, "Protocol")
    }))

  it.live("chooses the subprotocol that the client likes best of those that we speak, or none", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(({ subprotocol = "none" }) => Effect.succeed(subprotocol), {
        subprotocols: ["a", "b", "c"]
      })
      const chosen = (offer: string | undefined) =>
        Effect.map(
          exchange(port, request({ headers: { "Sec-WebSocket-Protocol": offer } })),
          ({ headers, status }) => [status, headers.get("sec-websocket-protocol")]
        )
      assert.deepStrictEqual(yield* chosen("x, c, b"), [101, "c"])
      assert.deepStrictEqual(yield* chosen("x, y"), [101, undefined])
      assert.deepStrictEqual(yield* chosen(undefined), [101, undefined])
    }))

  it.live("gives the handler the request and the subprotocol", () =>
    Effect.gen(function*() {
      const seen = yield* Deferred.make<unknown>()
      const { port } = yield* serving(
        ({ request, subprotocol }) => Deferred.succeed(seen, [request.url, request.headers["cookie"], subprotocol]),
        { subprotocols: ["chat"] }
      )
      yield* exchange(
        port,
        request({ line: "GET /room?id=1 HTTP/1.1", headers: { Cookie: "a=1", "Sec-WebSocket-Protocol": "chat" } })
      )
      assert.deepStrictEqual(yield* Deferred.await(seen), ["/room?id=1", "a=1", "chat"])
    }))

  it.live("leaves other requests to those who listen for them", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      server.on(
        "request",
        (request, response) => response.setHeader("Connection", "close").end(`this is ${request.url}`)
      )
      yield* Effect.forkScoped(WebsocketUpgrade.run(server, echo), { startImmediately: true })
      const stream = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`)
      const { rest, status } = yield* exchange(port, "GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
      assert.strictEqual(status, 200)
      assert.include(rest.toString(), "this is /page")
      yield* expectEcho(stream)
    }))

  it.live("leaves them also to those who come to listen for them later", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serving(echo)
      const asked = "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      assert.strictEqual((yield* exchange(port, asked)).status, 426)
      server.on("request", (request, response) => response.writeHead(200).end(`this is ${request.url}`))
      const { rest, status } = yield* exchange(port, asked)
      assert.strictEqual(status, 200)
      assert.include(rest.toString(), "this is /page")
    }))

  for (
    const [option, options] of [
      ["headers.Upgrade", { headers: [["Upgrade", "h2c"]] }],
      ["headers.X", { headers: [["X", "a\r\nSet-Cookie: b"]] }],
      ["limits.maxFrameSize", { limits: { maxFrameSize: -1 } }],
      ["subprotocols", { subprotocols: ["chat, superchat"] }]
    ] as const
  ) {
    it.live(`answers with 500 for options that cannot be used, and names ${option}`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve
        const failed = yield* Deferred.make<OpenError["reason"], unknown>()
        yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
          reasonOf(Effect.scoped(WebsocketUpgrade.accept(upgrade, options))).pipe(Deferred.into(failed))).pipe(
            Effect.forkScoped({ startImmediately: true })
          )
        const { headers, rest, status } = yield* exchange(port, request())
        assert.deepStrictEqual([status, headers.get("connection"), rest.length], [500, "close", 0])
        const reason = yield* Deferred.await(failed)
        if (reason._tag !== "InvalidOption") {
          return assert.fail(reason.message)
        }
        assert.strictEqual(reason.error.option, option)
      }))
  }

  it.live("R23: a client that resets the connection before we accept ends nothing, and is seen by the first read", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const arrived = yield* Deferred.make<void>()
      const seen = yield* Deferred.make<ReadError["reason"], OpenError>()
      yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
        Effect.gen(function*() {
          yield* Deferred.succeed(arrived, undefined)
          yield* event(upgrade.socket, "close")
          const { stream } = yield* WebsocketUpgrade.accept(upgrade)
          return yield* Effect.orDie(reasonOf(stream.read))
        }).pipe(Effect.scoped, Deferred.into(seen))).pipe(Effect.forkScoped({ startImmediately: true }))
      const socket = yield* dial(port)
      socket.write(request())
      yield* Deferred.await(arrived)
      socket.resetAndDestroy()
      assert.deepInclude(yield* Deferred.await(seen), { _tag: "Io", code: "ECONNRESET" })
    }))

  it.live("R23: a client that resets the connection before we reject ends nothing", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const arrived = yield* Deferred.make<void>()
      const rejected = yield* Deferred.make<void>()
      yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
        Effect.gen(function*() {
          yield* Deferred.succeed(arrived, undefined)
          yield* event(upgrade.socket, "close")
          yield* WebsocketUpgrade.reject(upgrade, { status: 403, headers: [], body: "" })
        }).pipe(Deferred.into(rejected))).pipe(Effect.forkScoped({ startImmediately: true }))
      const socket = yield* dial(port)
      socket.write(request())
      yield* Deferred.await(arrived)
      socket.resetAndDestroy()
      yield* Deferred.await(rejected)
    }))
})

describe("WebsocketUpgrade.runUpgrades, where nobody answers", () => {
  it.live("has a client answered with 500 whose handler fails", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      yield* WebsocketUpgrade.runUpgrades(server, () => Effect.fail("secret")).pipe(
        Effect.provideService(References.MinimumLogLevel, "None"),
        Effect.forkScoped({ startImmediately: true })
      )
      const { rest, status } = yield* exchange(port, request())
      assert.deepStrictEqual([status, rest.length], [500, 0])
    }))

  it.live("has a client answered with 503 whose handler is interrupted", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const asked = yield* Deferred.make<void>()
      const fiber = yield* WebsocketUpgrade.runUpgrades(
        server,
        () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
      ).pipe(Effect.forkScoped({ startImmediately: true }))
      const answer = yield* Effect.forkChild(exchange(port, request()))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      const { rest, status } = yield* Fiber.join(answer)
      assert.deepStrictEqual([status, rest.length], [503, 0])
    }))

  it.live("writes nothing into a WebSocket of a longer scope whose handler fails", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const scope = yield* Effect.scope
      const accepted = yield* Deferred.make<WebsocketUpgrade.Connection, OpenError>()
      const fiber = yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
        WebsocketUpgrade.accept(upgrade).pipe(
          Scope.provide(scope),
          Deferred.into(accepted),
          Effect.andThen(Effect.fail("boom"))
        )).pipe(
          Effect.provideService(References.MinimumLogLevel, "None"),
          Effect.forkScoped({ startImmediately: true })
        )
      const client = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`)
      const { stream } = yield* Deferred.await(accepted)
      // Waits for the end of the handler.
      yield* Fiber.interrupt(fiber)
      yield* stream.write(Opcode.Text, "still here")
      assert.strictEqual(asText(yield* client.read), "still here")
    }))

  it.live("leaves an upgrade alone that its handler has given to somebody else", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const upgrades = yield* Queue.unbounded<WebsocketUpgrade.Upgrade>()
      yield* WebsocketUpgrade.runUpgrades(server, (upgrade) => Queue.offer(upgrades, upgrade)).pipe(
        Effect.forkScoped({ startImmediately: true })
      )
      const answer = yield* Effect.forkChild(exchange(port, request()))
      yield* WebsocketUpgrade.reject(yield* Queue.take(upgrades), { status: 403, headers: [], body: "" })
      assert.strictEqual((yield* Fiber.join(answer)).status, 403)
    }))
})

it.live("R22: a response that is due to a request before the upgrade is never written into the WebSocket", () =>
  Effect.gen(function*() {
    const { port, server } = yield* serve
    const asked = yield* Deferred.make<ServerResponse>()
    server.on("request", (_, response) => Deferred.doneUnsafe(asked, Effect.succeed(response)))
    yield* WebsocketUpgrade.run(server, ({ stream }) => stream.read).pipe(Effect.forkScoped({ startImmediately: true }))
    const socket = yield* dial(port)
    const bytes = yield* Effect.forkChild(Effect.promise(() => buffer(socket)))
    socket.write(`GET / HTTP/1.1\r\nHost: a\r\n\r\n${request()}`)
    const response = yield* Deferred.await(asked)
    // Cut, in place of a 101 and a response behind it.
    assert.strictEqual((yield* Fiber.join(bytes)).toString(), "")
    response.end("late")
  }))

describe("WebsocketUpgrade.run", () => {
  /** A server whose handler fails as the path tells it to, and what is logged at level Error. */
  const failing = (errors: { readonly [path: string]: Effect.Effect<unknown, unknown> }) =>
    Effect.gen(function*() {
      const logged = yield* Queue.unbounded<Cause.Cause<unknown>>()
      const logger = Logger.make<unknown, void>(({ cause, logLevel }) => {
        if (logLevel === "Error") Queue.offerUnsafe(logged, cause)
      })
      const server = yield* serving(
        (connection) => errors[connection.request.url ?? ""] ?? echo(connection)
      ).pipe(Effect.provide(Logger.layer([logger])))
      return { ...server, logged }
    })

  for (const [how, error] of [["fails", Effect.fail("boom")], ["dies", Effect.die("boom")]] as const) {
    it.live(`a handler that ${how} is logged, and ends its own connection only`, () =>
      Effect.gen(function*() {
        const { logged, url } = yield* failing({ "/boom": error })
        const other = yield* WebsocketClient.connectStream(url)
        const stream = yield* WebsocketClient.connectStream(`${url}boom`)
        assertClosed(yield* reasonOf(stream.read), "Peer")
        assert.strictEqual(Cause.squash(yield* Queue.take(logged)), "boom")
        yield* expectEcho(other)
      }))
  }

  it.live("a handler that fails of the end of another connection is logged", () =>
    Effect.gen(function*() {
      const upstream = yield* serving(() => Effect.void)
      const other = Effect.scoped(Effect.flatMap(WebsocketClient.connectStream(upstream.url), ({ read }) => read))
      const { fiber, logged, url } = yield* failing({ "/other": other })
      const stream = yield* WebsocketClient.connectStream(`${url}other`)
      assertClosed(yield* reasonOf(stream.read), "Peer")
      yield* Fiber.interrupt(fiber)
      const [error, ...others] = (yield* Queue.clear(logged)).map(Cause.squash)
      assert.instanceOf(error, ReadError)
      assert.lengthOf(others, 0)
    }))

  it.live("a connection that its client ended is no error to log", () =>
    Effect.gen(function*() {
      const { fiber, logged, port, url } = yield* failing({ "/boom": Effect.fail("boom") })
      // Refused, ended, and ended in the middle of a frame.
      yield* exchange(port, request({ line: "POST / HTTP/1.1" }))
      yield* Effect.scoped(WebsocketClient.connectStream(url))
      const socket = yield* dial(port)
      socket.end(Buffer.concat([Buffer.from(request()), encode("server", text("Hello")).subarray(0, 4)]))
      yield* takeAll(socket)
      yield* Effect.scoped(Effect.flatMap(WebsocketClient.connectStream(`${url}boom`), ({ read }) => reasonOf(read)))
      // By then all handlers have ended, and what they say is said.
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual((yield* Queue.takeAll(logged)).map(Cause.squash), ["boom"])
    }))

  it.live("interrupted by the first step of a handler, it waits for the end of that one, too", () =>
    Effect.gen(function*() {
      const { port, server } = yield* serve
      const [began, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const handler: Handler = () =>
        Effect.ensuring(Effect.andThen(Deferred.succeed(began, undefined), Effect.never), Deferred.await(gate))
      const running = yield* park(Effect.raceFirst(WebsocketUpgrade.run(server, handler), Deferred.await(began)))
      yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`)
      yield* assertWaiting(running)
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(running)
    }))

  it.live("interrupted, it ends every connection and leaves the server as it was", () =>
    Effect.gen(function*() {
      const { fiber, server, url } = yield* serving(echo)
      const streams = yield* Effect.replicateEffect(WebsocketClient.connectStream(url), 3)
      yield* Effect.forEach(streams, expectEcho)
      const readers = yield* Effect.forEach(streams, ({ read }) => park(reasonOf(read)))
      yield* Fiber.interrupt(fiber)
      for (const reader of readers) assertClosed(yield* Fiber.join(reader), "Peer")
      assert.strictEqual(listeners(server), 0)
    }))
})
