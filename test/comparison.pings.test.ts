/** Pings: ours beside Effect's own. See docs/comparison.md. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient } from "@websocket-stream/node"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as TestClock from "effect/testing/TestClock"
import { clients, type Connect, servers } from "./support/columns.ts"
import { asClient, asServer } from "./support/comparing.ts"
import * as Raw from "./support/rawFrames.ts"
import * as RawPeer from "./support/rawPeer.ts"
import { settled } from "./support/settled.ts"

describe("a ping", () => {
  it.effect("ours is sent by a word, and measures the round trip; a Socket of Effect's has no word for it", () =>
    Effect.gen(function*() {
      const { accepted, url } = yield* RawPeer.wait()
      const [peer, ws] = yield* Effect.all([accepted, WebsocketClient.connect(url)], { concurrency: "unbounded" })
      const answer = Effect.gen(function*() {
        const { opcode, payload } = yield* peer.frame
        assert.strictEqual(opcode, Raw.ping)
        yield* TestClock.adjust("30 millis")
        yield* peer.send([{ opcode: Raw.pong, payload }])
      })
      const [roundTrip] = yield* Effect.all([ws.ping(), answer], { concurrency: "unbounded" })
      peer.socket.destroy()
      assert.strictEqual(Duration.toMillis(roundTrip), 30)
      assert.deepStrictEqual(yield* ws.roundTrip, Option.some(roundTrip))

      const words = (connect: Connect) =>
        Effect.map(asClient(connect), ({ reader, writer }) => [...Object.keys(reader), ...Object.keys(writer)])
      assert.deepStrictEqual(yield* words(clients.ws), ["pull", "upgrade", "write", "writeAll"])
      assert.deepStrictEqual(yield* words(clients.global), ["pull", "upgrade", "write", "writeAll"])
    }))
})

describe("a client that falls silent", () => {
  it.effect("server: ours pings it and then cuts it, ws waits for ever", () =>
    Effect.gen(function*() {
      const { peer: ours } = yield* asServer(servers.ours)
      // Deadlines are kept to within half of the shortest of them.
      yield* TestClock.adjust("32500 millis")
      assert.strictEqual((yield* ours.frame).opcode, Raw.ping)
      yield* TestClock.adjust("45 seconds")
      yield* ours.rest

      const { peer: theirs } = yield* asServer(servers.ws)
      yield* TestClock.adjust("2 minutes")
      yield* settled(theirs.waiting)
      assert.deepStrictEqual([theirs.waiting(), theirs.hasEnded()], [0, false])
    }))
})
