import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { everywhere } from "./support/interrupting.ts"
import { scripted } from "./support/websockets.ts"

describe("an interruption at any point of", () => {
  it.live("sendStream leaves no lock that nobody holds, which all later messages would go through", () =>
    Effect.gen(function*() {
      yield* everywhere(Effect.gen(function*() {
        const { ws } = yield* scripted()
        const check = () => Effect.sync(() => assert.isUndefined(Reflect.get(Reflect.get(ws, "writer"), "lock")))
        return { effect: ws.sendStream("text", Stream.make("sec", "ond")), events: [], check }
      }))
    }))
})
