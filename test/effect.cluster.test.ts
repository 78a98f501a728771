/** The runners of an Effect cluster, and clients of it, that speak over our connections. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient, WebsocketSocket } from "@websocket-stream/node"
import * as Entity from "effect/cluster/Entity"
import * as MessageStorage from "effect/cluster/MessageStorage"
import * as RunnerAddress from "effect/cluster/RunnerAddress"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import type * as ShardId from "effect/cluster/ShardId"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SocketRunner from "effect/cluster/SocketRunner"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as MutableHashMap from "effect/MutableHashMap"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { Socket } from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"

const Room = Entity.make("Room", [
  Rpc.make("Where", { success: Schema.Int }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
])

/** As `NodeClusterSocket.layerClientProtocol`, over us. */
const layerClientProtocol = Layer.effect(
  Runners.RpcClientProtocol,
  Effect.gen(function*() {
    const serialization = yield* RpcSerialization.RpcSerialization
    return {
      codecFor: serialization.codecFor,
      make: Effect.fnUntraced(function*({ host, port }) {
        const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(`ws://${host}:${port}/`))
        return yield* RpcClient.makeProtocolSocket().pipe(
          Effect.provideService(Socket, socket),
          Effect.provideService(RpcSerialization.RpcSerialization, serialization)
        )
      })
    }
  })
)

/** Who has which shard. Effect's own in memory is for one runner. */
const layerStorage = Layer.effect(
  RunnerStorage.RunnerStorage,
  Effect.map(RunnerStorage.makeMemory, (storage) => {
    const owners = MutableHashMap.empty<ShardId.ShardId, RunnerAddress.RunnerAddress>()
    const take: RunnerStorage.RunnerStorage["Service"]["acquire"] = (address, shards) =>
      Effect.sync(() =>
        Array.from(shards).filter((shard) => {
          const owner = Option.getOrElse(MutableHashMap.get(owners, shard), () => address)
          MutableHashMap.set(owners, shard, owner)
          return Equal.equals(owner, address)
        })
      )
    return RunnerStorage.RunnerStorage.of({
      ...storage,
      acquire: take,
      refresh: take,
      release: (_, shard) => Effect.sync(() => MutableHashMap.remove(owners, shard)),
      releaseAll: (address) =>
        Effect.sync(() => {
          for (const [shard, owner] of owners) if (Equal.equals(owner, address)) MutableHashMap.remove(owners, shard)
        })
    })
  })
)

const config = (runnerAddress: Option.Option<RunnerAddress.RunnerAddress>) =>
  ShardingConfig.layer({
    runnerAddress,
    shardsPerGroup: 16,
    refreshAssignmentsInterval: "50 millis",
    entityTerminationTimeout: 0
  })

const shared = Layer.mergeAll(
  layerStorage,
  MessageStorage.layerNoop,
  RpcSerialization.layerSchemaBinary(),
  Layer.succeed(References.MinimumLogLevel, "Warn")
)

/** A runner, whose rooms tell its port. */
const runner = Effect.gen(function*() {
  const server = yield* Layer.build(WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0 }))
  const { address } = yield* SocketServer.SocketServer.pipe(Effect.provideContext(server))
  const port = address._tag === "UnixPathAddress" ? 0 : address.port
  const rooms = Room.toLayer(Room.of({
    Where: () => Effect.succeed(port),
    Count: ({ payload }) => Stream.range(1, payload.to)
  }))
  const context = yield* Layer.build(
    Layer.provideMerge(rooms, SocketRunner.layer).pipe(
      Layer.provide([Layer.succeedContext(server), layerClientProtocol, layerPing]),
      Layer.provide(config(Option.some(RunnerAddress.make("127.0.0.1", port))))
    )
  )
  return { port, context }
})

const layerPing = RunnerHealth.layerPing.pipe(Layer.provide(Runners.layerRpc), Layer.provide(layerClientProtocol))

const client = Layer.build(
  SocketRunner.layerClientOnly.pipe(Layer.provide(layerClientProtocol), Layer.provide(config(Option.none())))
)

/** Asks as many rooms as there are names, and answers the ports that they are at. */
const ask = Effect.fnUntraced(function*(names: ReadonlyArray<string>) {
  const room = yield* Room.client
  return new Set(yield* Effect.forEach(names, (name) => room(name).Where(), { concurrency: "unbounded" }))
})

const names = Array.from({ length: 50 }, (_, i) => `room ${i}`)

/** Asks until the rooms are where they should be: it takes the runners a while to hear of each other. */
const askUntil = (ports: ReadonlyArray<number>) =>
  ask(names).pipe(
    Effect.repeat({ until: (found) => found.size === ports.length, schedule: Schedule.spaced("20 millis") }),
    Effect.map((found) => assert.sameMembers([...found], [...ports]))
  )

const within = <A, E, R, S>(effect: Effect.Effect<A, E, R>, context: Context.Context<S>) =>
  Effect.provideContext(effect, context)

describe("a cluster", () => {
  it.live("of two runners: each reaches the rooms of both, and so does a client", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* runner, yield* runner]
      const ports = [first.port, second.port]
      for (const { context } of [first, second, { context: yield* client }]) {
        yield* within(askUntil(ports), context)
      }
    }).pipe(Effect.scoped, Effect.provide(shared)))

  it.live("streams an answer from room to client", () =>
    Effect.gen(function*() {
      yield* runner
      const counted = Effect.flatMap(Room.client, (room) => Stream.runCollect(room("a").Count({ to: 100 })))
      const numbers = yield* within(counted, yield* client)
      assert.deepStrictEqual(numbers, Array.from({ length: 100 }, (_, i) => i + 1))
    }).pipe(Effect.scoped, Effect.provide(shared)))

  it.live("goes on without a runner that has left", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const [stays, leaves] = [yield* runner, yield* Scope.provide(runner, scope)]
      const context = yield* client
      yield* within(askUntil([stays.port, leaves.port]), context)
      yield* Scope.close(scope, Exit.void)
      yield* within(askUntil([stays.port]), context)
    }).pipe(Effect.scoped, Effect.provide(shared)))
})
