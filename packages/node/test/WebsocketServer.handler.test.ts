import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import { OpenError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import type * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { asText, encode, text } from "./support/frames.ts"
import { dial, exchange, request } from "./support/http.ts"
import { admitting, knock, listening, type Log, logging, serving, takeHead } from "./support/server.ts"
import { event, reasonOf, takeBytes } from "./support/streams.ts"

type Handler = WebsocketServer.Handler<void, unknown, WebsocketRequest.WebsocketRequest | Scope.Scope>

/** What is logged of a connection and its handler, once both have ended. */
const loggedOf = (
  handler: Handler,
  use: (server: { readonly port: number; readonly url: string }) => Effect.Effect<unknown, unknown, Scope.Scope>
): Effect.Effect<ReadonlyArray<Log>, unknown, Scope.Scope> =>
  logging((logs) =>
    Effect.gen(function*() {
      const { fiber, ...server } = yield* serving(handler)
      yield* Effect.scoped(use(server))
      yield* Fiber.interrupt(fiber)
      return logs
    })
  )

const said = (logs: ReadonlyArray<Log>) => logs.map(({ errors, level, message }) => [level, message, String(errors[0])])

const connectAndLeave = ({ url }: { readonly url: string }) =>
  Effect.flatMap(WebsocketClient.connect(url), (ws) => ws.close())

class Secret extends Data.TaggedError("Secret") {
  override readonly message = "secret"
}

describe("The end of a handler", () => {
  const ends: ReadonlyArray<readonly [how: string, handler: Handler, code: number, logs: ReadonlyArray<unknown>]> = [
    ["succeeds", () => Effect.succeed("secret"), 1000, []],
    ["fails", () => new Secret(), 1011, ["Error", "WebSocket handler failed", "Secret: secret"]],
    ["dies", () => Effect.die(new Error("secret")), 1011, ["Error", "WebSocket handler failed", "Error: secret"]],
    [
      "throws",
      () => {
        throw new Error("secret")
      },
      1011,
      ["Error", "WebSocket handler failed", "Error: secret"]
    ],
    [
      "fails with what is no end of its connection",
      (ws) => ws.ping(new Uint8Array(126)),
      1011,
      [
        "Error",
        "WebSocket handler failed",
        "WriteError: payload: a control frame holds at most 125 bytes, this one has 126 (RFC 6455 5.5)"
      ]
    ],
    [
      "refuses too late",
      () => new WebsocketRequest.Refusal({ status: 403 }),
      1011,
      ["Error", "WebSocket handler failed", "Refusal: the connection was refused with status 403"]
    ],
    ["interrupts itself", () => Effect.interrupt, 1001, []]
  ]
  for (const [how, handler, code, log] of ends) {
    it.live(`that ${how} tells the peer ${code} and nothing else`, () =>
      Effect.gen(function*() {
        const logs = yield* loggedOf(handler, ({ port }) =>
          Effect.gen(function*() {
            const { socket } = yield* knock(port)
            const bytes = yield* takeBytes(socket, 4)
            assert.deepStrictEqual([...bytes], [0x88, 2, code >> 8, code & 0xff])
            // Answered, it ends TCP and has said nothing more.
            socket.end(encode("server", Frame.make(Opcode.Close, bytes.subarray(2))))
            yield* event(socket.resume(), "close")
            assert.strictEqual(socket.bytesRead, answerLength + 4)
          }))
        assert.deepStrictEqual(said(logs), log.length === 0 ? [] : [log])
      }))
  }

  it.live("that fails of the peer's end of TCP tells the peer 1000", () =>
    Effect.gen(function*() {
      const { port } = yield* serving((ws) => ws.receive)
      const { socket } = yield* knock(port)
      socket.end()
      assert.deepStrictEqual([...(yield* takeBytes(socket, 4))], [0x88, 2, 0x03, 0xe8])
    }))

  it.live("is told to a peer that still sends, and takes no notice of what it sends", () =>
    Effect.gen(function*() {
      const { url } = yield* serving((ws) => ws.receive)
      const ws = yield* WebsocketClient.connect(url)
      const message = Buffer.alloc(64 * 1024, 7)
      const sending = yield* Effect.forkChild(Effect.flip(Effect.forever(ws.send(message))))
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", by: "Peer", code: 1000, clean: true })
      assert.deepInclude((yield* Fiber.join(sending)).reason, { _tag: "Closed", code: 1000 })
    }))

  it.live("ends its scope, and what its admission acquired behind that, before the peer is told", () =>
    Effect.gen(function*() {
      const released: Array<string> = []
      const server = yield* admitting({
        admit: Effect.addFinalizer(() => Effect.sync(() => released.push("what admission acquired"))),
        handler: (ws) =>
          Effect.addFinalizer(() => {
            released.push("what the handler acquired")
            return Effect.orDie(ws.send("the last word"))
          })
      })
      const ws = yield* WebsocketClient.connect(server.url)
      assert.strictEqual(asText(yield* ws.receive), "the last word")
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1000 })
      assert.deepStrictEqual(released, ["what the handler acquired", "what admission acquired"])
    }))

  it.live("closes its connection alone", () =>
    Effect.gen(function*() {
      const { url } = yield* serving((ws) =>
        Stream.runForEach(ws.messages, (message) => asText(message) === "end" ? Effect.interrupt : ws.send(message))
      )
      const [one, two] = yield* Effect.replicateEffect(WebsocketClient.connect(url), 2)
      yield* one!.send("end")
      yield* reasonOf(one!.receive)
      yield* two!.send("still here")
      assert.strictEqual(asText(yield* two!.receive), "still here")
    }))
})

