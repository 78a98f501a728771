import { assert, describe, it } from "@effect/vitest"
import type * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"

import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import type { Socket } from "node:net"
import { closeFrame, decode, encode, text } from "./support/frames.ts"
import { dial, exchange, parse, request } from "./support/http.ts"
import { admitting, knock, listening, manyTurns, serving, socketsOf, turn, until } from "./support/server.ts"
import { event, takeAll } from "./support/streams.ts"

const plain = request({ headers: { Upgrade: undefined, Connection: "close" } })

/** What was sent before has been read by the time that this is answered. */
const arrival = (port: number) => exchange(port, plain)

/** Tells a client all that it is known of it, and sends back what it sends. */
const tell = Effect.fnUntraced(function*(ws: Websocket.Websocket["Service"]) {
  const { headers, path, query, remoteAddress, subprotocols, url } = yield* WebsocketRequest.WebsocketRequest
  yield* ws.send(JSON.stringify({ headers, path, query: [...query], remoteAddress, subprotocols, url }))
  yield* ws.runForEach((message) => ws.send(message))
})

const admit = Effect.gen(function*() {
  const { path } = yield* WebsocketRequest.WebsocketRequest
  if (path === "/slow") yield* manyTurns
  if (path === "/refused") return yield* new WebsocketRequest.Refusal({ status: 401, body: "who are you?\n" })
  if (path === "/late") {
    yield* manyTurns
    return yield* new WebsocketRequest.Refusal({ status: 404 })
  }
  if (path === "/broken") return yield* new WebsocketRequest.Refusal({ status: 600 })
})

const servers = Effect.gen(function*() {
  const options = { closeDeadline: "200 millis", subprotocols: ["chat"], deflate: true } as const
  const ours = yield* admitting({ handler: tell, admit }, options)
  const nodes = yield* admitting({ handler: tell, admit }, { ...options, direct: false })
  return [ours.port, nodes.port] as const
})

/** Sends pieces one after the other, as long as it is not cut, and answers all that comes back. */
const send = (port: number, pieces: ReadonlyArray<Uint8Array>, wait = manyTurns) =>
  Effect.scoped(Effect.gen(function*() {
    const socket = yield* dial(port)
    const chunks: Array<Buffer> = []
    socket.on("data", (chunk) => chunks.push(chunk))
    const closed = yield* Effect.forkChild(event(socket, "close"), { startImmediately: true })
    for (const piece of pieces) {
      if (!socket.writable) break
      socket.write(piece)
      yield* wait
    }
    socket.end()
    yield* Fiber.join(closed)
    return Buffer.concat(chunks).toString("latin1").replace(/\r\nDate: .*/g, "")
  }))

// What was answered to a byte has been read before the next: an answer and a cut that cross it would be lost.
const fewTurns = Effect.asVoid(Effect.replicateEffect(turn, 4))

const alike = Effect.fnUntraced(
  function*(ports: readonly [number, number], pieces: ReadonlyArray<Uint8Array>, wait?: typeof manyTurns) {
    const [ours, nodes] = yield* Effect.all(
      [send(ports[0], pieces, wait), send(ports[1], pieces, wait)],
      { concurrency: 2 }
    )
    assert.strictEqual(ours, nodes)
    return ours
  }
)

const frames = Buffer.from(encode("server", text("Hello"), closeFrame(1000)))
const whole = request()
const withHeaders = (...lines: ReadonlyArray<string>) => whole.replace(/\r\n\r\n$/, `\r\n${lines.join("\r\n")}\r\n\r\n`)
const many = (count: number) => Array.from({ length: count }, (_, i) => `X-${i}: ${i}`)

