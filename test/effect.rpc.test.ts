/** Effect's RPC, its client and its server, over our connections. */
import { assert, describe, it } from "@effect/vitest"
import type { Message } from "@websocket-stream/core"
import { WebsocketServer, WebsocketSocket } from "@websocket-stream/node"
import * as Arr from "effect/Array"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcClient from "effect/rpc/RpcClient"
import { RpcClientError } from "effect/rpc/RpcClientError"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { turn } from "../packages/node/test/support/turns.ts"
import * as Relay from "./support/relay.ts"

class Procedures extends RpcGroup.make(
  Rpc.make("Upper", { payload: { text: Schema.String }, success: Schema.String, error: Schema.Literal("empty") }),
  Rpc.make("Count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true }),
  Rpc.make("Letters", { payload: { count: Schema.Int }, success: Schema.String }),
  Rpc.make("Wait")
) {}

interface ServerOptions extends WebsocketServer.Options {
  readonly concurrency?: number
}

/** A server of the procedures, and what happens in it. */
const serve = Effect.fnUntraced(function*({ concurrency = 1000, ...options }: ServerOptions = {}) {
  const letters = { begun: 0, answered: 0 }
  const waiting = yield* Queue.unbounded<void>()
  const interrupted = yield* Queue.unbounded<"Count" | "Wait">()
  const disconnected = yield* Queue.unbounded<number>()
  const noteInterrupt = (name: "Count" | "Wait") => <A, E>(exit: Exit.Exit<A, E>) =>
    Exit.hasInterrupts(exit) ? Queue.offer(interrupted, name) : Effect.void
  const handlers = Procedures.toLayer({
    Upper: ({ text }) => (text === "" ? Effect.fail("empty" as const) : Effect.succeed(text.toUpperCase())),
    Count: ({ to }) => Stream.onExit(Stream.rechunk(Stream.range(1, to), 1), noteInterrupt("Count")),
    Letters: Effect.fnUntraced(function*({ count }) {
      letters.begun++
      // The scope of a request ends behind its answer.
      yield* Effect.addFinalizer(() => Effect.sync(() => letters.answered++))
      return "a".repeat(count)
    }),
    Wait: () => Effect.andThen(Queue.offer(waiting, undefined), Effect.onExit(Effect.never, noteInterrupt("Wait")))
  })
  const server = RpcServer.layer(Procedures, { concurrency, onDisconnect: (id) => Queue.offer(disconnected, id) }).pipe(
    Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
    Layer.provideMerge(WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0, ...options }))
  )
  const { address } = yield* Effect.provideContext(SocketServer.SocketServer, yield* Layer.build(server))
  const port = address._tag === "UnixPathAddress" ? 0 : address.port
  return { port, letters, waiting, interrupted, disconnected }
})

const connect = Effect.fnUntraced(function*(port: number) {
  const protocol = RpcClient.layerProtocolSocket({ retryPolicy: Schedule.spaced("10 millis") }).pipe(
    Layer.provide(WebsocketSocket.layerSocket(`ws://127.0.0.1:${port}/`))
  )
  return yield* Effect.provideContext(RpcClient.make(Procedures), yield* Layer.build(protocol))
})

const serializations = [
  ["json", RpcSerialization.layerJson],
  ["ndjson", RpcSerialization.layerNdjson],
  ["binary", RpcSerialization.layerSchemaBinary()]
] as const

for (const [name, serialization] of serializations) {
  describe(`RPC in ${name}`, () => {
    it.live("answers, and fails as the procedure does", () =>
      Effect.gen(function*() {
        const client = yield* connect((yield* serve()).port)
        assert.strictEqual(yield* client.Upper({ text: "Hello" }), "HELLO")
        assert.strictEqual(yield* Effect.flip(client.Upper({ text: "" })), "empty")
      }).pipe(Effect.provide(serialization)))

    it.live("streams", () =>
      Effect.gen(function*() {
        const client = yield* connect((yield* serve()).port)
        const numbers = yield* Stream.runCollect(client.Count({ to: 1000 }))
        assert.deepStrictEqual(numbers, Array.from({ length: 1000 }, (_, i) => i + 1))
      }).pipe(Effect.provide(serialization)))

    it.live("interrupts a stream that is not taken to its end", () =>
      Effect.gen(function*() {
        const { interrupted, port } = yield* serve()
        const client = yield* connect(port)
        yield* Stream.runDrain(Stream.take(client.Count({ to: 1e9 }), 10))
        assert.strictEqual(yield* Queue.take(interrupted), "Count")
        assert.strictEqual(yield* client.Upper({ text: "b" }), "B")
      }).pipe(Effect.provide(serialization)))

    it.live("answers many at a time, each with its own, large and small", () =>
      Effect.gen(function*() {
        const client = yield* connect((yield* serve()).port)
        const counts = Array.from({ length: 100 }, (_, i) => i * 2000)
        const answers = yield* Effect.forEach(counts, (count) => client.Letters({ count }), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(answers.map(({ length }) => length), counts)
      }).pipe(Effect.provide(serialization)))
  })
}

/** Logs of what should not happen. */
const alarms = () => {
  const messages: Array<unknown> = []
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    if (logLevel === "Warn" || logLevel === "Error" || logLevel === "Fatal") {
      messages.push([message, Cause.pretty(cause)])
    }
  })
  return { messages, layer: Logger.layer([logger]) }
}

