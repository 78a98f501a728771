/** An interruption at every suspension point of beginning to listen and to serve. */
import { assert, describe, it } from "@effect/vitest"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as Effect from "effect/Effect"
import { HttpServerResponse } from "effect/http"
import { createServer } from "node:http"
import { everywhere } from "./support/interrupting.ts"
import { turn } from "./support/server.ts"

describe("an interruption at any point of", { timeout: 60_000 }, () => {
  it.live("make and serve leaves no fiber, and a server that neither listens nor is listened to", () =>
    Effect.gen(function*() {
      const { interruptions } = yield* everywhere(Effect.sync(() => {
        const server = createServer()
        const serve = WebsocketHttpServer.make(() => server, { port: 0, host: "127.0.0.1" }).pipe(
          Effect.flatMap((http) => http.serve(Effect.succeed(HttpServerResponse.empty()))),
          Effect.andThen(turn)
        )
        const check = () =>
          Effect.sync(() => {
            assert.isFalse(server.listening)
            const events = ["upgrade", "request", "newListener"]
            assert.deepStrictEqual(events.filter((event) => server.listenerCount(event) > 0), [])
          })
        return { effect: Effect.scoped(serve), events: [], check }
      }))
      assert.isAbove(interruptions, 50)
    }))
})
