import { describe, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Page } from "playwright-core"
import { Chromium, isMissing } from "./support/chromium.ts"
import { conversations } from "./support/conversations.ts"
import * as Meeting from "./support/meeting.ts"
import { messageConversations } from "./support/messageConversations.ts"
import { type Address, listen } from "./support/transports.ts"
import * as Web from "./support/webPeer.ts"

/** One page for all tests: it may have any number of connections. */
class OnePage extends Context.Service<OnePage, Page>()("test/OnePage") {
  static readonly layer = Layer.effect(
    OnePage,
    Effect.gen(function*() {
      const browser = yield* Chromium
      // From this machine, because browsers are wary of pages from elsewhere that dial it.
      const { address } = yield* listen("TCP")
      // A browser trusts authorities and not single certificates, so it cannot be told to trust ours.
      const options = { ignoreHTTPSErrors: true }
      const page = yield* Effect.acquireRelease(
        Effect.promise(() => browser.newPage(options)),
        (page) => Effect.promise(() => page.close())
      )
      yield* Effect.promise(() => page.goto(address.url.replace("ws:", "http:")))
      return page
    })
  ).pipe(Layer.provide(Chromium.layer))
}

const connect = (address: Address) => Effect.flatMap(OnePage, (page) => Web.connectPage(page, address))

describe.skipIf(isMissing)("a page in Chromium", () => {
  layer(OnePage.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    for (const transport of ["TCP", "TLS"] as const) {
      describe(`over ${transport}`, () => {
        for (const { hold, name } of conversations) {
          it.effect(name, () => hold(Meeting.asServer(transport, connect)))
        }
      })

      describe(`of a WebsocketServer, over ${transport}`, () => {
        for (const { hold, name } of messageConversations) {
          it.effect(
            name,
            () => hold(Meeting.asMessageServer(transport, connect, { deflate: true }))
          )
        }
      })
    }
  })
})
