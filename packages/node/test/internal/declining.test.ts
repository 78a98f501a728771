import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerOptions } from "node:http"
import type { Socket } from "node:net"
import { text } from "node:stream/consumers"
import { dial, exchange, listen, request } from "../support/http.ts"
import { serving, websocket } from "../support/httpServer.ts"
import { expectEcho } from "../support/streams.ts"

/** Node since 24.9 has it, and others take an upgrade from the application whatever it is. */
const decides = (server: Server): unknown => Reflect.get(server, "shouldUpgradeCallback")
const newer = it.live.skipIf(decides(createServer()) === undefined)

/** Tells of its requests. */
const application: RequestListener = async (request, response) =>
  response.end(`${request.method} ${await text(request)};`)

const tells = Effect.gen(function*() {
  const request = yield* HttpServerRequest
  return HttpServerResponse.text(`${request.method} ${yield* request.text};`)
})

type Run = (server: Server) => Effect.Effect<unknown, unknown, Scope.Scope>

const attached: Run = (server) =>
  Effect.flatMap(
    WebsocketServer.attach(server),
    ({ run }) => Effect.forkScoped(run((ws) => ws.runForEach((message) => ws.send(message))))
  )

const echo = ({ stream }: WebsocketUpgrade.Connection) =>
  Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll))

const running: Run = (server) => Effect.forkScoped(WebsocketUpgrade.run(server, echo), { startImmediately: true })

const upgrading: Run = (server) =>
  Effect.forkScoped(
    WebsocketUpgrade.runUpgrades(server, (upgrade) => Effect.flatMap(WebsocketUpgrade.accept(upgrade), echo)),
    { startImmediately: true }
  )

/** A server that some run on. */
const shared = Effect.fnUntraced(function*(server: Server, ...runs: ReadonlyArray<Run>) {
  const port = yield* listen(server)
  yield* Effect.forEach(runs, (run) => run(server))
  return port
})

const routes = Layer.mergeAll(
  HttpRouter.add("*", "/page", tells),
  websocket("/", (ws) => ws.runForEach((message) => ws.send(message)))
)

const servers: ReadonlyArray<readonly [name: string, serve: Effect.Effect<number, unknown, Scope.Scope>]> = [
  ["WebsocketServer.attach", Effect.suspend(() => shared(createServer(application), attached))],
  ["WebsocketUpgrade.run", Effect.suspend(() => shared(createServer(application), running))],
  ["WebsocketUpgrade.runUpgrades", Effect.suspend(() => shared(createServer(application), upgrading))],
  ["two of them", Effect.suspend(() => shared(createServer(application), running, attached))],
  ["WebsocketHttpServer", Effect.map(Effect.suspend(() => serving(routes)), ({ port }) => port)]
]

/** As Java's HttpClient and curl ask in passing. */
const h2c = "Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n"
/** As Apache's HttpClient does. */
const tls = "Host: a\r\nConnection: Upgrade\r\nUpgrade: TLS/1.2, HTTP/1.1\r\n"

