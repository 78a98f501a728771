/** Who imports one module does not start later, nor hold more, for the others. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { run } from "./support/programs.ts"

const loadedWith = (module: string) =>
  run<ReadonlyArray<string>>("loading.ts", new URL(`../src/${module}.ts`, import.meta.url).href)

// `Schema` alone takes 50 ms and 4.6 MB, and the server as much again.
const heavy = /\/effect\/(?:dist|src)\/(?:Schema\.|http\/)|\/@effect\/platform-node/

describe("loading a module", () => {
  it.effect.each(["Websocket", "WebsocketClient", "WebsocketServer", "WebsocketStream", "WebsocketUpgrade"])(
    "%s loads neither Schema nor an HTTP server",
    (module) =>
      Effect.map(loadedWith(module), (loaded) => assert.deepStrictEqual(loaded.filter((url) => heavy.test(url)), []))
  )

  it.effect("WebsocketHttpServer loads both", () =>
    Effect.map(
      loadedWith("WebsocketHttpServer"),
      (loaded) => assert.isAbove(loaded.filter((url) => heavy.test(url)).length, 10)
    ))
})