/** Waits until something has not changed for a while: whoever waits by then waits for somebody else. */
const untilStill = Effect.fnUntraced(function*(look: () => number) {
  let last = look()
  for (let still = 0; still < 200; still++) {
    yield* turn
    if (look() !== last) still = 0
    last = look()
  }
  return last
})

describe("a client that vanishes in the middle of a stream", () => {
  const ways: ReadonlyArray<readonly [string, (relay: Relay.Relay, scope: Scope.Closeable) => Effect.Effect<void>]> = [
    ["with a proper close", (_, scope) => Scope.close(scope, Exit.void)],
    ["by a reset", (relay) => relay.reset],
    ["frozen first, and then by a reset", (relay) => Effect.andThen(relay.stall("server"), relay.reset)]
  ]
  for (const [way, vanish] of ways) {
    it.live(`${way}: its handlers are interrupted, and others are served`, () => {
      const { layer, messages } = alarms()
      return Effect.gen(function*() {
        const server = yield* serve()
        const relay = yield* Relay.make(server.port)
        const other = yield* connect(server.port)
        const counted = yield* Queue.unbounded<number>()
        const streaming = Stream.runForEach(other.Count({ to: 1e9 }), (n) => Queue.offer(counted, n))
        yield* Effect.forkScoped(streaming)
        const scope = yield* Scope.fork(yield* Effect.scope)
        const client = yield* Scope.provide(connect(relay.port), scope)
        const numbers = yield* Queue.unbounded<number>()
        yield* Effect.forkIn(
          Effect.exit(Stream.runForEach(client.Count({ to: 1e9 }), (n) => Queue.offer(numbers, n))),
          scope
        )
        yield* Effect.forkIn(Effect.exit(client.Wait()), scope)
        yield* Queue.take(server.waiting)
        while ((yield* Queue.take(numbers)) < 100);
        yield* vanish(relay, scope)
        const ended = [yield* Queue.take(server.interrupted), yield* Queue.take(server.interrupted)]
        assert.sameMembers(ended, ["Count", "Wait"])
        yield* Queue.take(server.disconnected)
        const sofar = (yield* Queue.clear(counted)).at(-1) ?? 0
        while ((yield* Queue.take(counted)) < sofar + 100);
        assert.strictEqual(yield* other.Upper({ text: "still there" }), "STILL THERE")
        assert.deepStrictEqual(messages, [])
      }).pipe(Effect.provide([RpcSerialization.layerNdjson, layer]))
    })
  }
})

/** So many calls of so many letters that no socket holds all of them. */
const calls = 400
const count = 64 * 1024
const many = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.forEach(Array.from({ length: calls }), () => Effect.exit(call), { concurrency: "unbounded" })

describe("a client that stops reading", () => {
  it.live("holds up as many handlers as may run, and no more, until it is gone", () =>
    Effect.gen(function*() {
      const server = yield* serve({ concurrency: 16 })
      const relay = yield* Relay.make(server.port)
      const [client, other] = [yield* connect(relay.port), yield* connect(server.port)]
      yield* client.Upper({ text: "a" })
      yield* other.Upper({ text: "a" })
      yield* relay.stall("server")
      const asking = yield* Effect.forkScoped(many(client.Letters({ count })))
      const begun = yield* untilStill(() => server.letters.begun)
      assert.isBelow(begun, calls)
      assert.strictEqual(begun - server.letters.answered, 16)
      // All clients share the handlers.
      const waiting = yield* Effect.forkScoped(other.Upper({ text: "b" }), { startImmediately: true })
      yield* untilStill(() => server.letters.begun)
      assert.isUndefined(waiting.pollUnsafe())
      yield* relay.reset
      assert.strictEqual(yield* Fiber.join(waiting), "B")
      assertLost(yield* Fiber.join(asking))
    }).pipe(Effect.provide(RpcSerialization.layerNdjson)))

  it.live("and is silent is cut by the server", () =>
    Effect.gen(function*() {
      const server = yield* serve({ concurrency: 16, heartbeat: "200 millis", idleDeadline: "1 second" })
      const relay = yield* Relay.make(server.port)
      const [client, other] = [yield* connect(relay.port), yield* connect(server.port)]
      yield* client.Upper({ text: "a" })
      yield* relay.stall("server")
      yield* Effect.forkScoped(many(client.Letters({ count })))
      while (server.letters.begun < 16) yield* turn
      yield* relay.stall("client")
      assert.strictEqual(yield* other.Upper({ text: "b" }), "B")
      yield* Queue.take(server.disconnected)
      // Or the client would wait for the stalled server to agree to the end.
      yield* relay.reset
    }).pipe(Effect.provide(RpcSerialization.layerNdjson)))
})

