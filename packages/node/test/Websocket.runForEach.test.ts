import { assert, describe, it } from "@effect/vitest"
import type { Message } from "@websocket-stream/core/Message"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { duplexPair } from "node:stream"
import { asText } from "./support/frames.ts"
import { manyTurns } from "./support/server.ts"

const pair = Effect.gen(function*() {
  const [near, far] = duplexPair()
  const client = yield* WebsocketStream.make(near, { role: "client" })
  const server = yield* WebsocketStream.make(far, { role: "server" })
  return { client: yield* Websocket.make(client), server: yield* Websocket.make(server), far }
})

describe("Websocket.runForEach", () => {
  it.live("takes the messages one after the other, each once, and ends with a clean close", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const sent = Array.from({ length: 1000 }, (_, i) => `${i}`)
      const seen: Array<string> = []
      const running = yield* Effect.forkChild(server.runForEach((message) =>
        Effect.gen(function*() {
          const text = asText(message)
          // Some at once, some later: the next waits in either case.
          if (seen.length % 7 === 0) yield* Effect.yieldNow
          seen.push(text)
        })
      ))
      yield* client.send(sent[0]!)
      yield* client.sendAll(["1", ...sent.slice(2, 500)])
      yield* Effect.forEach(sent.slice(500), (text) => client.send(text))
      yield* client.close()
      yield* Fiber.join(running)
      assert.deepStrictEqual(seen, sent)
    }))

  it.live("gives all that there are at a time to those who want them so", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* client.sendAll(["a", "b", "c"])
      yield* manyTurns
      const batches = yield* Queue.unbounded<ReadonlyArray<string>>()
      yield* Effect.forkChild(server.runForEachArray((messages) => Queue.offer(batches, messages.map(asText))))
      assert.deepStrictEqual(yield* Queue.take(batches), ["a", "b", "c"])
      yield* client.send("d")
      assert.deepStrictEqual(yield* Queue.take(batches), ["d"])
    }))

  it.live("fails with the end of a connection that was not closed", () =>
    Effect.gen(function*() {
      const { far, server } = yield* pair
      const running = yield* Effect.forkChild(Effect.flip(server.runForEach(() => Effect.void)), {
        startImmediately: true
      })
      far.destroy()
      assert.strictEqual((yield* Fiber.join(running)).reason._tag, "Io")
    }))

  it.live("fails as the effect does, at once or later, and leaves the connection as it is", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      for (const before of [Effect.void, Effect.yieldNow]) {
        const running = yield* Effect.forkChild(
          Effect.flip(server.runForEach((message) => Effect.andThen(before, Effect.fail(asText(message))))),
          { startImmediately: true }
        )
        yield* client.send("no")
        assert.strictEqual(yield* Fiber.join(running), "no")
      }
      yield* client.send("still here")
      assert.strictEqual(asText(yield* server.receive), "still here")
    }))

  it.live("dies of a function that throws, and the process lives on", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const bug = new Error("a bug")
      const running = yield* Effect.forkChild(
        server.runForEach((): Effect.Effect<void> => {
          throw bug
        }),
        { startImmediately: true }
      )
      yield* client.send("boo")
      const exit = yield* Fiber.await(running)
      assert.strictEqual(Exit.isFailure(exit) && Cause.squash(exit.cause), bug)
    }))

  it.live("interrupted while it waits, loses nothing", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const running = yield* Effect.forkChild(server.runForEach(() => Effect.die("too late")), {
        startImmediately: true
      })
      yield* Fiber.interrupt(running)
      yield* client.send("kept")
      assert.strictEqual(asText(yield* server.receive), "kept")
    }))

  it.live("interrupted while the effect runs, interrupts it and waits for its end", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const [began, ended] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const running = yield* Effect.forkChild(
        server.runForEach(() =>
          Deferred.succeed(began, undefined).pipe(
            Effect.andThen(Effect.never),
            Effect.onInterrupt(() => Effect.andThen(Effect.yieldNow, Deferred.succeed(ended, undefined)))
          )
        )
      )
      yield* client.send("long")
      yield* Deferred.await(began)
      yield* Fiber.interrupt(running)
      assert.isTrue(Deferred.isDoneUnsafe(ended))
    }))

  it.live("interrupted by the first step of an effect, takes nothing of what is behind", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const [stop, seen] = [yield* Deferred.make<void>(), new Array<string>()]
      const loop = server.runForEach((message) => {
        seen.push(asText(message))
        return asText(message) === "stop" ? Deferred.succeed(stop, undefined) : Effect.void
      })
      const running = yield* Effect.forkChild(Effect.raceFirst(loop, Deferred.await(stop)), { startImmediately: true })
      yield* client.sendAll(["a", "stop", "b", "c"])
      yield* Fiber.join(running)
      assert.deepStrictEqual([asText(yield* server.receive), asText(yield* server.receive)], ["b", "c"])
      yield* client.send("d")
      assert.strictEqual(asText(yield* server.receive), "d")
      assert.deepStrictEqual(seen, ["a", "stop"])
    }))

  it.live("interrupted by the first step of an effect, takes nothing of what was there with its message, either", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const [stop, seen] = [yield* Deferred.make<void>(), new Array<string>()]
      yield* Effect.andThen(client.sendAll(["stop", "b", "c"]), manyTurns)
      const loop = server.runForEach((message) => {
        seen.push(asText(message))
        return Deferred.succeed(stop, undefined)
      })
      yield* Effect.raceFirst(Deferred.await(stop), loop)
      assert.deepStrictEqual((yield* server.receiveAll).map(asText), ["b", "c"])
      assert.deepStrictEqual(seen, ["stop"])
    }))

  it.live("leaves those behind a message whose effect fails to whoever receives next", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      yield* Effect.andThen(client.sendAll(["a", "b", "c"]), manyTurns)
      const failure = yield* Effect.flip(server.runForEach((message) => Effect.fail(asText(message))))
      assert.strictEqual(failure, "a")
      assert.deepStrictEqual((yield* server.receiveAll).map(asText), ["b", "c"])
    }))

  it.live("holds the peer up while the effect does not end", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const gate = yield* Deferred.make<void>()
      const seen: Array<number> = []
      yield* Effect.forkChild(
        server.runForEach(({ payload }) =>
          Effect.andThen(Deferred.await(gate), Effect.sync(() => seen.push(payload[0]!)))
        )
      )
      const sending = yield* Effect.forkChild(
        Effect.forEach([1, 2, 3, 4, 5, 6, 7, 8], (i) => client.send(new Uint8Array(64 * 1024).fill(i)), {
          discard: true
        })
      )
      yield* manyTurns
      assert.isUndefined(sending.pollUnsafe())
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.join(sending)
      yield* client.close()
      assert.deepStrictEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8])
    }))

  it.live("runs in the context of whoever called it", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      class Name extends Context.Service<Name, string>()("test/Name") {}
      const seen = yield* Deferred.make<string>()
      yield* server.runForEach(() => Effect.flatMap(Name, (name) => Deferred.succeed(seen, name))).pipe(
        Effect.provideService(Name, "Ada"),
        Effect.forkChild
      )
      yield* client.send("who?")
      assert.strictEqual(yield* Deferred.await(seen), "Ada")
    }))

  it.live("shares the messages with others who receive", () =>
    Effect.gen(function*() {
      const { client, server } = yield* pair
      const seen: Array<string> = []
      const take = (message: Message) => Effect.andThen(Effect.yieldNow, Effect.sync(() => seen.push(asText(message))))
      const running = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(server.runForEach(take)))
      const sent = Array.from({ length: 100 }, (_, i) => `${i}`)
      yield* Effect.forEach(sent, (text) => client.send(text))
      yield* client.close()
      yield* Effect.forEach(running, Fiber.join)
      assert.sameMembers(seen, sent)
    }))
})