const catalogue: { readonly [what: string]: string } = {
  "an upgrade": whole,
  "one that is admitted later": request({ line: "GET /slow HTTP/1.1" }),
  "one that is refused": request({ line: "GET /refused HTTP/1.1" }),
  "one that is refused later": request({ line: "GET /late HTTP/1.1" }),
  "one whose admission breaks": request({ line: "GET /broken HTTP/1.1" }),
  "one of another origin": withHeaders("Origin: https://elsewhere.test"),
  "a query": request({ line: "GET /rooms/7?a=1&b=%20?c HTTP/1.1" }),
  "an absolute form": request({ line: "GET http://server.example.com/rooms/7?a=1 HTTP/1.1" }),
  "an asterisk": request({ line: "GET * HTTP/1.1" }),
  "a fragment and letters beyond ASCII": request({ line: "GET /\u00e4#b HTTP/1.1" }),
  "subprotocols and extensions": withHeaders(
    "Sec-WebSocket-Protocol: x, chat",
    "Sec-WebSocket-Extensions: permessage-deflate"
  ),
  "headers in lower case": whole.replace(/^[A-Z][\w-]*:/gm, (name) => name.toLowerCase()),
  "headers in upper case": whole.replace(/^[A-Z][\w-]*:/gm, (name) => name.toUpperCase()),
  "headers on several lines": withHeaders(
    "X: 1",
    "x: 2",
    "Cookie: a=1",
    "cookie: b=2",
    "User-Agent: u",
    "User-Agent: v",
    "Set-Cookie: a",
    "Set-Cookie: b",
    "Authorization: a",
    "Authorization: b",
    "__proto__: x",
    "constructor: y"
  ),
  "two hosts": withHeaders("Host: other"),
  "a host that is none": request({ headers: { Host: "a b" } }),
  "headers with spaces about them, with none, and with bytes beyond ASCII": withHeaders(
    "X:  a b \t",
    "Y:",
    "Z: \xe4\xff"
  ),
  "the key on two lines": withHeaders("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
  "a header that is folded": withHeaders("X: a", " b"),
  "a header without a colon": withHeaders("X"),
  "a header with a space before its colon": withHeaders("X : a"),
  "a header with a control character": withHeaders("X: a\x01b"),
  "32 headers": withHeaders(...many(27)),
  "33 headers": withHeaders(...many(28)),
  "1,500 headers": withHeaders(...many(1500)),
  "no headers": "GET / HTTP/1.1\r\n\r\n",
  "no host": request({ headers: { Host: undefined } }),
  "a head as large as may be": withHeaders(`X: ${"x".repeat(16_000)}`),
  "a head that is too large": withHeaders(`X: ${"x".repeat(17_000)}`),
  "a head that is larger than what is read at a time": withHeaders(`X: ${"x".repeat(70_000)}`),
  "a target that is too long": request({ line: `GET /${"x".repeat(17_000)} HTTP/1.1` }),
  "an expectation": withHeaders("Expect: 100-continue"),
  "a length": withHeaders("Content-Length: 5"),
  "a length of none": withHeaders("Content-Length: 0"),
  "a wrong length": withHeaders("Content-Length: x"),
  "chunks": withHeaders("Transfer-Encoding: chunked"),
  "chunks and a length": withHeaders("Transfer-Encoding: chunked", "Content-Length: 5"),
  "HTTP/1.0": request({ line: "GET / HTTP/1.0" }),
  "HTTP/0.9": "GET /\r\n\r\n",
  "HTTP/1.2": request({ line: "GET / HTTP/1.2" }),
  "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
  "another method": request({ line: "POST / HTTP/1.1" }),
  "CONNECT": request({ line: "CONNECT server.example.com:80 HTTP/1.1" }),
  "a method in lower case": request({ line: "get / HTTP/1.1" }),
  "a method that nobody knows": request({ line: "GETS / HTTP/1.1" }),
  "no upgrade": request({ headers: { Upgrade: undefined } }),
  "an upgrade that its connection does not know": request({ headers: { Connection: "keep-alive" } }),
  "an upgrade to something else": request({ headers: { Upgrade: "h2c" } }),
  "another version": request({ headers: { "Sec-WebSocket-Version": "8" } }),
  "a request before it": `${request({ headers: { Upgrade: undefined, Connection: undefined } })}${whole}`,
  "a request before it that ends the connection": `${plain}${whole}`,
  "empty lines before it": `\r\n\r\n${whole}`,
  "lines that end in LF": whole.replaceAll("\r\n", "\n"),
  "half a request": whole.slice(0, -2),
  "garbage": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
  "nothing but frames": ""
}

describe("R15: a server answers as node:http would", () => {
  for (const [what, head] of Object.entries(catalogue)) {
    it.live(`${what}, with frames behind it and without, and byte by byte`, () =>
      Effect.gen(function*() {
        const ports = yield* servers
        const bytes = Buffer.from(head, "latin1")
        yield* alike(ports, [Buffer.concat([bytes, frames])])
        yield* alike(ports, [bytes])
        yield* alike(ports, [bytes, frames])
        if (bytes.length < 1000) yield* alike(ports, Array.from(bytes, (byte) => Buffer.from([byte])), fewTurns)
      }))
  }

  it.live("by a 100 before the 101, where one is expected", () =>
    Effect.gen(function*() {
      for (const port of yield* servers) {
        const answer = yield* send(port, [Buffer.concat([Buffer.from(catalogue["an expectation"]!), frames])])
        assert.isTrue(answer.startsWith("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 101 Switching Protocols\r\n"))
      }
    }))

  it.live("wherever what is sent is cut", () =>
    Effect.gen(function*() {
      const ports = yield* servers
      for (const head of [whole, request({ line: "GET /slow HTTP/1.1" }), request({ line: "GET /late HTTP/1.1" })]) {
        const bytes = Buffer.concat([Buffer.from(head), frames])
        const cuts = Array.from(bytes, (_, cut) => alike(ports, [bytes.subarray(0, cut), bytes.subarray(cut)]))
        const answers = yield* Effect.all(cuts, { concurrency: 20 })
        assert.strictEqual(new Set(answers).size, 1)
      }
    }), 60_000)

  it.live("an upgrade that comes whole is opened, and has no socket of Node's; another has", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive)
      const sockets = yield* socketsOf(port)
      assert.strictEqual((yield* knock(port)).status, 101)
      assert.strictEqual(sockets.length, 0)
      const socket = yield* dial(port)
      socket.write("GET")
      yield* until(() => sockets.length > 0)
    }))

  it.live("frames behind a request that is left to Node are its client's own, whatever others send before they are read", () =>
    Effect.gen(function*() {
      const { port, server } = yield* listening()
      const early = yield* dial(port)
      early.write(Buffer.concat([Buffer.from(withHeaders(...many(40))), frames]))
      yield* exchange(port, withHeaders(...many(400)).replace("Connection: Upgrade", "Connection: close"))
      yield* Effect.forkScoped(server.run(tell))
      const { rest } = parse(Buffer.from(yield* takeAll(early)))
      const [, echo] = decode("server", rest)
      assert.strictEqual(Buffer.from(echo!.payload).toString(), "Hello")
    }))

  it.live("and leaves connections to Node where it is not to be direct", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive, { direct: false })
      const sockets = yield* socketsOf(port)
      assert.strictEqual((yield* knock(port)).status, 101)
      assert.strictEqual(sockets.length, 1)
    }))
})

