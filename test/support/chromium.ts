/** A headless Chromium, where there is one. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { type Browser, chromium, type Page } from "playwright-core"

// The shell first: the same engine and network, without the windows and tabs that a whole browser makes for each page unseen.
const candidates = [
  process.env["CHROMIUM_PATH"],
  "/usr/bin/chromium-headless-shell",
  "/usr/bin/chromium",
  "/usr/bin/google-chrome"
]
const executablePath = candidates.find((path) => path !== undefined && existsSync(path))

/** For `describe.skipIf`: without a browser its tests are reported as skipped. */
export const isMissing = executablePath === undefined

export class Chromium extends Context.Service<Chromium, Browser>()("test/Chromium") {
  static readonly layer = Layer.effect(
    Chromium,
    Effect.acquireRelease(
      // Each launch gets a fresh profile directory, which is removed afterwards.
      Effect.promise(() =>
        chromium.launch({
          executablePath: executablePath!,
          headless: true,
          args: [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync"
          ]
        })
      ),
      (browser) => Effect.promise(() => browser.close())
    )
  )
}

/** A page of its own, until the scope closes. */
export const openPage: Effect.Effect<Page, never, Chromium | Scope.Scope> = Effect.acquireRelease(
  Effect.flatMap(Chromium, (browser) => Effect.promise(() => browser.newPage())),
  (page) => Effect.promise(() => page.close())
).pipe(
  // Less than a test may take, so that it fails with what it waited for.
  Effect.tap((page) => Effect.sync(() => page.setDefaultTimeout(60_000)))
)
