import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import type { ResponseReason } from "@websocket-stream/core/HandshakeError"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import type { OpenError } from "@websocket-stream/node/WebsocketError"
import { WebsocketStream } from "@websocket-stream/node/WebsocketStream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { createServer, type Socket } from "node:net"
import { asText, encode, text } from "./support/frames.ts"
import { listen } from "./support/http.ts"
import { gone, proper, type Request, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"
import { turn } from "./support/server.ts"
import { Steps } from "./support/stepping.ts"
import { assertClosed, reasonOf } from "./support/streams.ts"

const open = (socket: Socket, request: Request) => socket.write(proper(request))

const assertHandshake = (reason: OpenError["reason"], expected: ResponseReason) => {
  if (reason._tag !== "Handshake") return assert.fail(`${reason._tag}: ${reason.message}`)
  assert.deepStrictEqual(reason.error.reason, expected)
}

describe("WebsocketClient.connectStream", () => {
  it.live("sends the request of RFC 6455 4.1, with a key of its own for each connection", () =>
    Effect.gen(function*() {
      const requests = yield* Queue.unbounded<Request>()
      const { port } = yield* serve((socket, request) => {
        Queue.offerUnsafe(requests, request)
        socket.write(proper(request, { "Sec-WebSocket-Protocol": "superchat" }))
      })
      const options: WebsocketClient.Options = {
        subprotocols: ["chat", "superchat"],
        headers: [["Origin", "http://example.com"], ["Cookie", "a=1"]],
        // As `connect` may have them: frames are not compressed.
        deflate: true
      }
      yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/room?id=1`, options)
      yield* WebsocketClient.connectStream(`ws://127.0.0.1:${port}/room?id=1`, options)
      const [first, second] = [yield* Queue.take(requests), yield* Queue.take(requests)]
      const key = first.headers.get("sec-websocket-key") ?? ""
      assert.strictEqual(first.line, "GET /room?id=1 HTTP/1.1")
      assert.deepStrictEqual([...first.headers], [
        ["host", `127.0.0.1:${port}`],
        ["upgrade", "websocket"],
        ["connection", "Upgrade"],
        ["sec-websocket-key", key],
        ["sec-websocket-version", "13"],
        ["sec-websocket-protocol", "chat, superchat"],
        ["origin", "http://example.com"],
        ["cookie", "a=1"]
      ])
      assert.strictEqual(Buffer.from(key, "base64").length, 16)
      assert.notStrictEqual(second.headers.get("sec-websocket-key"), key)
    }))

  it.live("takes a server's words in any case and beside others", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket, request) => {
        socket.write(proper(request, { Upgrade: "WebSocket", Connection: "keep-alive, upgrade" }))
      })
      yield* WebsocketClient.connectStream(url)
    }))

  it.live("loses no byte that came with the 101, and sends masked frames", () =>
    Effect.gen(function*() {
      const received = yield* Deferred.make<Buffer>()
      const { url } = yield* serve((socket, request) => {
        const early = encode("client", text("early"), Frame.make(Opcode.Binary, new Uint8Array(70_000)))
        socket.write(Buffer.concat([Buffer.from(proper(request)), early.subarray(0, 9)]))
        // What is behind the request is a frame.
        socket.removeAllListeners("data").once("data", (chunk) => {
          Deferred.doneUnsafe(received, Effect.succeed(chunk))
          socket.write(early.subarray(9))
        })
      })
      const stream = yield* WebsocketClient.connectStream(url)
      assert.strictEqual(asText(yield* stream.read), "early")
      yield* stream.write(Opcode.Text, "Hello")
      assert.strictEqual((yield* stream.read).payload.length, 70_000)
      const [first, second] = yield* Deferred.await(received)
      assert.deepStrictEqual([first, second], [0x81, 0x85])
    }))

  it.live("closes the connection with the scope", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve(open)
      const stream = yield* Effect.scoped(WebsocketClient.connectStream(url))
      yield* gone(yield* Queue.take(sockets))
      assertClosed(yield* reasonOf(stream.read), "Us")
    }))

  for (
    const [expected, urls] of [
      ["an absolute URL of scheme ws: or wss:", [
        "",
        "/chat",
        "127.0.0.1:80",
        "http://127.0.0.1/",
        "http://127.0.0.1:66000/",
        "ftp://127.0.0.1/"
      ]],
      ["one whose host is a name or an address", [
        "ws://",
        "ws://:80/path",
        "ws://a b/",
        "ws://a b:66000/",
        "ws://[::1:80/",
        "ws://256.0.0.1/"
      ]],
      ["one whose port is a number from 0 to 65535", [
        "ws://127.0.0.1:66000/",
        "wss://127.0.0.1:99999",
        "WS://[::1]:66000?a:b",
        "ws:127.0.0.1:66000/",
        " ws://host:80a/",
        "ws://host:-1/",
        "ws://host:80:80/"
      ]]
    ] as const
  ) {
    for (const url of urls) {
      it.live(`the URL ${JSON.stringify(url)} is refused by name: it must be ${expected}`, () =>
        Effect.gen(function*() {
          const reason = yield* refusal(url)
          if (reason._tag !== "InvalidOption") return assert.fail(reason.message)
          assert.deepInclude(reason.error, { option: "url", value: url })
          assert.include(reason.message, expected)
        }))
    }
  }

  it.live("what is before a wrong port, or a missing host, is not shown, and is not taken for them", () =>
    Effect.gen(function*() {
      const port = yield* refusal("ws://user:secret@127.0.0.1:66000/")
      assert.strictEqual(
        port.message,
        "url is ***@127.0.0.1:66000/, it must be one whose port is a number from 0 to 65535"
      )
      const host = yield* refusal("ws://user:secret@/")
      assert.strictEqual(host.message, "url is ***@/, it must be one whose host is a name or an address")
    }))

  it.live("a fragment in the URL is refused", () =>
    Effect.gen(function*() {
      const reason = yield* refusal(new URL("ws://127.0.0.1/#top"))
      assert.include(reason.message, "url is ws://127.0.0.1/#top, it must be free of a fragment")
    }))

  it.live("a port where nobody listens is told with the errno", () =>
    Effect.gen(function*() {
      const port = yield* Effect.scoped(listen(createServer()))
      const reason = yield* refusal(`ws://127.0.0.1:${port}/`)
      assert.deepInclude(reason, { _tag: "Io", code: "ECONNREFUSED", syscall: "connect" })
    }))

  const distrusted: ReadonlyArray<
    readonly [what: string, changes: { readonly [name: string]: string | undefined }, reason: ResponseReason]
  > = [
    ["without Upgrade and Connection", { Upgrade: undefined, Connection: undefined }, { _tag: "NotUpgraded" }],
    ["without Upgrade", { Upgrade: undefined }, { _tag: "NotUpgraded" }],
    ["that upgrades to something else", { Upgrade: "h2c" }, { _tag: "NotUpgraded" }],
    ["that upgrades to WebSocket over something else", { Upgrade: "TLS/1.2, websocket" }, { _tag: "NotUpgraded" }],
    ["without Sec-WebSocket-Accept", { "Sec-WebSocket-Accept": undefined }, {
      _tag: "InvalidAccept",
      accept: undefined
    }],
    ["with the accept value of another key", { "Sec-WebSocket-Accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" }, {
      _tag: "InvalidAccept",
      accept: "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    }],
    ["with a subprotocol that we did not offer", { "Sec-WebSocket-Protocol": "other" }, {
      _tag: "SubprotocolNotOffered",
      subprotocol: "other"
    }],
    ["with an extension that we did not offer", { "Sec-WebSocket-Extensions": "permessage-deflate" }, {
      _tag: "ExtensionsNotOffered",
      extensions: "permessage-deflate"
    }]
  ]
  for (const [what, changes, reason] of distrusted) {
    it.live(`a 101 ${what} is refused, and the socket closed`, () =>
      Effect.gen(function*() {
        const { sockets, url } = yield* serve((socket, request) => socket.write(proper(request, changes)))
        assertHandshake(yield* refusal(url, { subprotocols: ["chat"] }), reason)
        yield* gone(yield* Queue.take(sockets))
      }))
  }

  for (
    const [how, answer, code] of [
      ["before a byte of its answer", "", "ECONNRESET"],
      ["in the middle of its answer", "HTTP/1.1 101 Switching Pro", "ECONNRESET"],
      ["behind something that is no HTTP", "SSH-2.0-OpenSSH\r\n", "HPE_INVALID_CONSTANT"]
    ] as const
  ) {
    it.live(`a server that hangs up ${how} is told as what it is`, () =>
      Effect.gen(function*() {
        const { url } = yield* serve((socket) => socket.end(answer))
        assert.deepInclude(yield* refusal(url), { _tag: "Io", code })
      }))
  }

  it.live("a server that resets the connection in the middle is told as what it is", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket) => socket.resetAndDestroy())
      assert.deepInclude(yield* refusal(url), { _tag: "Io", code: "ECONNRESET" })
    }))

  it.live("interrupted while the server does not answer, it leaves no socket behind", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const { sockets, url } = yield* serve(() => Deferred.doneUnsafe(asked, Effect.void))
      const fiber = yield* Effect.forkChild(Effect.scoped(WebsocketClient.connectStream(url)))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      yield* gone(yield* Queue.take(sockets))
    }))

  it.live("interrupted between any two of its operations, it leaves no socket behind", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve(open)
      let hasEnded = false
      for (let count = 0; !hasEnded; count++) {
        const steps = new Steps()
        const fiber = yield* steps.fork(3, Effect.scoped(WebsocketClient.connectStream(url)))
        // A fiber that has no step to make waits for the server.
        for (let i = 0; i < count; i++) while (fiber.pollUnsafe() === undefined && !steps.step()) yield* turn
        hasEnded = fiber.pollUnsafe() !== undefined
        fiber.interruptUnsafe()
        while (fiber.pollUnsafe() === undefined) if (!steps.step()) yield* turn
      }
      yield* Effect.forEach(yield* Queue.clear(sockets), gone)
    }))
})

describe("WebsocketClient.layerStream", () => {
  it.live("is the service over a connection that ends with the layer", () =>
    Effect.gen(function*() {
      const { sockets, url } = yield* serve((socket, request) => {
        socket.write(Buffer.concat([Buffer.from(proper(request)), encode("client", text("Hello"))]))
      })
      const program = Effect.gen(function*() {
        const stream = yield* WebsocketStream
        return [stream.role, asText(yield* stream.read)]
      })
      assert.deepStrictEqual(yield* Effect.provide(program, WebsocketClient.layerStream(url)), ["client", "Hello"])
      yield* gone(yield* Queue.take(sockets))
    }))

  it.live("fails as connectStream does", () =>
    Effect.gen(function*() {
      const layer = WebsocketClient.layerStream("http://127.0.0.1/")
      assert.strictEqual((yield* reasonOf(Effect.provide(WebsocketStream, layer)))._tag, "InvalidOption")
    }))
})
