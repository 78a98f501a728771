import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import type * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as OtlpMetrics from "effect/observability/OtlpMetrics"
import * as OtlpSerialization from "effect/observability/OtlpSerialization"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"
import type { Socket } from "node:net"
import { encode, text } from "./support/frames.ts"
import { exchange, request } from "./support/http.ts"
import { alone, eventually, metered, nothing, type Values, values } from "./support/metrics.ts"
import { echo, knock, local, type Options, serving } from "./support/server.ts"
import { takeBytes, turns } from "./support/streams.ts"
import { scripted } from "./support/websockets.ts"

describe("The traffic of a server", () => {
  const counted = (
    name: string,
    handler: WebsocketServer.Handler<void, unknown, Scope.Scope>,
    use: (server: { readonly port: number; readonly url: string }) => Effect.Effect<unknown, unknown, Scope.Scope>,
    expected: Partial<Values>,
    options?: Options
  ) =>
    it.live(name, () =>
      alone(Effect.gen(function*() {
        const server = yield* serving(handler, { ...metered, ...options })
        yield* use(server)
        assert.deepInclude(yield* values, { ...expected })
      })))

  counted(
    "is messages and their bytes, texts as UTF-8, both ways",
    echo,
    ({ url }) =>
      Effect.gen(function*() {
        const ws = yield* WebsocketClient.connect(url)
        yield* ws.sendAll(["Hallöchen", new Uint8Array(300), ""])
        for (let i = 0; i < 3; i++) yield* ws.receive
      }),
    { accepted: 1, open: 1, messagesReceived: 3, bytesReceived: 310, messagesSent: 3, bytesSent: 310, closes: {} }
  )

  counted(
    "is whole messages, however many frames there are of each, and no control frames",
    (ws) => Effect.flatMap(ws.receive, (message) => Effect.andThen(ws.send(message), ws.receive)),
    ({ url }) =>
      Effect.gen(function*() {
        const stream = yield* WebsocketClient.connectStream(url)
        yield* stream.writeAll([
          Frame.make(Opcode.Text, Buffer.from("Hel"), { fin: false }),
          Frame.make(Opcode.Ping, Buffer.from("between")),
          Frame.make(Opcode.Continuation, Buffer.from("lo"), { fin: true })
        ])
        const pong = yield* stream.read
        const message = yield* stream.read
        assert.deepStrictEqual([pong.opcode, message.opcode], [Opcode.Pong, Opcode.Text])
      }),
    { messagesReceived: 1, bytesReceived: 5, messagesSent: 1, bytesSent: 5 }
  )

  counted(
    "is the same for messages that go by pieces",
    (ws) =>
      Effect.gen(function*() {
        const { pieces } = yield* ws.receiveStream
        yield* Stream.runDrain(pieces)
        yield* ws.sendStream("binary", Stream.make(new Uint8Array(10), new Uint8Array(0), new Uint8Array(20)))
        yield* ws.receive
      }),
    ({ url }) =>
      Effect.gen(function*() {
        const ws = yield* WebsocketClient.connect(url)
        yield* ws.sendStream("text", Stream.make("one", "two", "three"))
        yield* ws.receive
      }),
    { messagesReceived: 1, bytesReceived: 11, messagesSent: 1, bytesSent: 30 }
  )

  counted(
    "is a round trip for each ping that was answered",
    (ws) => Effect.all([ws.ping(), ws.ping(), ws.send("done"), ws.receive]),
    ({ url }) => Effect.flatMap(WebsocketClient.connect(url), ({ receive }) => receive),
    { roundTrips: 2, messagesSent: 1 }
  )

  it.live("is the bytes as they came and went: compressed where they were", () =>
    alone(Effect.gen(function*() {
      const { port, url } = yield* serving(echo, { ...metered, deflate: true })
      const message = "a".repeat(100_000)
      const ws = yield* WebsocketClient.connect(url, { deflate: true })
      yield* ws.send(message)
      yield* ws.receive
      const { bytesReceived, bytesSent, messagesReceived, messagesSent } = yield* values
      assert.deepStrictEqual([messagesReceived, messagesSent], [1, 1])
      for (const bytes of [bytesReceived, bytesSent]) {
        assert.isAbove(bytes, 0)
        assert.isBelow(bytes, 1000)
      }
      // By a client that does not compress what it sends, and looks at what it gets.
      const { socket } = yield* knock(port, { headers: { "Sec-WebSocket-Extensions": "permessage-deflate" } })
      socket.write(encode("server", text(message)))
      const payload = yield* takePayload(socket)
      const then = yield* values
      assert.strictEqual(then.bytesReceived - bytesReceived, message.length)
      assert.strictEqual(then.bytesSent - bytesSent, payload.length)
      socket.destroy()
    })))

  it.live("is what waits for a peer that does not read, until it has left", () =>
    alone(Effect.gen(function*() {
      const message = new Uint8Array(1024 * 1024)
      const { port } = yield* serving((ws) => Effect.forever(ws.send(message)), metered)
      const { socket } = yield* knock(port)
      const { buffered } = yield* eventually(({ buffered }) => buffered >= message.length)
      assert.isAtMost(buffered, 2 * message.length)
      socket.destroy()
      yield* eventually(({ buffered, open }) => buffered === 0 && open === 0)
    })))

  it.live("is what waits to be received, until it was", () =>
    alone(Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { url } = yield* serving((ws) => Effect.andThen(Deferred.await(gate), Effect.forever(ws.receive)), metered)
      const ws = yield* WebsocketClient.connect(url)
      yield* ws.sendAll([new Uint8Array(1000), new Uint8Array(2000)])
      yield* eventually(({ buffered }) => buffered >= 3000)
      yield* Deferred.succeed(gate, undefined)
      yield* eventually(({ buffered }) => buffered === 0)
    })))

  it.live("is each byte once, of a frame that is not whole yet, and of pieces that were not taken", () =>
    alone(Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ metrics: true })
      const bytes = encode("server", Frame.make(Opcode.Binary, new Uint8Array(60_000)))
      duplex.push(bytes.subarray(0, 50_000))
      yield* turns
      assert.strictEqual((yield* values).buffered, 50_000)
      yield* Effect.forkScoped(ws.receiveStream, { startImmediately: true })
      duplex.push(bytes.subarray(50_000, 50_001))
      yield* turns
      assert.isAtLeast((yield* values).buffered, 50_000)
      assert.isBelow((yield* values).buffered, 51_000)
      // And the message is there to its end.
      duplex.push(bytes.subarray(50_001))
      yield* turns
      assert.isAtLeast((yield* values).buffered, 60_000)
      assert.isBelow((yield* values).buffered, 61_000)
      duplex.destroy()
    })))

  it.live("is nothing again behind a message that came in parts, and behind control frames", () =>
    alone(Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ metrics: true })
      yield* Effect.forkScoped(Effect.forever(ws.receive), { startImmediately: true })
      duplex.push(encode(
        "server",
        Frame.make(Opcode.Text, Buffer.from("Hel"), { fin: false }),
        Frame.make(Opcode.Ping, Buffer.from("between")),
        Frame.make(Opcode.Continuation, Buffer.from("lo"), { fin: true })
      ))
      yield* turns
      const { buffered, messagesReceived } = yield* values
      assert.deepStrictEqual([buffered, messagesReceived], [0, 1])
      duplex.destroy()
    })))
})

