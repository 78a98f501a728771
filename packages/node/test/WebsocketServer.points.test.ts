/** An interruption at every suspension point of connecting, and of running a handler with an admission. */
import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as http from "node:http"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import * as Http from "./support/http.ts"
import { everywhere } from "./support/interrupting.ts"
import { serving, takeClose, takeHead, turn, until } from "./support/server.ts"
import { takeBytes } from "./support/streams.ts"

/** Remembers what it has dialled. */
class Dialling extends http.Agent {
  readonly dialled: Array<net.Socket> = []

  override createConnection(options: net.NetConnectOpts): Duplex {
    const socket = net.connect(options)
    this.dialled.push(socket)
    return socket
  }
}

describe("an interruption at any point of", { timeout: 60_000 }, () => {
  it.live("connect and of what follows leaves no socket, and the server with no connection", () =>
    Effect.gen(function*() {
      const codes = new Set<number>()
      let open = 0
      const { url } = yield* serving((ws) =>
        Effect.gen(function*() {
          open++
          yield* Effect.addFinalizer(() => Effect.sync(() => open--))
          yield* ws.send("welcome")
          const { received } = yield* ws.closed
          codes.add(received.code)
        })
      )
      const dialled = new Set<number>()
      const { interruptions, waiting } = yield* everywhere(Effect.sync(() => {
        const agent = new Dialling()
        const effect = Effect.scoped(Effect.flatMap(WebsocketClient.connect(url, { agent }), (ws) => ws.receive))
        const check = Effect.fnUntraced(function*() {
          assert.isTrue(agent.dialled.every((socket) => socket.destroyed))
          yield* until(() => open === 0)
          dialled.add(agent.dialled.length)
        })
        return { effect, events: [], check }
      }))
      assert.isAbove(interruptions, 50)
      assert.isAtLeast(waiting, 2)
      assert.sameMembers([...dialled], [0, 1])
      // Whoever is interrupted on the way is just gone, and whoever has connected says so.
      assert.sameMembers([...codes], [1000, 1001, 1006])
    }))

  // The clock stands still: nobody is waited for.
  it.effect("run answers each client once, and the next to run serves", () =>
    Effect.gen(function*() {
      const { port, server } = yield* Http.serve
      const service = yield* WebsocketServer.attach(server)
      const answers = new Set<string>()
      let admitted = 0
      const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
        const socket = yield* Http.dial(port)
        const served = yield* Deferred.make<void>()
        const run = service.run((ws, name: string) => Effect.andThen(ws.send(name), ws.receive), {
          admit: Effect.andThen(turn, Effect.sync(() => `${++admitted}`))
        })
        const effect = Effect.raceFirst(run, Deferred.await(served))
        const answer = yield* Effect.forkScoped(takeAnswer(socket, served), { startImmediately: true })
        const check = Effect.fnUntraced(function*() {
          const before = answer.pollUnsafe()
          // One that no handler has got waits for the next.
          const next = yield* Effect.forkScoped(service.run((ws) => ws.send("next")), { startImmediately: true })
          if (before === undefined && !isKnocked(socket)) knock(socket)
          answers.add(yield* Fiber.join(answer))
          yield* Fiber.interrupt(next)
        })
        return { effect, events: [() => knock(socket)], check }
      }))
      assert.isAbove(interruptions, 20)
      assert.isAbove(waiting, 2)
      assert.sameMembers([...answers], ["503", "101, next 1000", "101, 1001"])
    }))
})

const isKnocked = (socket: net.Socket): boolean => socket.bytesWritten > 0

const knock = (socket: net.Socket): void => void socket.write(Http.request())

const takeAnswer = Effect.fnUntraced(function*(socket: net.Socket, served: Deferred.Deferred<void>) {
  const { status } = yield* takeHead(socket)
  if (status !== 101) return end(socket, `${status}`)
  const [first = 0] = yield* takeBytes(socket, 1)
  if (first === 0x88) return end(socket, `101, ${yield* closeCode(socket)}`)
  const [length = 0] = yield* takeBytes(socket, 1)
  const text = Buffer.from(yield* takeBytes(socket, length)).toString()
  yield* Deferred.succeed(served, undefined)
  return end(socket, `101, ${text === "next" ? "next " : ""}${yield* takeClose(socket)}`)
})

const end = (socket: net.Socket, answer: string): string => {
  socket.destroy()
  return answer
}

const closeCode = (socket: net.Socket): Effect.Effect<number> =>
  Effect.map(takeBytes(socket, 3), ([, high = 0, low = 0]) => high * 256 + low)