const answerLength = Buffer.byteLength([
  "HTTP/1.1 101 Switching Protocols",
  "Upgrade: websocket",
  "Connection: Upgrade",
  "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
  "",
  ""
].join("\r\n"))

describe("What is logged of a handler", () => {
  const receiving: Handler = (ws) => Effect.forever(ws.receive)

  for (
    const [name, leave] of [
      ["closes", connectAndLeave],
      ["resets", ({ port }) => Effect.map(knock(port), ({ socket }) => socket.resetAndDestroy())],
      ["ends TCP", ({ port }) => Effect.map(knock(port), ({ socket }) => socket.end())],
      [
        "breaks the protocol",
        ({ port }) => Effect.flatMap(knock(port), ({ socket }) => event(socket.end("no frame").resume(), "close"))
      ],
      ["asks for no WebSocket", ({ port }) => exchange(port, request({ line: "POST / HTTP/1.1" }))],
      ["comes from elsewhere", ({ port }) => exchange(port, request({ headers: { Origin: "http://elsewhere.test" } }))]
    ] satisfies ReadonlyArray<readonly [string, Parameters<typeof loggedOf>[1]]>
  ) {
    it.live(`is nothing, where the peer ${name}`, () =>
      Effect.gen(function*() {
        assert.deepStrictEqual(yield* loggedOf(receiving, leave), [])
      }))
  }

  for (
    const [name, waiting] of [
      [
        "pieces of a message",
        (ws) => Effect.scoped(Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runDrain(pieces)))
      ],
      ["a pong", (ws) => ws.ping()]
    ] satisfies ReadonlyArray<readonly [string, Handler]>
  ) {
    it.live(`is nothing, where it waits for ${name} and the peer ends TCP`, () =>
      Effect.gen(function*() {
        const logs = yield* loggedOf(waiting, ({ port }) =>
          Effect.gen(function*() {
            const { socket } = yield* knock(port)
            socket.end(encode("server", { ...text("half of a"), fin: false }))
            yield* event(socket.resume(), "close")
          }))
        assert.deepStrictEqual(said(logs), [])
      }))
  }

  it.live("is nothing, where it fails to send to a peer that has left", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(
        yield* loggedOf((ws) => Effect.andThen(ws.closed, ws.send("too late")), connectAndLeave),
        []
      )
    }))

  it.live("nor where a finalizer of its own does", () =>
    Effect.gen(function*() {
      const parting: Handler = (ws) =>
        Effect.andThen(Effect.addFinalizer(() => Effect.orDie(ws.send("bye"))), Effect.forever(ws.receive))
      assert.deepStrictEqual(yield* loggedOf(parting, connectAndLeave), [])
    }))

  for (
    const [name, bug] of [
      [
        "a finalizer of its own",
        (ws) => Effect.andThen(Effect.addFinalizer(() => Effect.die(new Error("a bug"))), Effect.forever(ws.receive))
      ],
      [
        "another fiber of its own",
        (ws) =>
          Effect.all([Effect.forever(ws.receive), Effect.andThen(ws.closed, Effect.die(new Error("a bug")))], {
            concurrency: 2
          })
      ],
      ["what it does then", (ws) => Effect.ensuring(Effect.forever(ws.receive), Effect.die(new Error("a bug")))]
    ] satisfies ReadonlyArray<readonly [string, Handler]>
  ) {
    it.live(`is a bug of ${name}, when the connection ends`, () =>
      Effect.gen(function*() {
        const logs = yield* loggedOf(bug, connectAndLeave)
        assert.deepStrictEqual(logs.map(({ level }) => level), ["Error"])
        assert.include(logs[0]!.errors.map(String), "Error: a bug")
      }))
  }

  it.live("is what it was not able to send, also where it closes its connection behind that", () =>
    Effect.gen(function*() {
      const logs = yield* loggedOf(
        (ws) => Effect.ensuring(ws.ping(new Uint8Array(126)), Effect.ignore(ws.close())),
        ({ url }) => Effect.flatMap(WebsocketClient.connect(url), (ws) => reasonOf(ws.receive))
      )
      assert.deepStrictEqual(said(logs), [[
        "Error",
        "WebSocket handler failed",
        "WriteError: payload: a control frame holds at most 125 bytes, this one has 126 (RFC 6455 5.5)"
      ]])
    }))

  it.live("is nothing, where it closes its connection and fails to send behind that", () =>
    Effect.gen(function*() {
      for (const late of [(ws) => ws.send("late"), (ws) => ws.ping(), (ws) => ws.close()] as ReadonlyArray<Handler>) {
        assert.deepStrictEqual(
          yield* loggedOf(
            (ws) => Effect.andThen(ws.close(), late(ws)),
            ({ url }) => Effect.flatMap(WebsocketClient.connect(url), (ws) => reasonOf(ws.receive))
          ),
          []
        )
      }
    }))

  it.live("is that a connection that it wanted to open itself did not open", () =>
    Effect.gen(function*() {
      const logs = yield* loggedOf(
        () => Effect.scoped(WebsocketClient.connect("ws://127.0.0.1:1/")),
        ({ url }) =>
          Effect.gen(function*() {
            const ws = yield* WebsocketClient.connect(url)
            assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 1011, reason: "" })
          })
      )
      assert.deepStrictEqual(logs.map(({ level }) => level), ["Error"])
      assert.instanceOf(logs[0]?.errors[0], OpenError)
    }))
})