describe("a server that vanishes", () => {
  it.live("fails the calls that wait for room, as it fails the others, and is found again", () =>
    Effect.gen(function*() {
      const server = yield* serve()
      const relay = yield* Relay.make(server.port)
      const client = yield* connect(relay.port)
      yield* client.Upper({ text: "a" })
      yield* relay.stall("client")
      const asking = yield* Effect.forkScoped(many(client.Upper({ text: "a".repeat(count) })))
      yield* turn
      assert.isUndefined(asking.pollUnsafe())
      yield* relay.reset
      assertLost(yield* Fiber.join(asking))
      const again = client.Upper({ text: "b" }).pipe(Effect.retry(Schedule.spaced("10 millis")))
      assert.strictEqual(yield* again, "B")
    }).pipe(Effect.provide(RpcSerialization.layerNdjson)))
})

/** As many calls as wait for an answer at a time. */
const callers = 500

/** A server that answers all calls, and leaves, in one piece: the client knows of the end while it is busy with the answers. */
const leaving = Effect.fnUntraced(function*(answerTo: (requestId: string) => string) {
  const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
  yield* Effect.forkScoped(server.run((ws) =>
    Effect.gen(function*() {
      const ids: Array<string> = []
      while (ids.length < callers) ids.push(...(yield* ws.receiveAll).flatMap(requestIds))
      if (Arr.isReadonlyArrayNonEmpty(ids)) yield* ws.sendAll(Arr.map(ids, answerTo))
    })
  ))
  return yield* connect("port" in server.address ? server.address.port : 0)
})

describe("a server that leaves behind its answers", () => {
  it.live("fails the calls that were made on those, as it fails the others", () =>
    Effect.gen(function*() {
      const client = yield* leaving(exitOf)
      const twice = Effect.andThen(client.Upper({ text: "a" }), Effect.exit(client.Upper({ text: "b" })))
      const second = yield* Effect.all(Array.from({ length: callers }, () => twice), { concurrency: "unbounded" })
      assertLost(second, 1000)
    }).pipe(Effect.provide(RpcSerialization.layerNdjson)))

  it.live("fails the streams that acknowledge those", () =>
    Effect.gen(function*() {
      const client = yield* leaving(chunkOf)
      const counted = Effect.exit(Stream.runDrain(client.Count({ to: 1e9 })))
      assertLost(yield* Effect.replicateEffect(counted, callers, { concurrency: "unbounded" }), 1000)
    }).pipe(Effect.provide(RpcSerialization.layerNdjson)))
})

const requestIds = (message: Message.Message): ReadonlyArray<string> =>
  message._tag === "Text"
    ? message.text.trim().split("\n").map((line) => JSON.parse(line)).flatMap(({ _tag, id }) =>
      _tag === "Request" ? [id] : []
    )
    : []

const exitOf = (requestId: string): string =>
  `${JSON.stringify({ _tag: "Exit", requestId, exit: { _tag: "Success", value: "A" } })}\n`

const chunkOf = (requestId: string): string => `${JSON.stringify({ _tag: "Chunk", requestId, values: [1] })}\n`

/** Calls that failed as they should: not by a defect. */
const assertLost = (exits: ReadonlyArray<Exit.Exit<unknown, unknown>>, code = 1006): void => {
  for (const exit of exits) {
    const [reason] = Exit.isFailure(exit) ? exit.cause.reasons : []
    const error = reason !== undefined && Cause.isFailReason(reason) ? reason.error : undefined
    if (!(error instanceof RpcClientError)) return assert.fail(`a call ended with ${reason?._tag}`)
    assert.deepInclude(error.reason, { _tag: "SocketCloseError", code })
  }
}