const takePayload = Effect.fnUntraced(function*(socket: Socket) {
  const [, short = 0] = yield* takeBytes(socket, 2)
  const length = short < 126 ? short : Buffer.from(yield* takeBytes(socket, 2)).readUInt16BE()
  return yield* takeBytes(socket, length)
})

describe("The metrics", () => {
  const use = Effect.fnUntraced(function*(url: string, options?: WebsocketClient.Options) {
    const ws = yield* WebsocketClient.connect(url, options)
    yield* ws.send("Hello")
    yield* ws.receive
    yield* ws.ping()
    yield* ws.close()
  })

  it.live("stay as they are without the option", () =>
    alone(Effect.gen(function*() {
      const { port, url } = yield* serving(echo)
      yield* use(url)
      yield* exchange(port, request({ headers: { Origin: "https://elsewhere.test" } }))
      assert.deepStrictEqual(yield* values, nothing)
    })))

  it.live("are those of all servers of the process", () =>
    alone(Effect.gen(function*() {
      const [one, two] = [yield* serving(echo, metered), yield* serving(echo, metered)]
      yield* use(one.url)
      yield* use(two.url)
      const { accepted, bytesReceived, closes } = yield* eventually(({ open }) => open === 0)
      assert.deepStrictEqual([accepted, bytesReceived, closes], [2, 10, { 1000: 2 }])
    })))

  it.live("are those of clients, too, that want it", () =>
    alone(Effect.gen(function*() {
      const { url } = yield* serving(echo)
      yield* use(url, metered)
      assert.deepInclude(yield* eventually(({ open }) => open === 0), {
        accepted: 0,
        messagesSent: 1,
        bytesSent: 5,
        messagesReceived: 1,
        bytesReceived: 5,
        roundTrips: 1,
        closes: { 1000: 1 }
      })
    })))

  it.live("are each registry's own", () =>
    alone(Effect.gen(function*() {
      const { url } = yield* alone(serving(echo, metered))
      const { url: ours } = yield* serving(echo, metered)
      yield* use(url)
      assert.deepStrictEqual(yield* values, nothing)
      yield* use(ours)
      assert.deepInclude(yield* eventually(({ open }) => open === 0), { accepted: 1, messagesReceived: 1 })
    })))

  for (
    const [name, begin] of [
      ["a server", serving(echo, metered)],
      ["an HTTP server", WebsocketHttpServer.make(createServer, { ...local, websocket: { metrics: true } })]
    ] as const
  ) {
    it.live(`of ${name} are there to read before its first connection`, () =>
      alone(Effect.gen(function*() {
        yield* begin
        const snapshot = yield* Metric.snapshot
        assert.sameMembers(snapshot.map(({ id }) => id), [
          "websocket.connections.open",
          "websocket.connections.accepted",
          "websocket.messages",
          "websocket.messages",
          "websocket.io",
          "websocket.io",
          "websocket.bytes.buffered",
          "websocket.ping.duration"
        ])
      })))
  }

  it.live("have the names and attributes that they are to have", () =>
    alone(Effect.gen(function*() {
      yield* serving(echo, metered)
      yield* values
      const snapshot = yield* Metric.snapshot
      const names = snapshot.map(({ attributes, id, type }) => [id, type, { ...attributes }])
      const receive = { "network.io.direction": "receive" }
      const transmit = { "network.io.direction": "transmit" }
      assert.sameDeepMembers(names, [
        ["websocket.connections.open", "Gauge", {}],
        ["websocket.connections.accepted", "Counter", {}],
        ["websocket.connections.refused", "Frequency", {}],
        ["websocket.closes", "Frequency", {}],
        ["websocket.messages", "Counter", receive],
        ["websocket.messages", "Counter", transmit],
        ["websocket.io", "Counter", { ...receive, unit: "bytes" }],
        ["websocket.io", "Counter", { ...transmit, unit: "bytes" }],
        ["websocket.bytes.buffered", "Gauge", { unit: "bytes" }],
        ["websocket.ping.duration", "Histogram", { unit: "seconds" }]
      ])
    })))

  it.live("have the units that an exporter of OpenTelemetry tells of", () =>
    alone(Effect.gen(function*() {
      yield* serving(echo, metered)
      const bodies: Array<string> = []
      const collector = HttpClient.make((request) => {
        if (request.body._tag === "Uint8Array") bodies.push(Buffer.from(request.body.body).toString())
        return Effect.succeed(HttpClientResponse.fromWeb(request, new Response()))
      })
      const exporter = OtlpMetrics.layer({ url: "http://localhost", resource: { serviceName: "a server" } })
      yield* Effect.scoped(Layer.build(exporter)).pipe(
        Effect.provideService(HttpClient.HttpClient, collector),
        Effect.provide(OtlpSerialization.layerJson)
      )
      const { resourceMetrics }: OtlpMetrics.MetricsData = JSON.parse(bodies.at(-1)!)
      const exported = resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
      const units = exported.map(({ name, unit }) => [name, unit])
      assert.sameDeepMembers(units, [
        ["websocket.connections.open", "1"],
        ["websocket.connections.accepted", "1"],
        ["websocket.messages", "1"],
        ["websocket.io", "By"],
        ["websocket.bytes.buffered", "By"],
        ["websocket.ping.duration", "s"]
      ])
      // Without it there is no rate of them.
      const rising = exported.flatMap(({ name, sum }) => sum?.isMonotonic === true ? [name] : [])
      assert.sameMembers(rising, ["websocket.connections.accepted", "websocket.messages", "websocket.io"])
    })))
})
