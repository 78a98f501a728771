/** Effect's DevTools, its client and its server, over our connections. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketSocket } from "@websocket-stream/node"
import * as DevTools from "effect/devtools/DevTools"
import type { MetricsSnapshot, Request, Span } from "effect/devtools/DevToolsSchema"
import * as DevToolsServer from "effect/devtools/DevToolsServer"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as NetAddress from "effect/net/NetAddress"
import * as Queue from "effect/Queue"
import * as SocketServer from "effect/socket/SocketServer"

/** A DevTools server: each client that connects to it, and each that leaves. */
const serve = Effect.gen(function*() {
  const { address } = yield* SocketServer.SocketServer
  const clients = yield* Queue.unbounded<DevToolsServer.Client>()
  const left = yield* Queue.unbounded<DevToolsServer.Client>()
  yield* DevToolsServer.run((client) =>
    Effect.andThen(Queue.offer(clients, client), Queue.await(client.queue)).pipe(
      Effect.ensuring(Queue.offer(left, client))
    )
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  return { clients, left, url: NetAddress.formatUrlUnsafe(address, "ws") }
})

const layerServer = WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0 })

/** An application that is watched at the URL, until it is interrupted. */
const watch = <A, E>(url: string, application: Effect.Effect<A, E>) =>
  Effect.andThen(application, Effect.never).pipe(
    Effect.provide(DevTools.layerSocket.pipe(Layer.provide(WebsocketSocket.layerSocket(url)))),
    Effect.forkScoped
  )

/** The next request of a kind; others are dropped. */
const nextOf = <A extends Request.WithoutPing>(is: (request: Request.WithoutPing) => request is A) => {
  const next = ({ queue }: DevToolsServer.Client): Effect.Effect<A> =>
    Effect.flatMap(
      Effect.orDie(Queue.take(queue)),
      (request) => is(request) ? Effect.succeed(request) : next({ queue, send: () => Effect.void })
    )
  return next
}
const nextSpan = nextOf((request): request is Span => request._tag === "Span")
const nextMetrics = nextOf((request): request is MetricsSnapshot => request._tag === "MetricsSnapshot")

const answer = Metric.gauge("test/effect.devtools")

describe("DevTools", () => {
  it.live("tells of spans and their end, and answers with its metrics", () =>
    Effect.gen(function*() {
      const { clients, url } = yield* serve
      yield* watch(url, Effect.annotateCurrentSpan("answer", 42).pipe(Effect.withSpan("the span")))
      const client = yield* Queue.take(clients)
      const [started, ended] = [yield* nextSpan(client), yield* nextSpan(client)]
      assert.deepStrictEqual([started.name, started.status._tag], ["the span", "Started"])
      assert.deepStrictEqual([ended.spanId, ended.status._tag], [started.spanId, "Ended"])
      assert.strictEqual(ended.attributes.get("answer"), 42)
      yield* Metric.update(answer, 42)
      yield* client.send({ _tag: "MetricsRequest" })
      const { metrics } = yield* nextMetrics(client)
      assert.deepInclude(metrics.find(({ id }) => id === "test/effect.devtools"), { state: { value: 42 } })
    }).pipe(Effect.provide(layerServer)))

  it.live("leaves when the application ends, and comes again with the next", () =>
    Effect.gen(function*() {
      const { clients, left, url } = yield* serve
      for (const name of ["first", "second"]) {
        const application = yield* watch(url, Effect.withSpan(Effect.void, name))
        const client = yield* Queue.take(clients)
        assert.strictEqual((yield* nextSpan(client)).name, name)
        yield* Fiber.interrupt(application)
        assert.strictEqual(yield* Queue.take(left), client)
      }
    }).pipe(Effect.provide(layerServer)))
})
