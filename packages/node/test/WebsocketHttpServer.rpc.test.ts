import { assert, describe, it } from "@effect/vitest"
import * as WebsocketSocket from "@websocket-stream/node/WebsocketSocket"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { serving } from "./support/httpServer.ts"

class Calls extends RpcGroup.make(
  Rpc.make("Shout", { payload: { text: Schema.String }, success: Schema.String }),
  Rpc.make("Count", { payload: { to: Schema.Number }, success: Schema.Number, stream: true }),
  Rpc.make("Stay", {})
) {}

/** A server of the calls, and what becomes of those who stay. */
const calling = Effect.fnUntraced(function*(serialization: Layer.Layer<RpcSerialization.RpcSerialization>) {
  const stays = yield* Queue.unbounded<string>()
  const gone = yield* Deferred.make<number>()
  const handlers = Calls.toLayer({
    Shout: ({ text }) => Effect.succeed(text.toUpperCase()),
    Count: ({ to }) => Stream.range(1, to),
    Stay: () =>
      Queue.offer(stays, "begun").pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() => Queue.offer(stays, "interrupted"))
      )
  })
  const routes: Layer.Layer<never, never, HttpRouter.HttpRouter> = RpcServer.layerHttp({
    group: Calls,
    path: "/rpc",
    protocol: "websocket",
    onDisconnect: (client) => Deferred.succeed(gone, client)
  }).pipe(Layer.provide([handlers, serialization]))
  const { port } = yield* serving(routes)
  const client = RpcClient.layerProtocolSocket().pipe(
    Layer.provide([WebsocketSocket.layerSocket(`ws://127.0.0.1:${port}/rpc`), serialization]),
    Layer.build,
    Effect.flatMap((context) => Effect.provideContext(RpcClient.make(Calls), context))
  )
  return { client, stays, gone }
})

const serializations = [
  ["JSON", RpcSerialization.layerJson],
  ["NDJSON", RpcSerialization.layerNdjson],
  ["binary", RpcSerialization.layerSchemaBinary()]
] as const

describe("RpcServer.layerHttp over a WebsocketHttpServer", () => {
  for (const [name, serialization] of serializations) {
    it.live(`answers calls and streams in ${name}`, () =>
      Effect.gen(function*() {
        const { client } = yield* calling(serialization)
        const { Count, Shout } = yield* client
        const texts = ["a", "b", "c"]
        const shouted = yield* Effect.forEach(texts, (text) => Shout({ text }), { concurrency: "unbounded" })
        assert.deepStrictEqual(shouted, ["A", "B", "C"])
        assert.deepStrictEqual(yield* Stream.runCollect(Count({ to: 5 })), [1, 2, 3, 4, 5])
      }))
  }

  it.live("interrupts the calls of a client that is gone", () =>
    Effect.gen(function*() {
      const { client, gone, stays } = yield* calling(RpcSerialization.layerNdjson)
      yield* Effect.scoped(Effect.gen(function*() {
        const { Stay } = yield* client
        const call = yield* Effect.forkChild(Stay())
        assert.strictEqual(yield* Queue.take(stays), "begun")
        yield* Fiber.interrupt(call)
        assert.strictEqual(yield* Queue.take(stays), "interrupted")
        yield* Effect.forkChild(Stay())
        assert.strictEqual(yield* Queue.take(stays), "begun")
      }))
      assert.strictEqual(yield* Queue.take(stays), "interrupted")
      assert.strictEqual(yield* Deferred.await(gone), 0)
    }))
})
