/** Reading: ours beside Effect's own. See docs/comparison.md. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import { clients, servers } from "./support/columns.ts"
import { asClient, asServer, closed, type Connected, outcomeOf } from "./support/comparing.ts"
import * as Raw from "./support/rawFrames.ts"
import type { RawPeer } from "./support/rawPeer.ts"
import { settled } from "./support/settled.ts"

type Connecting = Effect.Effect<Connected, unknown, Scope.Scope>

const many = 4096
const size = 16 * 1024

/** Sends 64 MiB, and a ping. */
const pour = ({ role, socket }: RawPeer): void => {
  const frame = Raw.encode({ opcode: Raw.binary, payload: new Uint8Array(size) }, role === "client")
  for (let i = 0; i < many; i++) socket.write(frame)
  socket.write(Raw.encode({ opcode: Raw.ping }, role === "client"))
}

/** Pulls once when the peer can send no more: whether it had sent all, and how many messages came. */
const pullLate = (connecting: Connecting) =>
  Effect.gen(function*() {
    const { peer, reader } = yield* connecting
    pour(peer)
    yield* settled(() => peer.socket.writableLength)
    // The pong is behind them all.
    const sent = peer.waiting() > 0
    let pulled = (yield* reader.pull).length
    const first = pulled
    while (pulled < many) pulled += (yield* reader.pull).length
    const pong = yield* peer.frame
    return { sent, first: first * size, pulled, pong: pong.opcode }
  }).pipe(Effect.scoped)

const text = (payload: string): Raw.Shape => ({ opcode: Raw.text, payload })

/** Two fibers pull, and two messages come one after the other: what became of both, and what a third pull gives. */
const pullTwice = (connecting: Connecting) =>
  Effect.gen(function*() {
    const { peer, reader: { pull } } = yield* connecting
    const first = yield* Effect.forkScoped(pull, { startImmediately: true })
    const second = yield* Effect.forkScoped(pull, { startImmediately: true })
    // A pong says that whatever came before its ping has been dealt with.
    yield* peer.send([text("one"), { opcode: Raw.ping }])
    yield* peer.frame
    yield* peer.send([text("two"), { opcode: Raw.ping }])
    yield* peer.frame
    yield* peer.send([text("three"), { opcode: Raw.ping }])
    yield* peer.frame
    const third: ReadonlyArray<unknown> = yield* pull
    const had = (fiber: Fiber.Fiber<unknown, unknown>) => {
      const exit = fiber.pollUnsafe()
      return exit?._tag === "Success" ? exit.value : outcomeOf(exit)
    }
    return { first: had(first), second: had(second), third }
  }).pipe(Effect.scoped)

/** Pulls, and the peer closes without ending TCP; then it does. */
const pullToClose = (connecting: Connecting) =>
  Effect.gen(function*() {
    const { peer, reader: { pull } } = yield* connecting
    const pulling = yield* Effect.forkScoped(pull, { startImmediately: true })
    yield* peer.send([{ opcode: Raw.close, payload: Raw.closeBody(4001, "bye") }])
    const answer = yield* peer.frame
    yield* settled(peer.waiting)
    const open = outcomeOf(pulling.pollUnsafe())
    yield* peer.end
    return { answer: answer.opcode, open, ended: outcomeOf(yield* Fiber.await(pulling)) }
  }).pipe(Effect.scoped)

describe("a program that does not pull", () => {
  const stops = (connecting: Connecting, most: number) =>
    Effect.gen(function*() {
      const { first, pong, pulled, sent } = yield* pullLate(connecting)
      assert.isFalse(sent)
      assert.isAtMost(first, most)
      assert.deepStrictEqual([pulled, pong], [many, Raw.pong])
    })

  it.live("client: ours and ws stop the peer, one pull of the global client gives all 64 MiB", () =>
    Effect.gen(function*() {
      yield* stops(asClient(clients.ours), 256 * 1024)
      yield* stops(asClient(clients.ws), 256 * 1024)
      assert.deepStrictEqual(yield* pullLate(asClient(clients.global)), {
        sent: true,
        first: many * size,
        pulled: many,
        pong: Raw.pong
      })
    }))

  it.live("server: ours and ws stop the peer", () =>
    Effect.gen(function*() {
      yield* stops(asServer(servers.ours), 256 * 1024)
      yield* stops(asServer(servers.ws), 256 * 1024)
    }))
})

describe("two pulls at a time", () => {
  const each = { first: ["one"], second: ["two"], third: ["three"] }
  const orphaned = { first: "pending", second: ["one"], third: ["two", "three"] }

  it.live("client: each of ours gets a message, the first of ws and the global client waits for ever", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pullTwice(asClient(clients.ours)), each)
      assert.deepStrictEqual(yield* pullTwice(asClient(clients.ws)), orphaned)
      assert.deepStrictEqual(yield* pullTwice(asClient(clients.global)), orphaned)
    }))

  it.live("server: each of ours gets a message, the first of ws waits for ever", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pullTwice(asServer(servers.ours)), each)
      assert.deepStrictEqual(yield* pullTwice(asServer(servers.ws)), orphaned)
    }))
})

describe("a Close frame, and TCP left open", () => {
  const atOnce = { answer: Raw.close, open: closed(4001, "bye"), ended: closed(4001, "bye") }
  const late = { answer: Raw.close, open: "pending", ended: closed(4001, "bye") }

  it.live("client: ours sees it at once, ws and the global client when TCP ends", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pullToClose(asClient(clients.ours)), atOnce)
      assert.deepStrictEqual(yield* pullToClose(asClient(clients.ws)), late)
      assert.deepStrictEqual(yield* pullToClose(asClient(clients.global)), late)
    }))

  it.live("server: ours sees it at once, ws when TCP ends", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* pullToClose(asServer(servers.ours)), atOnce)
      assert.deepStrictEqual(yield* pullToClose(asServer(servers.ws)), late)
    }))
})
