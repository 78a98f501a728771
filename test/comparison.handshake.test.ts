/** What the handshake settles: ours beside Effect's own. See docs/comparison.md. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as http from "node:http"
import { type Serve, servers } from "./support/columns.ts"

/** What a server answers to who offers subprotocols. */
const chosenOf = (serve: Serve, offer: string) =>
  Effect.gen(function*() {
    const { port } = yield* serve(() => Effect.void)
    const headers = {
      Connection: "Upgrade",
      Upgrade: "websocket",
      "Sec-WebSocket-Version": "13",
      "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
      "Sec-WebSocket-Protocol": offer
    }
    return yield* Effect.promise(() =>
      new Promise<string | undefined>((resolve, reject) => {
        http.get({ port, host: "127.0.0.1", headers })
          .on("upgrade", (response, socket) => {
            socket.destroy()
            resolve(response.headers["sec-websocket-protocol"])
          })
          .on("error", reject)
      })
    )
  }).pipe(Effect.scoped)

describe("subprotocols that a client offers", () => {
  const speaksChat: Serve = (handler) => servers.ours(handler, { subprotocols: ["chat"] })

  it.live("ours chooses one that it was told to speak or none, ws the first of them, known or not", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* chosenOf(speaksChat, "unknown, chat"), "chat")
      assert.strictEqual(yield* chosenOf(speaksChat, "unknown"), undefined)
      assert.strictEqual(yield* chosenOf(servers.ours, "unknown, chat"), undefined)
      assert.strictEqual(yield* chosenOf(servers.ws, "unknown, chat"), "unknown")
    }))
})
