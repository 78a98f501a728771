/** What hostile clients do to a server before they have a connection, each requirement by its number. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient, WebsocketRequest, WebsocketServer } from "@websocket-stream/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { once } from "node:events"
import type { Server } from "node:http"
import * as net from "node:net"
import { fileURLToPath } from "node:url"
import { WebSocket } from "ws"
import * as http from "../packages/node/test/support/http.ts"
import { admitting, echo, knock, listening, serving, until } from "../packages/node/test/support/server.ts"
import { takeAll } from "../packages/node/test/support/streams.ts"
import { start } from "./support/childProcess.ts"
import { timeout } from "./support/examples.ts"
import * as Raw from "./support/rawFrames.ts"

/** Shows that a server lives: somebody else is served. */
const expectService = Effect.fnUntraced(function*(port: number) {
  const ws = yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/`)
  yield* ws.send("still here")
  const message = yield* ws.receive
  assert.strictEqual(message._tag === "Text" && message.text, "still here")
  yield* ws.close()
})

/** A request of these header lines besides its own. */
const requestWith = (before: string, behind: string): string => {
  const [first = "", ...own] = http.request().split("\r\n")
  const [headers, end] = [own.slice(0, -2), "\r\n"]
  return `${first}\r\n${before}${headers.map((line) => `${line}\r\n`).join("")}${behind}${end}`
}

describe("R14: headers that a parser makes something else of", () => {
  const status = Effect.fnUntraced(function*(port: number, request: string) {
    const socket = yield* http.dial(port)
    socket.write(request)
    const [bytes] = yield* Effect.promise(() => once(socket, "data"))
    yield* expectService(port)
    return http.parse(Buffer.concat([bytes, Buffer.from("\r\n\r\n")])).status
  })

  // Of more than it wants Node drops some, or refuses the request: that depends on its version.
  for (
    const [name, request, expected] of [
      ["2,500 headers behind those of the handshake", requestWith("", "a:b\r\n".repeat(2500)), [101, 431]],
      ["2,500 headers in front of them", requestWith("a:b\r\n".repeat(2500), ""), [400, 431]],
      [
        "2,500 headers behind Host and in front of the others",
        requestWith(`Host: a\r\n${"a:b\r\n".repeat(2500)}`, ""),
        [426, 431]
      ],
      ["no headers at all", "GET / HTTP/1.1\r\n\r\n", [400]],
      ["no Host", http.request({ headers: { Host: undefined } }), [400]],
      ["two headers Host", requestWith("Host: elsewhere.test\r\n", ""), [400]],
      ["two headers Host that say the same", requestWith("hOST: server.example.com\r\n", ""), [400]],
      ["two headers Host of many others", requestWith(`Host: a\r\n${"a:b\r\n".repeat(40)}`, ""), [400]],
      ["a Host that is none", http.request({ headers: { Host: "a@b" } }), [400]],
      ["two headers Upgrade that say the same", requestWith("Upgrade: websocket\r\n", ""), [101]],
      ["two headers Upgrade that do not", requestWith("Upgrade: h2c\r\n", ""), [101]],
      ["two headers Upgrade, neither of WebSocket", requestWith("Upgrade: h2c\r\n", "").replace("websocket", "tls"), [
        426
      ]],
      ["two keys", requestWith("", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"), [400]],
      ["two versions", requestWith("", "Sec-WebSocket-Version: 13\r\n"), [426]],
      ["a body", requestWith("Content-Length: 5\r\n", "") + "Hello", [400]],
      ["a body in chunks", requestWith("Transfer-Encoding: chunked\r\n", "") + "5\r\nHello\r\n0\r\n\r\n", [400]],
      ["a header __proto__", requestWith("__proto__: a\r\nconstructor: b\r\n", ""), [101]],
      ["a header that folds", requestWith("X-A: b\r\n c\r\n", ""), [400]],
      ["a NUL in a header", requestWith("X-A: \0\r\n", ""), [400]]
    ] as const
  ) {
    it.live(`${name}: ${expected.join(" or ")}, and the next is served`, () =>
      Effect.gen(function*() {
        const { port } = yield* serving(echo)
        assert.include(expected, yield* status(port, request))
      }))
  }
})

describe("R15: the head of a request", () => {
  it.live("is read byte by byte, and is not looked at anew for each", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo)
      const socket = yield* http.dial(port)
      socket.setNoDelay()
      const answer = once(socket, "data")
      for (const byte of Buffer.from(http.request())) {
        yield* Effect.promise(() => new Promise<void>((resolve) => socket.write(Uint8Array.of(byte), () => resolve())))
      }
      const [bytes] = yield* Effect.promise(() => answer)
      assert.include(bytes.toString(), "HTTP/1.1 101")
    }))

  it.live("is refused once it is too large, be it without an end", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo)
      const socket = yield* http.dial(port)
      socket.write("GET / HTTP/1.1\r\nX-A: ")
      const answer = once(socket, "data")
      for (let i = 0; i < 64; i++) socket.write("a".repeat(1024))
      const [bytes] = yield* Effect.promise(() => answer)
      assert.include(bytes.toString(), "HTTP/1.1 431")
      yield* expectService(port)
    }))
})

describe("R21: what admits is asked for every upgrade", () => {
  it.live("whatever its target looks like, and sees the path, also of one that names the whole URL", () =>
    Effect.gen(function*() {
      const asked: Array<string> = []
      const { port } = yield* admitting({
        handler: () => Effect.die("admitted"),
        admit: Effect.flatMap(WebsocketRequest.WebsocketRequest, ({ path }) => {
          asked.push(path)
          return new WebsocketRequest.Refusal({ status: 401 })
        })
      })
      const targets = ["/", "//", "/%2e%2e/", "/a;b", "http://elsewhere.test/admin", "/?", "/\\"]
      for (const target of targets) {
        const { status } = yield* http.exchange(port, http.request({ line: `GET ${target} HTTP/1.1` }))
        assert.strictEqual(status, 401, target)
      }
      // What names nothing that could be asked for is turned down before.
      for (const target of ["*", "ws://elsewhere.test/admin", "http:///admin", "/#admin"]) {
        const { status } = yield* http.exchange(port, http.request({ line: `GET ${target} HTTP/1.1` }))
        assert.strictEqual(status, 400, target)
      }
      assert.deepStrictEqual(asked, ["/", "//", "/%2e%2e/", "/a;b", "/admin", "/", "/\\"])
    }))
})

describe("R22: behind a 101 there is no HTTP any more", () => {
  it.live("a request that was sent with the upgrade is no frame, and gets no response", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo)
      const plain = http.request({ headers: { Upgrade: undefined, Connection: "close" } })
      const { rest, status } = yield* http.exchange(port, http.request() + plain)
      assert.strictEqual(status, 101)
      const [frame, ...more] = new Raw.Parser().push(rest)
      assert.deepStrictEqual([frame?.opcode, more.length], [Raw.close, 0])
      assert.strictEqual(Raw.readClose(frame!).code, 1002)
    }))

  it.live("a client that goes on speaking HTTP later gets none, either", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo)
      const { socket } = yield* knock(port)
      socket.write(http.request())
      const rest = Buffer.from(yield* takeAll(socket))
      assert.deepStrictEqual(new Raw.Parser().push(rest).map(({ opcode }) => opcode), [Raw.close])
      assert.notInclude(rest.toString("latin1"), "HTTP/1.1")
    }))
})

describe("R23: an error of a socket right at the upgrade", () => {
  /** Where an upgrade may be when its client resets the connection. */
  const places: ReadonlyArray<readonly [where: string, changes: http.Changes]> = [
    ["a handler", {}],
    ["an admission", { line: "GET /admission HTTP/1.1" }],
    ["a refusal", { line: "GET /refusal HTTP/1.1" }],
    ["a bad request", { headers: { "Sec-WebSocket-Version": "7" } }]
  ]
  for (const [where, changes] of places) {
    it.live(`by a reset straight behind the request ends nothing but ${where}`, () =>
      Effect.gen(function*() {
        const admitted = yield* Deferred.make<void>()
        const { port } = yield* admitting({
          handler: echo,
          admit: Effect.flatMap(WebsocketRequest.WebsocketRequest, ({ path }) =>
            path === "/refusal"
              ? new WebsocketRequest.Refusal({ status: 403, body: "a".repeat(100_000) })
              : path === "/admission"
              ? Deferred.await(admitted)
              : Effect.void)
        })
        for (let i = 0; i < 20; i++) {
          const socket = yield* http.dial(port)
          yield* Effect.promise(() =>
            new Promise<void>((resolve) => socket.write(http.request(changes), () => resolve()))
          )
          socket.resetAndDestroy()
        }
        yield* expectService(port)
        yield* Deferred.succeed(admitted, undefined)
        yield* expectService(port)
      }))
  }

  it.live("by a reset while no handler runs, or while there is no room", () =>
    Effect.gen(function*() {
      const { port, server } = yield* listening({ maxConnections: 5 })
      for (let i = 0; i < 20; i++) {
        const socket = yield* http.dial(port)
        yield* Effect.promise(() => new Promise<void>((resolve) => socket.write(http.request(), () => resolve())))
        socket.resetAndDestroy()
      }
      yield* Effect.forkScoped(server.run(echo), { startImmediately: true })
      while ((yield* knock(port)).status === 503);
    }))

  const destroying = Effect.fnUntraced(function*(server: Server, port: number) {
    let destroyed = 0
    const destroy = (_: unknown, socket: net.Socket) => {
      destroyed++
      socket.destroy(new Error("at the event"))
    }
    for (const prepend of [true, false]) {
      if (prepend) server.prependListener("upgrade", destroy)
      else server.on("upgrade", destroy)
      const socket = yield* http.dial(port)
      socket.write(http.request())
      yield* takeAll(socket)
      server.off("upgrade", destroy)
    }
    assert.strictEqual(destroyed, 2)
  })

  it.live("by its destruction at the very event, whoever has the socket then", () =>
    Effect.gen(function*() {
      const { port, server } = yield* http.serve
      const service = yield* WebsocketServer.attach(server)
      yield* destroying(server, port)
      const admission = yield* Deferred.make<void>()
      const run = (admit: Effect.Effect<void>) =>
        Effect.forkScoped(service.run(echo, { admit }), { startImmediately: true })
      const admitting = yield* run(Deferred.await(admission))
      yield* destroying(server, port)
      yield* Deferred.succeed(admission, undefined)
      yield* Fiber.interrupt(admitting)
      yield* run(Effect.void)
      yield* destroying(server, port)
      yield* expectService(port)
    }))
})

describe("R24: a page of elsewhere", () => {
  it.live("by a client that is not ours is refused with a 403, one of our host is not", () =>
    Effect.gen(function*() {
      const { port, url } = yield* serving(echo)
      const connect = (origin: string) =>
        Effect.promise(() =>
          new Promise<string>((resolve) => {
            const socket = new WebSocket(url, { origin })
            socket.on("open", () => {
              socket.close()
              resolve("open")
            })
            socket.on("error", ({ message }) => resolve(message))
          })
        )
      assert.strictEqual(yield* connect("https://elsewhere.test"), "Unexpected server response: 403")
      assert.strictEqual(yield* connect(`http://127.0.0.1:${port}`), "open")
    }))
})