describe("R26: a client that has sent nothing", () => {
  it.effect("is answered with 408 at the deadline, and not before", () =>
    Effect.gen(function*() {
      const { port } = yield* listening({ handshakeDeadline: "10 seconds" })
      const early = yield* dial(port)
      const answer = takeAll(early)
      yield* arrival(port)
      yield* TestClock.adjust("6 seconds")
      const late = yield* dial(port)
      const lateAnswer = takeAll(late)
      yield* arrival(port)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(Buffer.from(yield* answer).toString(), requestTimeout)
      assert.strictEqual(late.bytesRead, 0)
      yield* TestClock.adjust("8 seconds")
      assert.strictEqual(Buffer.from(yield* lateAnswer).toString(), requestTimeout)
    }))

  it.effect("is not forgotten, however many come behind it that have", () =>
    Effect.gen(function*() {
      const { port } = yield* serving(() => Effect.void, { handshakeDeadline: "10 seconds" })
      const answer = takeAll(yield* dial(port))
      yield* arrival(port)
      yield* Effect.forEach(Array.from({ length: 100 }), () => knock(port), { concurrency: 16, discard: true })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(Buffer.from(yield* answer).toString(), requestTimeout)
    }))

  it.effect("is forgotten when it leaves: at the deadline others are answered, and the server can close", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { port } = yield* Effect.provideService(listening({ handshakeDeadline: "10 seconds" }), Scope.Scope, scope)
      const leaving = yield* dial(port)
      const answer = takeAll(yield* dial(port))
      leaving.resume().end()
      yield* event(leaving, "close")
      yield* arrival(port)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(Buffer.from(yield* answer).toString(), requestTimeout)
      yield* Scope.close(scope, Exit.void)
    }))

  it.live("is cut when the server closes, and nobody waits for it", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { port } = yield* Effect.provideService(listening(), Scope.Scope, scope)
      const socket = yield* dial(port)
      yield* arrival(port)
      yield* Effect.all([event(socket.resume(), "close"), Scope.close(scope, Exit.void)], { concurrency: 2 })
    }))

  it.live("may leave, or reset, and the server knows: it could not close otherwise", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive)
      for (const sent of ["", "GET / HTTP/1.1\r\n", request()]) {
        for (const leave of [(socket: Socket) => socket.end(), (socket: Socket) => socket.resetAndDestroy()]) {
          const socket = yield* dial(port)
          socket.resume().write(sent)
          if (sent !== "") yield* manyTurns
          leave(socket)
          yield* event(socket, "close")
        }
      }
      assert.strictEqual((yield* knock(port)).status, 101)
    }))

  it.live("while the server drains it is turned away when it has sent its request", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.make()
      const { port } = yield* Effect.provideService(serving((ws) => ws.receive), Scope.Scope, scope)
      yield* knock(port)
      const socket = yield* dial(port)
      yield* arrival(port)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void), { startImmediately: true })
      socket.write(request())
      assert.strictEqual(parse(Buffer.from(yield* takeAll(socket))).status, 503)
      closing.interruptUnsafe()
    }))
})

const requestTimeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"
