/** Clients that leave, each in its way, while their server drains. */
import { assert, describe, it } from "@effect/vitest"
import { type Websocket, WebsocketError, WebsocketMetrics, WebsocketServer } from "@websocket-stream/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as TestClock from "effect/testing/TestClock"
import { createServer, type Server } from "node:http"
import * as http from "../packages/node/test/support/http.ts"
import { turn, until } from "../packages/node/test/support/turns.ts"
import { Gauge, report, show } from "./support/memory.ts"
import * as Raw from "./support/rawFrames.ts"
import * as RawPeer from "./support/rawPeer.ts"
import { resources } from "./support/resources.ts"

/** How a client leaves, in equal parts. The clean ones close on their own, or agree when they are asked to leave. */
const ways = ["closes", "is reset", "ends", "is silent", "agrees", "is reset", "ends", "is silent"] as const

type Way = (typeof ways)[number]

interface Client {
  readonly way: Way
  readonly peer: RawPeer.RawPeer
}

/** What became of a connection, as its handler was told. */
interface End {
  readonly exit: string
  readonly code: number
  readonly clean: boolean
}

/** What the server's handlers saw. */
interface Served {
  /** Whose scope is open. */
  open: number
  readonly ends: Array<End & { readonly way: string }>
}

/** Dials and talks. */
const arrive = Effect.fnUntraced(function*(port: number, way: Way) {
  const peer = yield* RawPeer.dial(port)
  yield* peer.send([{ opcode: Raw.text, payload: way }])
  assert.strictEqual((yield* peer.frame).payload.toString(), way)
  const client: Client = { way, peer }
  return client
})

/** Leaves, and waits until the server has let go. */
const leave = ({ peer, way }: Client) =>
  Effect.gen(function*() {
    if (way === "is reset") peer.socket.resetAndDestroy()
    if (way === "ends") yield* peer.end
    if (way === "closes") yield* peer.send([{ opcode: Raw.close, payload: Raw.closeBody(1000) }])
    if (way === "agrees") {
      const { payload } = yield* peer.frame
      yield* peer.send([{ opcode: Raw.close, payload }])
    }
    yield* peer.ended
    yield* peer.end
  })

const handler = (served: Served) => (ws: Websocket.Websocket["Service"]) =>
  Effect.gen(function*() {
    yield* Effect.acquireRelease(Effect.sync(() => served.open++), () => Effect.sync(() => served.open--))
    const hello = yield* ws.receive
    yield* ws.send(hello)
    const way = hello._tag === "Text" ? hello.text : ""
    yield* Effect.onExit(ws.receive, (exit) =>
      Effect.map(ws.closed, ({ clean, received }) =>
        served.ends.push({ way, exit: nameOf(exit), code: received.code, clean })))
  })

/** How a handler ended that received. */
const nameOf = (exit: Exit.Exit<unknown, WebsocketError.ReadError>): string => {
  if (Exit.isSuccess(exit)) return "success"
  const error = Cause.squash(exit.cause)
  if (!WebsocketError.isReadError(error)) return Cause.hasInterruptsOnly(exit.cause) ? "interrupted" : String(error)
  return error.reason._tag === "Closed" ? `${error.reason.code}` : error.reason._tag
}