const asked = [
  ["a GET", `GET /page HTTP/1.1\r\n${h2c}\r\n`, "GET ;"],
  ["a GET for TLS", `GET /page HTTP/1.1\r\n${tls}\r\n`, "GET ;"],
  ["a POST", `POST /page HTTP/1.1\r\n${h2c}Content-Length: 5\r\n\r\nhello`, "POST hello;"],
  [
    "a POST in chunks",
    `POST /page HTTP/1.1\r\n${h2c}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    "POST hello;"
  ]
] as const

const last = "GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"

/** What comes back of what is sent, to this end, or to that of the connection. */
const ask = (socket: Socket, bytes: string, end: string) =>
  Effect.callback<string>((resume) => {
    let got = ""
    if (socket.closed) return resume(Effect.succeed(got))
    const done = () => {
      socket.off("data", onData).off("close", done)
      resume(Effect.succeed(got))
    }
    const onData = (chunk: Buffer) => {
      got += chunk.toString()
      if (got.includes(end)) done()
    }
    socket.on("data", onData).once("close", done).write(bytes)
  })

describe("A request that asks for another protocol in passing", () => {
  for (const [name, serve] of servers) {
    for (const [what, bytes, answer] of asked) {
      newer(`is answered by the application of ${name}, as is one before it: ${what}`, () =>
        Effect.gen(function*() {
          const port = yield* serve
          const closing = bytes.replace("Connection: ", "Connection: close, ")
          const { rest, status } = yield* exchange(port, `GET /page HTTP/1.1\r\nHost: a\r\n\r\n${closing}`)
          assert.strictEqual(status, 200)
          const answered = rest.toString()
          assert.include(answered, "GET ;HTTP/1.1 200 OK")
          assert.include(answered.slice("GET ;".length), answer)
        }))
    }

    newer(`leaves the connection to the next request, at ${name}`, () =>
      Effect.gen(function*() {
        const port = yield* serve
        const socket = yield* dial(port)
        const [first, second] = [yield* ask(socket, asked[2][1], "hello;"), yield* ask(socket, last, "GET ;")]
        assert.match(first, /^HTTP\/1.1 200 OK\r\n/)
        assert.match(second, /^HTTP\/1.1 200 OK\r\n/)
      }))

    newer(`gets a 100 where it expects one, at ${name}`, () =>
      Effect.gen(function*() {
        const socket = yield* dial(yield* serve)
        const head = `POST /page HTTP/1.1\r\n${h2c}Expect: 100-continue\r\nContent-Length: 5\r\n\r\n`
        assert.match(yield* ask(socket, head, "\r\n\r\n"), /^HTTP\/1.1 100 Continue\r\n/)
        assert.match(yield* ask(socket, "hello", "POST hello;"), /^HTTP\/1.1 200 OK\r\n/)
      }))

    it.live(`is no WebSocket, of which ${name} opens those that are asked for`, () =>
      Effect.gen(function*() {
        const port = yield* serve
        yield* expectEcho(yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`))
        // What is meant for us we refuse in our words.
        const broken = request({ headers: { "Sec-WebSocket-Key": undefined } })
        assert.strictEqual((yield* exchange(port, broken)).status, 400)
        // Without what the second of two logs.
      }).pipe(Effect.provide(Logger.layer([]))))
  }
})

