/** A server with its connections in a test's hands, and what to do with Effect's `Socket` at the other end. */
import { assert } from "@effect/vitest"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type * as Socket from "effect/socket/Socket"
import * as net from "node:net"
import * as http from "./http.ts"

/** One connection of the server. */
export interface Accepted {
  readonly ws: Websocket.Websocket["Service"]
  /** Its end of TCP. */
  readonly tcp: net.Socket
}

/** Each connection in the order that they come. A connection ends with its peer, or with the scope. */
export const serve = Effect.gen(function*() {
  const { port, server } = yield* http.serve
  const accepted = yield* Queue.unbounded<Accepted>()
  yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
    Effect.gen(function*() {
      const { socket } = upgrade
      assert.instanceOf(socket, net.Socket)
      // On Node's own, so that a test can reset it.
      const connection = yield* WebsocketUpgrade.accept(upgrade, { direct: false })
      const ws = yield* Websocket.make(connection.stream, connection)
      yield* Queue.offer(accepted, { ws, tcp: socket })
      yield* ws.closed
    })).pipe(Effect.forkScoped({ startImmediately: true }))
  return { url: `ws://127.0.0.1:${port}/`, accepted: Queue.take(accepted) }
})

/** A reader in a scope of its own, and how to close that. */
export interface OpenReader extends Socket.Reader {
  readonly close: (exit?: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

export const open = Effect.fnUntraced(function*(socket: Socket.Socket) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const reader = yield* Scope.provide(socket.reader, scope)
  const open: OpenReader = { ...reader, close: (exit = Exit.void) => Scope.close(scope, exit) }
  return open
})

/** The next elements, as many as asked for. */
export const take = Effect.fnUntraced(function*(pull: Socket.Reader["pull"], count: number) {
  const elements: Array<string | Uint8Array> = []
  while (elements.length < count) elements.push(...yield* pull)
  return elements
})

/** Messages that come to the server, as texts. */
export const texts = ({ ws }: Accepted, count: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.orDie(Effect.replicateEffect(
    Effect.map(ws.receive, ({ payload }) => Buffer.from(payload).toString()),
    count
  ))

/** Why a pull or a write fails. */
export const reasonOf = <A>(effect: Effect.Effect<A, Socket.SocketError>): Effect.Effect<Socket.SocketErrorReason, A> =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

/** What a socket that was closed fails of. */
export const closed = (code: number, closeReason = "") => ({ _tag: "SocketCloseError", code, closeReason })

/** Holds a reason to have these fields. */
export const assertReason = (reason: Socket.SocketErrorReason, expected: object): void =>
  assert.deepInclude(Object.fromEntries(Object.entries(reason)), expected)