/** The clients come, and leave as the server drains, before it, at it and after it. Answers how many ended how. */
const scene = (count: number) =>
  Effect.gen(function*() {
    const served: Served = { open: 0, ends: [] }
    const server = createServer()
    const port = yield* http.listen(server)
    const { run } = yield* WebsocketServer.attach(server, { metrics: true, drainDeadline })
    const running = yield* Effect.forkScoped(run(handler(served)), { startImmediately: true })
    const all = Array.from({ length: count }, (_, i) => ways[i % ways.length]!)
    const clients = yield* Effect.forEach(all, (way) => arrive(port, way), { concurrency: 50 })
    assert.strictEqual(served.open, count)
    const leaving: Array<Fiber.Fiber<unknown>> = []
    const cut: Array<Fiber.Fiber<unknown>> = []
    for (const [i, client] of clients.entries()) {
      const fiber = yield* Effect.forkScoped(leave(client), { startImmediately: true })
      if (client.way === "is silent") cut.push(fiber)
      else leaving.push(fiber)
      if (i + 1 === count / 2) {
        cut.push(yield* Effect.forkScoped(Fiber.interrupt(running), { startImmediately: true }))
      }
      if (i % 50 === 0) yield* turn
    }
    yield* Fiber.joinAll(leaving)
    // The silent ones are waited for so long.
    yield* TestClock.adjust(drainDeadline)
    yield* Fiber.joinAll(cut)
    assert.deepStrictEqual([served.open, served.ends.length, yield* connectionsOf(server)], [0, count, 0])
    return tally(served.ends)
  }).pipe(Effect.scoped)

// Less than a peer has to answer a Close frame, so that it is this that cuts the silent ones.
const drainDeadline = "2 seconds"

const connectionsOf = (server: Server): Effect.Effect<number> =>
  Effect.promise(() => new Promise((resolve) => server.getConnections((_, count) => resolve(count))))

const tally = (ends: Served["ends"]): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = {}
  for (const { clean, code, exit, way } of ends) {
    const end = `${way}: ${exit}, ${code}${clean ? ", clean" : ""}`
    counts[end] = (counts[end] ?? 0) + 1
  }
  return counts
}

/** What is expected of so many. One that is silent is cut, and its handler interrupted. */
const tallyOf = (count: number) => ({
  "closes: 1000, 1000, clean": count / 8,
  "agrees: 1001, 1001, clean": count / 8,
  "is reset: Io, 1006": count / 4,
  "ends: 1006, 1006": count / 4,
  "is silent: interrupted, 1006": count / 4
})

const liveFibers = Effect.map(Metric.snapshot, (metrics) => {
  const gauge = metrics.find(({ id }) => id === "child_fibers_active")
  return gauge?.type === "Gauge" ? gauge.state.value : undefined
})

const counted = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  self.pipe(
    Effect.provideService(Metric.FiberRuntimeMetrics, Metric.FiberRuntimeMetricsImpl),
    Effect.provideService(Metric.MetricRegistry, new Map())
  )

// One after the other, because they look at the whole process.
describe("clients that leave while the server drains", { concurrent: false }, () => {
  it.effect("a thousand of them: every scope closes, every end is told as it was, and nothing is left", () =>
    counted(Effect.gen(function*() {
      const count = 1000
      const before = resources()
      assert.deepStrictEqual(yield* scene(count), tallyOf(count))
      assert.strictEqual(yield* liveFibers, 0)
      assert.deepInclude(yield* Metric.value(WebsocketMetrics.connectionsOpen), { value: 0 })
      assert.deepInclude(yield* Metric.value(WebsocketMetrics.bytesBuffered), { value: 0 })
      yield* until(() => Object.entries(resources()).every(([kind, now]) => now <= (before[kind] ?? 0)))

      const gauge = new Gauge()
      yield* scene(count)
      const grown = gauge.look().objects
      yield* report(`departures: another ${count} connections leave ${show(grown)} behind`)
      // A connection that is kept weighs several times as much.
      assert.isBelow(grown, count * 1024)
    })))

  it.effect("the metric has 1000 or 1001 for the clean ones, and 1006 for the others", () =>
    counted(Effect.gen(function*() {
      const count = 80
      yield* scene(count)
      const { occurrences } = yield* Metric.value(WebsocketMetrics.closes)
      const clean = (occurrences.get("1000") ?? 0) + (occurrences.get("1001") ?? 0)
      assert.deepStrictEqual([clean, occurrences.get("1006")], [count / 4, count * 3 / 4])
    })))
})
