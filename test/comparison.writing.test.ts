/** Writing: ours beside Effect's own. See docs/comparison.md. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { until } from "../packages/node/test/support/turns.ts"
import { clients, servers } from "./support/columns.ts"
import { asClient, asServer, closed, type Connected, outcomeOf } from "./support/comparing.ts"
import * as Raw from "./support/rawFrames.ts"
import { settled } from "./support/settled.ts"

type Connecting = Effect.Effect<Connected, unknown, Scope.Scope>

const many = 2000
const size = 64 * 1024
const chunk = new Uint8Array(size)

/** Writes to a peer that never reads, until it can get no further; then the peer vanishes. */
const flood = (connecting: Connecting) =>
  Effect.gen(function*() {
    const { peer, under, writer } = yield* connecting
    yield* peer.pause
    let written = 0
    const write = Effect.tap(writer.write(chunk), Effect.sync(() => written++))
    const writing = yield* Effect.forkScoped(Effect.replicateEffect(write, many, { discard: true }), {
      startImmediately: true
    })
    yield* until(() => under.writableNeedDrain)
    yield* settled(() => written)
    const result = { written, held: under.writableLength, outcome: outcomeOf(writing.pollUnsafe()) }
    peer.socket.destroy()
    return { ...result, end: outcomeOf(yield* Fiber.await(writing)) }
  }).pipe(Effect.scoped)

/** Writes when the peer has closed, and has our answer. */
const writeLate = (connecting: Connecting) =>
  Effect.gen(function*() {
    const { peer, writer } = yield* connecting
    yield* peer.send([{ opcode: Raw.close, payload: Raw.closeBody(4001, "bye") }])
    const answer = yield* peer.frame
    const outcome = outcomeOf(yield* Effect.exit(writer.write("late")))
    yield* peer.end
    return { answer: answer.opcode, outcome, behind: yield* peer.rest }
  }).pipe(Effect.scoped)

describe("a peer that never reads", () => {
  const waits = (connecting: Connecting) =>
    Effect.gen(function*() {
      const { end, held, outcome, written } = yield* flood(connecting)
      assert.strictEqual(outcome, "pending")
      assert.isBelow(written, many / 4)
      // What Node holds before it says that it is full, and one message more.
      assert.isBelow(held, 3 * size)
      assert.deepInclude(end, { code: 1006 })
    })

  const takesAll = (connecting: Connecting) =>
    Effect.gen(function*() {
      const { end, held, outcome, written } = yield* flood(connecting)
      assert.deepStrictEqual([outcome, written, end], ["success", many, "success"])
      // All but what the system took off its hands.
      assert.isAbove(held, many * size * 3 / 4)
    })

  it.live("client: ours waits, ws and the global client take 2,000 writes and hold them", () =>
    Effect.gen(function*() {
      yield* waits(asClient(clients.ours))
      yield* takesAll(asClient(clients.ws))
      yield* takesAll(asClient(clients.global))
    }))

  it.live("server: ours waits, ws takes 2,000 writes and holds them", () =>
    Effect.gen(function*() {
      yield* waits(asServer(servers.ours))
      yield* takesAll(asServer(servers.ws))
    }))
})

describe("a write after the peer closed", () => {
  const dropped = { answer: Raw.close, outcome: "success", behind: [] }
  const failed = { answer: Raw.close, outcome: closed(4001, "bye"), behind: [] }

  it.live("client: ours fails with the close code, ws and the global client succeed and drop it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* writeLate(asClient(clients.ours)), failed)
      assert.deepStrictEqual(yield* writeLate(asClient(clients.ws)), dropped)
      assert.deepStrictEqual(yield* writeLate(asClient(clients.global)), dropped)
    }))

  it.live("server: ours fails with the close code, ws succeeds and drops it", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* writeLate(asServer(servers.ours)), failed)
      assert.deepStrictEqual(yield* writeLate(asServer(servers.ws)), dropped)
    }))
})
