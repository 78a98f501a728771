import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient, WebsocketSocket } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { Procedures } from "../examples/rpc/procedures.ts"
import * as Examples from "./support/examples.ts"
import { listen } from "./support/transports.ts"

const connect = Effect.fnUntraced(function*(url: string) {
  const protocol = RpcClient.layerProtocolSocket().pipe(
    Layer.provide([WebsocketSocket.layerSocket(url), RpcSerialization.layerNdjson])
  )
  return yield* Effect.provideContext(RpcClient.make(Procedures), yield* Layer.build(protocol))
})

describe("examples/rpc", { timeout: Examples.timeout }, () => {
  it.live("streams to the client, and answers it", () =>
    Effect.gen(function*() {
      const server = yield* Examples.serve("rpc/server")
      const { ended, line } = yield* Examples.run("rpc/client", server.url, "--below", "20")
      const lines = yield* Effect.replicateEffect(line, 9)
      assert.deepStrictEqual(lines, ["2", "3", "5", "7", "11", "13", "17", "19", "the server has found 8 so far"])
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("has the stream wait for a client that stops reading, while it answers others", () =>
    Effect.gen(function*() {
      const server = yield* Examples.serve("rpc/server")
      const other = yield* connect(server.url)
      const { kill, line } = yield* Examples.run("rpc/client", server.url, "--below", "100000000")
      assert.strictEqual(yield* line, "2")
      yield* kill("SIGSTOP")
      let found = 0
      for (let still = 0; still < 100; still++) {
        const now = yield* other.Found()
        if (now !== found) still = 0
        found = now
      }
      yield* kill("SIGCONT")
      // More than were found by then, so it goes on where it was: after the 2, with the second one.
      const rest = (yield* Effect.replicateEffect(line, found + 1000)).map(Number)
      assert.deepStrictEqual(rest.slice(0, 4), [3, 5, 7, 11])
      assert.deepStrictEqual(rest, [...new Set(rest)].toSorted((a, b) => a - b))
      assert.isAbove(yield* other.Found(), found)
    }))

  it.live("runs no more handlers at a time for a client that asks and does not read than it is allowed to", () =>
    Effect.gen(function*() {
      const server = yield* Examples.serve("rpc/server")
      const other = yield* connect(server.url)
      const scope = yield* Scope.fork(yield* Effect.scope)
      const client = yield* Scope.provide(connect(server.url), scope)
      const asking = Stream.runForEach(client.Primes({ below: 1000 }), () => Effect.never)
      yield* Effect.forkIn(Effect.replicateEffect(asking, 100, { concurrency: "unbounded" }), scope)
      // Each has found a hundred when it waits for its client to take them.
      let answers = 0
      const watching = yield* Effect.forkScoped(
        other.Found().pipe(
          Effect.tap(() => Effect.sync(() => answers++)),
          Effect.repeat({ until: (found) => found >= 1600 })
        )
      )
      // Until the server, which goes on with all else, does not answer any more.
      const ws = yield* WebsocketClient.connect(server.url)
      for (let still = 0, before = -1; still < 100; still = answers === before ? still + 1 : 0) {
        before = answers
        yield* ws.ping()
      }
      assert.isUndefined(watching.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      assert.isBelow(yield* Fiber.join(watching), 3200)
    }))

  it.live("says in one line why it cannot connect", () =>
    Effect.gen(function*() {
      const { url } = (yield* Effect.scoped(listen("TCP"))).address
      const { ended } = yield* Examples.run("rpc/client", url)
      const stderr = `the connection failed: connect ECONNREFUSED ${new URL(url).host}\n`
      assert.deepStrictEqual(yield* ended, { status: 1, signal: null, stderr })
    }))

  it.live("ends at SIGTERM with status 0, though somebody is connected", () =>
    Effect.gen(function*() {
      const server = yield* Examples.serve("rpc/server")
      const client = yield* connect(server.url)
      assert.strictEqual(yield* client.Found(), 0)
      yield* server.kill("SIGTERM")
      assert.deepStrictEqual(yield* server.ended, { status: 0, signal: null, stderr: "" })
    }))
})
