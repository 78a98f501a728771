/** Who imports one module does not start later, nor hold more, for the others. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const loadedWith = (module: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const program = fileURLToPath(new URL("support/loading.ts", import.meta.url))
    const url = new URL(`../src/${module}.ts`, import.meta.url).href
    const env = { ...process.env, NODE_NO_WARNINGS: "1" }
    const { stdout } = await promisify(execFile)(process.execPath, [program, url], { env })
    return JSON.parse(stdout)
  })

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