describe("R26: a slow loris", () => {
  it.live("of three hundred connections that never get to the end of their request keeps nobody from being served", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(echo, { handshakeDeadline: "500 millis" })
      const sockets = yield* Effect.replicateEffect(http.dial(port), 300)
      let gone = 0
      for (const socket of sockets) {
        socket.on("close", () => gone++).resume()
        socket.write(http.request().slice(0, -2))
      }
      yield* expectService(port)
      yield* until(() => gone === 300)
      yield* expectService(port)
    }))
})

describe("R27: a flood of connections", () => {
  const program = fileURLToPath(new URL("support/echoServer.ts", import.meta.url))

  /** Opens a connection, and answers whether it did. */
  const attempt = (port: number) =>
    Effect.callback<net.Socket | undefined>((resume) => {
      const socket = net.connect(port, "127.0.0.1")
      socket.once("connect", () => socket.write(http.request()))
      socket.once("data", () => resume(Effect.succeed(socket)))
      socket.on("error", () => {}).once("close", () => resume(Effect.succeed(undefined)))
    })

  it.live(
    "beyond its descriptors does not end a server, which serves those who come later",
    () =>
      Effect.gen(function*() {
        const command = `ulimit -n 64 && exec "$0" "$@"`
        const child = yield* start("sh", ["-c", command, process.execPath, program])
        const port = Number(yield* child.line)
        const sockets = yield* Effect.all(Array.from({ length: 200 }, () => attempt(port)), {
          concurrency: "unbounded"
        })
        yield* Effect.addFinalizer(() => Effect.sync(() => sockets.forEach((socket) => socket?.destroy())))
        const open = sockets.filter((socket) => socket !== undefined)
        assert.isAbove(open.length, 10)
        assert.isBelow(open.length, 64)
        for (const socket of open) socket.resetAndDestroy()
        let later = yield* attempt(port)
        while (later === undefined) later = yield* attempt(port)
        later.destroy()
        yield* expectService(port)
      }),
    timeout
  )
})
