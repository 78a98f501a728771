import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import type { Handle } from "../../src/internal/handle.ts"
import { ListeningHandle } from "../../src/internal/listeningHandle.ts"
import { dial } from "../support/http.ts"
import { until } from "../support/server.ts"

it.effect("what a server accepts is ours before Node has it, until it is given back", () =>
  Effect.gen(function*() {
    const server = yield* Effect.acquireRelease(
      Effect.callback<ReturnType<typeof createServer>>((resume) => {
        const server = createServer()
        server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
      }),
      (server) =>
        Effect.callback<void>((resume) => {
          server.close(() => resume(Effect.void))
          server.closeAllConnections()
        })
    )
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    const ours: Array<Handle> = []
    let nodes = 0
    server.on("connection", () => nodes++)
    const listening = ListeningHandle.of(server, (handle) => ours.push(handle))!

    yield* dial(port)
    yield* until(() => ours.length + nodes === 1)
    assert.deepStrictEqual([ours.length, nodes], [1, 0])

    listening.giveBack()
    yield* dial(port)
    yield* until(() => ours.length + nodes === 2)
    assert.deepStrictEqual([ours.length, nodes], [1, 1])

    ours[0]!.close()
    listening.forget()
  }))
