import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import { proper, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"

/** Collects the spans that end, or do not, while an effect runs. */
const traced = Effect.fnUntraced(function*<A, E, R>(effect: Effect.Effect<A, E, R>) {
  const spans: Array<Tracer.Span> = []
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const exit = yield* Effect.exit(Effect.withTracer(effect, tracer))
  return { exit, spans }
})

const only = (spans: ReadonlyArray<Tracer.Span>): Tracer.Span => {
  const [span] = spans
  if (span === undefined || spans.length !== 1) throw new Error(`${spans.length} spans`)
  return span
}

describe("the span of connect", () => {
  it.live("names host, port, scheme and path, and ends when the connection is open", () =>
    Effect.gen(function*() {
      const { port } = yield* serve((socket, request) => socket.write(proper(request)))
      const url = `ws://user:secret@127.0.0.1:${port}/room/7?token=secret`
      const { spans } = yield* traced(WebsocketClient.connect(url, { closeDeadline: 0 }))
      const span = only(spans)
      assert.deepStrictEqual([span.name, span.kind, span.status._tag], ["websocket.connect", "client", "Ended"])
      assert.deepStrictEqual(Object.fromEntries(span.attributes), {
        "server.address": "127.0.0.1",
        "server.port": port,
        "url.scheme": "ws",
        "url.path": "/room/7",
        "network.protocol.name": "websocket"
      })
      assert.notInclude(inspect(span, { depth: Infinity }), "secret")
    }))

  it.live("has the status of a refusal, and fails with it", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket) => socket.write("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"))
      const { spans } = yield* traced(Effect.scoped(WebsocketClient.connectStream(url)))
      const span = only(spans)
      assert.strictEqual(span.attributes.get("http.response.status_code"), 401)
      assert.isTrue(span.status._tag === "Ended" && Exit.isFailure(span.status.exit))
    }))

  for (
    const [url, socketPath, address, port] of [
      ["ws://localhost/", undefined, "localhost", 80],
      ["wss://[::1]/", undefined, "::1", 443],
      ["ws://example.com/", "/nowhere/socket", "/nowhere/socket", undefined]
    ] as const
  ) {
    it.effect(`of ${url} to ${socketPath ?? "its host"} is to ${address}, port ${port}`, () =>
      Effect.gen(function*() {
        // Nothing is waited for.
        const { spans } = yield* traced(refusal(url, { socketPath, openDeadline: 0 }))
        const { attributes } = only(spans)
        assert.deepStrictEqual([attributes.get("server.address"), attributes.get("server.port")], [address, port])
      }))
  }

  it.live("is the parent of nothing that is done with the connection", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket, request) => socket.write(proper(request)))
      const { spans } = yield* traced(Effect.scoped(Effect.gen(function*() {
        const ws = yield* WebsocketClient.connect(url, { closeDeadline: 0 })
        yield* ws.send("Hello")
      })))
      const span = spans.find(({ name }) => name === "websocket.connect")
      assert.isDefined(span)
      for (const { parent } of spans) assert.notStrictEqual(Option.getOrUndefined(parent), span)
    }))
})
