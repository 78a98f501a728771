/** What `npm start` runs: the chat and the frame inspector on one page. Each has tests of its own besides. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { join, say } from "./support/chat.ts"
import { start } from "./support/childProcess.ts"
import { Chromium, isMissing } from "./support/chromium.ts"
import { framesOnce, Inspector, visit } from "./support/inspector.ts"
import { click, see } from "./support/page.ts"

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

describe.skipIf(isMissing)("the page of npm start, in Chromium", () => {
  layer(Layer.merge(Chromium.layer, Inspector.layer), { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    it.effect("chats at one side and shows frames at the other, and the browser has nothing to object", () =>
      Effect.gen(function*() {
        const ada = yield* visit
        const problems: Array<string> = []
        ada.on("console", (message) => problems.push(message.text())).on(
          "pageerror",
          ({ message }) => problems.push(message)
        )
        yield* Effect.promise(() => ada.reload())
        const bob = yield* visit
        yield* join(ada, "Ada", "lobby")
        yield* join(bob, "Bob", "lobby")
        yield* say(ada, "Do you see the frames, too?")
        yield* see(bob, "#chat-log .text", "Do you see the frames, too?")
        yield* see(ada, "#status", "Connected")
        yield* click(ada, "Send text")
        assert.deepStrictEqual((yield* framesOnce(ada, 2)).map(({ payload }) => payload), [
          "Hello, echo",
          "Hello, echo"
        ])
        // The other page watches its own echo.
        assert.strictEqual(yield* Effect.promise(() => bob.locator("#frames tr").count()), 0)
        assert.deepStrictEqual(problems, [])
      }))

    it.effect.each([320, 390, 768, 1280, 1920])(
      "has no part that is wider than a window of %i pixels",
      (width) =>
        Effect.gen(function*() {
          const page = yield* visit
          yield* Effect.promise(() => page.setViewportSize({ width, height: 800 }))
          // The longest that there may be, and nowhere to break it.
          yield* join(page, "W".repeat(32), `${width}`.padEnd(32, "W"))
          yield* say(page, "W".repeat(2000))
          yield* see(page, "#chat-log .text", /^W{2000}$/)
          yield* click(page, "Send text")
          yield* framesOnce(page, 2)
          const tooWide = yield* Effect.promise(() =>
            page.evaluate(() =>
              [document.documentElement, ...document.querySelectorAll("section")]
                .filter(({ clientWidth, scrollWidth }) => scrollWidth > clientWidth)
                .map(({ className, tagName }) => `${tagName} ${className}`)
            )
          )
          assert.deepStrictEqual(tooWide, [])
        })
    )
  })
})
