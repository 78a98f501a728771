import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { Socket } from "node:net"
import { asText } from "./support/frames.ts"
import { dial, exchange, request, serve } from "./support/http.ts"
import { serving, takeClose, takeHead } from "./support/server.ts"
import { Steps } from "./support/stepping.ts"
import { event, reasonOf } from "./support/streams.ts"

describe("The interruption of run", () => {
  it.live("leaves the server listening: clients wait for the next to run, and are nobody else's", () =>
    Effect.gen(function*() {
      const gate = yield* Deferred.make<void>()
      const { fiber, port, server } = yield* serving((ws) => ws.receive)
      yield* Fiber.interrupt(fiber)
      const socket = yield* dial(port)
      socket.write(request())
      // By the time that this is answered the other was read.
      yield* exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      assert.strictEqual(socket.bytesRead, 0)
      yield* Effect.forkScoped(server.run(() => Deferred.await(gate)), { startImmediately: true })
      assert.strictEqual((yield* takeHead(socket)).status, 101)
      yield* Effect.forkScoped(server.run((ws) => ws.send("another")), { startImmediately: true })
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual(yield* takeClose(socket), 1000)
      socket.destroy()
    }))

  it.live("drains its own connections, and no others: of two that run the later gets the clients", () =>
    Effect.gen(function*() {
      const greet = (greeting: string): WebsocketServer.Handler<void, unknown, never> => (ws) =>
        Effect.andThen(ws.send(greeting), Effect.forever(Effect.flatMap(ws.receive, (message) => ws.send(message))))
      const { fiber: first, server, url } = yield* serving(greet("first"))
      const one = yield* WebsocketClient.connect(url)
      const second = yield* Effect.forkScoped(server.run(greet("second")), { startImmediately: true })
      const two = yield* WebsocketClient.connect(url)
      assert.deepStrictEqual([asText(yield* one.receive), asText(yield* two.receive)], ["first", "second"])
      yield* Fiber.interrupt(second)
      assert.deepInclude(yield* reasonOf(two.receive), { _tag: "Closed", code: 1001 })
      yield* one.send("still here")
      assert.strictEqual(asText(yield* one.receive), "still here")
      const three = yield* WebsocketClient.connect(url)
      assert.strictEqual(asText(yield* three.receive), "first")
      yield* Fiber.interrupt(first)
    }))

  for (const operations of [3, 4, 5, 7, 10]) {
    it.effect(`at any step of an upgrade answers it, by a 503 or an end; a fiber yields after ${operations}`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* serve
        const service = yield* WebsocketServer.attach(server)
        const answers = new Set<string>()
        // The clock stands still: nobody is waited for.
        for (let point = 0, hasMore = true; hasMore; point++) {
          const steps = new Steps()
          // An admission of some steps: without one there is nothing between the request and its answer.
          const admit = Effect.replicateEffect(Effect.void, 30, { discard: true })
          const fiber = yield* steps.fork(operations, service.run((ws) => ws.receive, { admit }))
          yield* steps.settle
          const arrival = yield* Effect.forkChild(event(server, "upgrade"), { startImmediately: true })
          const socket = yield* dial(port)
          socket.write(request())
          yield* Fiber.join(arrival)
          for (let step = 0; step < point && hasMore; step++) hasMore = steps.step()
          const answer = yield* Effect.forkChild(takeAnswer(socket), { startImmediately: true })
          const ending = yield* Effect.forkChild(Fiber.interrupt(fiber), { startImmediately: true })
          yield* steps.untilEnded(ending)
          answers.add(yield* Fiber.join(answer))
        }
        assert.deepStrictEqual([...answers], ["503", "101 1001"])
      }))
  }
})

const takeAnswer = Effect.fnUntraced(function*(socket: Socket) {
  const { status } = yield* takeHead(socket)
  const answer = status === 101 ? `101 ${yield* takeClose(socket)}` : `${status}`
  socket.destroy()
  return answer
})
