import { WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import * as Assets from "../support/assets.ts"
import { listen } from "../support/listen.ts"
import { talk } from "./chat.ts"
import { maxMessageSize } from "./protocol.ts"

/** Serves the chat and its page on a port of 127.0.0.1 until the scope closes, and answers the port: 0 picks a free one. */
export const serve = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const assets = yield* Assets.load({
    index: "chat/page/index.html",
    folders: ["chat/page", "support/page"],
    endpoints: ["/chat"]
  })
  const server = createServer(assets)
  const port = yield* listen(server, options.port)
  const websockets = yield* WebsocketServer.attach(server, { limits: { maxMessageSize } })
  yield* Effect.forkScoped(websockets.run(talk))
  return port
})
