/** What runs on behalf of connections, counted for the whole process: so one test at a time, and none beside them. */
import { assert, describe, it } from "@effect/vitest"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { dial, exchange, request } from "./support/http.ts"
import { knock, listening, local, serving, until } from "./support/server.ts"

const active = (kind: string): number => process.getActiveResourcesInfo().filter((name) => name === kind).length

describe("The timers of a server", { concurrent: false }, () => {
  it.live("are as many for fifty connections as for one", () =>
    Effect.gen(function*() {
      let open = 0
      const { port } = yield* serving((ws) =>
        Effect.andThen(
          Effect.sync(() => {
            open++
          }),
          ws.receive
        )
      )
      yield* knock(port)
      yield* until(() => open === 1)
      const before = active("Timeout")
      yield* Effect.replicateEffect(knock(port), 49)
      yield* until(() => open === 50)
      assert.isAtMost(active("Timeout"), before)
    }))

  it.live("are none for those who wait until a handler runs", () =>
    Effect.gen(function*() {
      const { port } = yield* listening()
      // What is sent on it later is read by the time that this has its answer.
      const ask = exchange(port, request({ headers: { Upgrade: undefined, Connection: "close" } }))
      yield* ask
      const before = active("Timeout")
      const sockets = yield* Effect.replicateEffect(dial(port), 20)
      for (const socket of sockets) socket.write(request())
      yield* ask
      assert.isAtMost(active("Timeout"), before)
      for (const socket of sockets) assert.strictEqual(socket.bytesRead, 0)
    }))

  it.live("and its sockets are gone when it has closed", () =>
    Effect.gen(function*() {
      // What was there before may go meanwhile, so that there may be fewer afterwards.
      const kinds = ["Timeout", "TCPServerWrap", "TCPSocketWrap"]
      const before = kinds.map(active)
      const scope = yield* Scope.make()
      const server = yield* Scope.provide(WebsocketServer.make(local), scope)
      yield* Effect.forkIn(server.run((ws) => ws.receive), scope, { startImmediately: true })
      const { port } = new URL(WebsocketServer.url(server.address))
      const clients = yield* Scope.make()
      yield* Scope.provide(Effect.replicateEffect(knock(Number(port)), 3), clients)
      assert.isAtLeast(active("TCPSocketWrap"), 6)
      yield* Scope.close(clients, Exit.void)
      yield* Scope.close(scope, Exit.void)
      yield* until(() => kinds.every((kind, i) => active(kind) <= before[i]!))
    }))
})