describe("What a server upgrades to is not ours alone to say", () => {
  const status = (port: number, upgrade: string) =>
    Effect.map(
      exchange(port, request({ headers: { Upgrade: upgrade, Connection: "Upgrade, close" } })),
      ({ status }) => status
    )

  /** Speaks a protocol of its own. */
  const raw = (server: Server) =>
    server.on("upgrade", ({ headers }, socket) => {
      if (headers.upgrade === "raw") socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: raw\r\n\r\n")
    })

  it.live("somebody else who listens for upgrades gets them", () =>
    Effect.gen(function*() {
      const parting: Run = (server) =>
        Effect.forkScoped(
          WebsocketUpgrade.runUpgrades(server, (upgrade) =>
            upgrade.request.headers.upgrade === "raw"
              ? Effect.void
              : Effect.flatMap(WebsocketUpgrade.accept(upgrade), echo)),
          { startImmediately: true }
        )
      const server = createServer(application)
      const port = yield* shared(server, parting)
      raw(server)
      assert.strictEqual(yield* status(port, "raw"), 101)
    }))

  it.live("somebody else who speaks HTTP/2 by an upgrade gets those who ask for it", () =>
    Effect.gen(function*() {
      const server = createServer(application)
      const port = yield* shared(server, (server) =>
        Effect.forkScoped(WebsocketUpgrade.runUpgrades(server, () => Effect.void), { startImmediately: true }))
      server.on("upgrade", (_, socket) =>
        socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"))
      assert.strictEqual(yield* status(port, "h2c"), 101)
    }))

  it.live("as does a handler of upgrades, of a server that has no application", () =>
    Effect.gen(function*() {
      const port = yield* shared(createServer(), (server) =>
        Effect.forkScoped(
          WebsocketUpgrade.runUpgrades(
            server,
            ({ socket }) => Effect.sync(() => socket.end("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"))
          ),
          { startImmediately: true }
        ))
      assert.strictEqual(yield* status(port, "h2c"), 101)
    }))

  for (const [name, run] of [["attach", attached], ["run", running]] as const) {
    it.live(`a server without an application says what it speaks, by ${name}`, () =>
      Effect.gen(function*() {
        const server = createServer()
        const port = yield* shared(server, run)
        assert.strictEqual(yield* status(port, "h2c"), 426)
        // Whoever comes to answer requests later gets this one, too.
        server.on("request", application)
        if (decides(server) !== undefined) assert.strictEqual(yield* status(port, "h2c"), 200)
      }))

    newer(
      `an application that has said what to upgrade is asked for all else, by ${name}`,
      () =>
        Effect.gen(function*() {
          const options: ServerOptions & { readonly shouldUpgradeCallback: (request: IncomingMessage) => boolean } = {
            shouldUpgradeCallback: ({ url }) => url !== "/page"
          }
          const port = yield* shared(createServer(options, application), run)
          assert.strictEqual(yield* status(port, "h2c"), 200)
          const asked = (line: string) =>
            Effect.flatMap(dial(port), (socket) => ask(socket, request({ line }), "\r\n\r\n"))
          assert.match(yield* asked("GET /page HTTP/1.1"), /^HTTP\/1.1 200 /)
          assert.match(yield* asked("GET / HTTP/1.1"), /^HTTP\/1.1 101 /)
        })
    )

    newer(`an application that says it later is asked from then on, by ${name}`, () =>
      Effect.gen(function*() {
        const server = createServer(application)
        const scope = yield* Scope.make()
        const port = yield* Scope.provide(shared(server, run), scope)
        const always = () => true
        Object.assign(server, { shouldUpgradeCallback: always })
        assert.strictEqual(yield* status(port, "h2c"), 426)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(decides(server), always)
      }))
  }

  newer("an application is answered for, too, while connections are asked to leave", () =>
    Effect.gen(function*() {
      const server = createServer(application)
      const port = yield* listen(server)
      const [scope, gate] = [yield* Scope.make(), yield* Deferred.make<void>()]
      const { run } = yield* Scope.provide(WebsocketServer.attach(server), scope)
      // Its fiber is not the scope's, to end before.
      yield* Effect.forkScoped(run(() => Deferred.await(gate)), { startImmediately: true })
      const stream = yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/`)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      assert.strictEqual((yield* stream.read).opcode, Opcode.Close)
      assert.strictEqual(yield* status(port, "h2c"), 200)
      // Or the server would wait for its answer until the deadline.
      yield* stream.write(Opcode.Close, "")
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(closing)
    }))

  newer("the server is as it was when the last has ended, in whatever order", () =>
    Effect.gen(function*() {
      for (const first of [0, 1] as const) {
        const server = createServer(application)
        const port = yield* listen(server)
        const before = decides(server)
        const scopes = [yield* Scope.make(), yield* Scope.make()] as const
        yield* Scope.provide(attached(server), scopes[0])
        yield* Scope.provide(running(server), scopes[1])
        yield* Scope.close(scopes[first], Exit.void)
        assert.strictEqual(yield* status(port, "h2c"), 200)
        yield* Scope.close(scopes[1 - first]!, Exit.void)
        assert.strictEqual(decides(server), before)
        assert.strictEqual(yield* status(port, "h2c"), 200)
        // And whoever comes then finds it so.
        yield* running(server)
        assert.strictEqual(yield* status(port, "h2c"), 200)
      }
    }))
})
