import { assert, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { WriteError } from "@websocket-stream/node/WebsocketError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type { Socket } from "node:net"
import { knock, manyTurns, servingByNode, until } from "./support/server.ts"

const message = new Uint8Array(64 * 1024)

/** A server that sends without end to a client that has not read yet, and why it stopped. */
const flooded = Effect.gen(function*() {
  const began = yield* Deferred.make<Socket>()
  const ended = yield* Deferred.make<never, WriteError>()
  const { port } = yield* servingByNode((ws, socket) =>
    Effect.gen(function*() {
      yield* Deferred.succeed(began, socket)
      return yield* Deferred.into(Effect.forever(ws.send(message)), ended)
    }), { idleDeadline: "60 seconds", heartbeat: "20 seconds" })
  const { socket: client } = yield* knock(port)
  client.pause()
  const server = yield* Deferred.await(began)
  yield* until(() => server.writableNeedDrain)
  return { client, server, ended }
})

const ping = Frame.encode(Frame.make(Opcode.Ping, new Uint8Array(1)), 7)

/** The client is heard, and time goes by. */
const live = Effect.fnUntraced(function*(client: Socket, server: Socket) {
  const before = server.bytesRead
  client.write(ping)
  yield* until(() => server.bytesRead > before || server.destroyed)
  yield* TestClock.adjust("10 seconds")
})

it.effect("a client that sends, and takes nothing of what waits for it, is cut: it would hold who sends to it for ever", () =>
  Effect.gen(function*() {
    const { client, ended, server } = yield* flooded
    for (let i = 0; i < 5; i++) yield* live(client, server)
    assert.isFalse(server.destroyed)
    yield* live(client, server)
    yield* live(client, server)
    const { reason } = yield* Effect.flip(Deferred.await(ended))
    assert.deepInclude(reason, { _tag: "Io", code: "ETIMEDOUT" })
  }))

/** The client takes some of what waits for it, and more is sent behind that. */
const take = Effect.fnUntraced(function*(client: Socket, server: Socket) {
  const before = client.bytesRead
  client.resume()
  yield* until(() => client.bytesRead - before > 1024 * 1024 || server.destroyed)
  client.pause()
  yield* manyTurns
  yield* until(() => server.writableNeedDrain || server.destroyed)
})

it.effect("one that takes a little at a time is not", () =>
  Effect.gen(function*() {
    const { client, server } = yield* flooded
    for (let i = 0; i < 20; i++) {
      yield* take(client, server)
      yield* live(client, server)
    }
    assert.isFalse(server.destroyed)
  }))

it.effect("nor is one that takes a little at a time and says nothing: no ping gets to it past what waits", () =>
  Effect.gen(function*() {
    const { client, server } = yield* flooded
    for (let i = 0; i < 20; i++) {
      yield* take(client, server)
      yield* TestClock.adjust("10 seconds")
    }
    assert.isFalse(server.destroyed)
  }))

it.live("one that has ended its side and takes nothing is left alone for linger behind the handler, and cut", () =>
  Effect.gen(function*() {
    const began = yield* Deferred.make<Socket>()
    const { port } = yield* servingByNode((ws, socket) =>
      Effect.gen(function*() {
        // More than the system takes of it.
        yield* ws.send(new Uint8Array(64 * 1024 * 1024))
        yield* Deferred.succeed(began, socket)
        yield* Effect.exit(ws.receive)
      }), { linger: "50 millis", closeDeadline: "5 minutes" })
    const { socket: client } = yield* knock(port)
    client.pause()
    const server = yield* Deferred.await(began)
    client.end()
    yield* until(() => server.destroyed)
    assert.isAbove(server.writableLength, 0)
  }))
