import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import { inspect } from "node:util"
import { exchange, request } from "./support/http.ts"
import { socketPath } from "./support/paths.ts"
import { admitting, knock, logging, type Options, serving } from "./support/server.ts"
import { event } from "./support/streams.ts"

type Handler = WebsocketServer.Handler<void, unknown, Scope.Scope | WebsocketRequest.WebsocketRequest>
type Use = (server: { readonly port: number; readonly url: string }) => Effect.Effect<unknown, unknown, Scope.Scope>

const receiving: Handler = (ws) => Effect.forever(ws.receive)

/** Collects the spans of an effect and its fibers. */
const tracing = <A, E, R>(effect: Effect.Effect<A, E, R>, spans: Array<Tracer.Span>): Effect.Effect<A, E, R> =>
  Effect.withTracer(
    effect,
    Tracer.make({
      span: (options) => {
        const span = new Tracer.NativeSpan(options)
        spans.push(span)
        return span
      }
    })
  )

/** The spans of a server, once all its connections have ended. */
const spansOf = Effect.fnUntraced(function*(handler: Handler, use: Use, options?: Options) {
  const spans: Array<Tracer.Span> = []
  const { fiber, ...server } = yield* tracing(serving(handler, options), spans)
  yield* Effect.scoped(use(server))
  yield* Fiber.interrupt(fiber)
  return spans
})

const named = (spans: ReadonlyArray<Tracer.Span>, name: string): Tracer.Span => {
  const [span, ...others] = spans.filter((span) => span.name === name)
  if (span === undefined || others.length > 0) {
    throw new Error(`not one span ${name}: ${spans.map(({ name }) => name).join()}`)
  }
  return span
}

const parentOf = ({ parent }: Tracer.Span): Tracer.AnySpan | undefined => Option.getOrUndefined(parent)

const hasFailed = ({ status }: Tracer.Span): boolean => status._tag === "Ended" && Exit.isFailure(status.exit)

const connectAndLeave: Use = ({ url }) =>
  Effect.flatMap(WebsocketClient.connect(`${url}rooms/7?token=secret`), (ws) => ws.close(4000))