describe("What comes with the request, behind it", () => {
  const early = Buffer.concat([Buffer.from(request()), encode("server", text("one"), text("two"))])
  const expectBoth: Handler = (ws) =>
    Effect.gen(function*() {
      for (const expected of ["one", "two"]) assert.strictEqual(asText(yield* ws.receive), expected)
      yield* ws.send("both")
    })
  const takeBoth = Effect.fnUntraced(function*(socket: Parameters<typeof takeHead>[0]) {
    yield* takeHead(socket)
    assert.deepStrictEqual(yield* takeBytes(socket, 6), Buffer.from("\x81\x04both", "latin1"))
    socket.destroy()
  })

  it.live("is not lost, however late the handler receives", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { port } = yield* serving((ws) => Effect.andThen(Deferred.await(gate), expectBoth(ws, undefined)))
      const socket = yield* dial(port)
      socket.write(early)
      yield* takeHead(socket)
      yield* Deferred.succeed(gate, undefined)
      assert.deepStrictEqual(yield* takeBytes(socket, 6), Buffer.from("\x81\x04both", "latin1"))
      socket.destroy()
    }))

  it.live("nor however late the client is admitted", () =>
    Effect.gen(function*() {
      const [asked, gate] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { port } = yield* admitting({
        handler: expectBoth,
        admit: Effect.andThen(Deferred.succeed(asked, undefined), Deferred.await(gate))
      })
      const socket = yield* dial(port)
      socket.write(early.subarray(0, -3))
      yield* Deferred.await(asked)
      socket.write(early.subarray(-3))
      yield* Deferred.succeed(gate, undefined)
      yield* takeBoth(socket)
    }))

  it.live("nor however late a handler runs", () =>
    Effect.gen(function*() {
      const { port, server } = yield* listening()
      const socket = yield* dial(port)
      socket.write(early)
      yield* exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      yield* Effect.forkScoped(server.run(expectBoth))
      yield* takeBoth(socket)
    }))
})
