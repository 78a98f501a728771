import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import { settings } from "../../src/internal/serverOptions.ts"
import { receiveUpgrades } from "../../src/internal/serving.ts"
import * as Http from "../support/http.ts"
import { everywhere } from "../support/interrupting.ts"
import { turn } from "../support/server.ts"

describe("receiveUpgrades", { timeout: 20_000 }, () => {
  it.live("leaves the server to others, wherever it is interrupted", () =>
    Effect.gen(function*() {
      const { port, server } = yield* Http.serve
      const ownsServer = yield* settings({}, true)
      const { interruptions } = yield* everywhere(Effect.sync(() => {
        const received = Effect.andThen(receiveUpgrades(ownsServer, server, constVoid), turn)
        const check = Effect.fnUntraced(function*() {
          const events = ["upgrade", "request", "connect", "error"]
          assert.deepStrictEqual(events.filter((event) => server.listenerCount(event) > 0), [])
          const socket = yield* Http.dial(port)
          socket.write(Http.request())
          yield* Effect.callback<void>((resume) => {
            server.once("upgrade", (_, socket) => {
              socket.destroy()
              resume(Effect.void)
            })
          })
        })
        return { effect: Effect.scoped(received), events: [], check }
      }))
      assert.isAbove(interruptions, 20)
    }))
})