describe("The span of a handler", () => {
  it.live("has the path and the user agent of its request, and no more of either", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(receiving, ({ url }) =>
        WebsocketClient.connect(`${url}rooms/7?token=secret`, {
          headers: [["User-Agent", "a browser"], ["Authorization", "Bearer secret"], ["Cookie", "id=secret"]]
        }))
      const span = named(spans, "websocket.handler")
      assert.deepStrictEqual([span.kind, span.status._tag, parentOf(span)], ["server", "Ended", undefined])
      assert.deepStrictEqual(Object.fromEntries(span.attributes), {
        "network.protocol.name": "websocket",
        "url.path": "/rooms/7",
        "client.address": "127.0.0.1",
        "user_agent.original": "a browser"
      })
      assert.notInclude(inspect(spans, { depth: Infinity }), "secret")
    }))

  it.live("has no attribute of what is not known", () =>
    Effect.gen(function*() {
      const path = yield* socketPath
      const spans: Array<Tracer.Span> = []
      const server = yield* WebsocketServer.make({ path })
      const fiber = yield* Effect.forkScoped(tracing(server.run(receiving), spans), { startImmediately: true })
      yield* Effect.scoped(WebsocketClient.connect(WebsocketServer.url(server.address), { socketPath: path }))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([...named(spans, "websocket.handler").attributes.keys()], [
        "network.protocol.name",
        "url.path"
      ])
    }))

  it.live("is the parent of what the handler does, and of the closing", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf((ws) => Effect.withSpan(Effect.exit(ws.receive), "mine"), connectAndLeave)
      const handler = named(spans, "websocket.handler")
      assert.strictEqual(parentOf(named(spans, "mine")), handler)
      assert.strictEqual(parentOf(named(spans, "websocket.close")), handler)
      assert.lengthOf(spans, 3)
    }))

  it.live("is the parent of what is asked of an admission", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const admit = Effect.withSpan(new WebsocketRequest.Refusal({ status: 401 }), "admission")
      const { fiber, port } = yield* tracing(admitting({ handler: () => Effect.void, admit }), spans)
      yield* exchange(port, request())
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(parentOf(named(spans, "admission")), named(spans, "websocket.handler"))
      assert.isFalse(hasFailed(named(spans, "websocket.handler")))
    }))

  it.live("is a child of the span that run is in, if there is one", () =>
    Effect.gen(function*() {
      const spans: Array<Tracer.Span> = []
      const { fiber, url } = yield* tracing(
        Effect.gen(function*() {
          const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
          const running = Effect.withSpan(server.run(receiving), "application")
          const fiber = yield* Effect.forkScoped(running, { startImmediately: true })
          return { fiber, url: WebsocketServer.url(server.address) }
        }),
        spans
      )
      yield* Effect.scoped(WebsocketClient.connect(url))
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(parentOf(named(spans, "websocket.handler")), named(spans, "application"))
    }))

  for (
    const [how, use] of [
      ["closes", connectAndLeave],
      ["ends TCP", ({ port }) => Effect.flatMap(knock(port), ({ socket }) => event(socket.resume().end(), "close"))],
      ["resets it", ({ port }) => Effect.map(knock(port), ({ socket }) => socket.resetAndDestroy())],
      [
        "breaks the protocol",
        ({ port }) => Effect.flatMap(knock(port), ({ socket }) => event(socket.end("no frame").resume(), "close"))
      ]
    ] satisfies ReadonlyArray<readonly [string, Use]>
  ) {
    it.live(`has not failed where the peer ${how}`, () =>
      Effect.gen(function*() {
        const spans = yield* spansOf(receiving, use)
        assert.isFalse(hasFailed(named(spans, "websocket.handler")))
        assert.isFalse(hasFailed(named(spans, "websocket.close")))
      }))
  }

  it.live("has failed of what the handler has", () =>
    logging(() =>
      Effect.gen(function*() {
        for (const handler of [() => Effect.fail("boom"), () => Effect.die("boom")]) {
          const spans = yield* spansOf(
            handler,
            ({ url }) => Effect.flatMap(WebsocketClient.connect(url), ({ receive }) => Effect.flip(receive))
          )
          assert.isTrue(hasFailed(named(spans, "websocket.handler")))
          assert.isFalse(hasFailed(named(spans, "websocket.close")))
        }
      })
    ))

  it.live("is not there for a request that opens no connection", () =>
    Effect.gen(function*() {
      const spans = yield* spansOf(
        receiving,
        ({ port }) => exchange(port, request({ headers: { Origin: "https://elsewhere.test" } }))
      )
      assert.deepStrictEqual(spans, [])
    }))
})

describe("The span of the closing", () => {
  for (
    const [name, handler, use, expected] of [
      ["a peer's code", receiving, connectAndLeave, { by: "Peer", sent: 4000, received: 4000 }],
      [
        "ours",
        () => Effect.void,
        ({ url }) => Effect.flatMap(WebsocketClient.connect(url), ({ receive }) => Effect.flip(receive)),
        {
          by: "Us",
          sent: 1000,
          received: 1000
        }
      ],
      ["a peer's that gave none", receiving, ({ port }) =>
        Effect.flatMap(
          knock(port),
          ({ socket }) => event(socket.end(Uint8Array.of(0x88, 0x80, 0, 0, 0, 0)).resume(), "close")
        ), { by: "Peer", sent: 1005, received: 1005 }],
      [
        "what a peer was told that broke the protocol",
        receiving,
        ({ port }) => Effect.flatMap(knock(port), ({ socket }) => event(socket.end("no frame").resume(), "close")),
        {
          by: "Peer",
          sent: 1002,
          received: 1006
        }
      ]
    ] satisfies ReadonlyArray<readonly [string, Handler, Use, { by: string; sent: number; received: number }]>
  ) {
    it.live(`tells who began, and what was said: ${name}`, () =>
      Effect.gen(function*() {
        const { attributes } = named(yield* spansOf(handler, use), "websocket.close")
        assert.deepStrictEqual(Object.fromEntries(attributes), {
          "websocket.close.by": expected.by,
          "websocket.close.sent": expected.sent,
          "websocket.close.received": expected.received
        })
      }))
  }
})
