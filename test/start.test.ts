import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { start } from "./support/childProcess.ts"

describe("npm start", { timeout: 120_000 }, () => {
  it.live("serves, and ends with status 0 at the SIGTERM that npm gets", () =>
    Effect.gen(function*() {
      const { ended, kill, line } = yield* start("npm", ["start", "--", "--port", "0"], {
        cwd: new URL("../", import.meta.url)
      })
      // What npm and pnpm say comes first.
      while (!/^listening on http:\/\/127\.0\.0\.1:\d+$/.test(yield* line));
      yield* kill("SIGTERM")
      assert.deepInclude(yield* ended, { status: 0, signal: null })
    }))
})
