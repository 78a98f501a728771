import { Websocket, WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { talk } from "../chat/chat.ts"
import { maxMessageSize } from "../chat/protocol.ts"
import * as Inspector from "../inspector/endpoints.ts"
import * as Assets from "../support/assets.ts"
import { listen } from "../support/listen.ts"
import { notFound } from "../support/notFound.ts"

/**
 * Serves the chat and the frame inspector, on one page, on a port of 127.0.0.1 until the scope closes, and answers the port:
 * 0 picks a free one.
 */
export const serve = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const assets = yield* Assets.load({
    index: "start/page/index.html",
    folders: ["chat/page", "inspector/page", "start/page", "support/page"],
    endpoints: ["/chat", "/echo", "/inspect"]
  })
  const server = createServer(assets)
  // Before it listens, so that when the scope closes nobody new comes in while those who are there are told.
  yield* Effect.forkScoped(WebsocketUpgrade.runUpgrades(server, route(Inspector.make())))
  return yield* listen(server, options.port)
})

// By hand and not by a `WebsocketServer`, which is for messages: the inspector has to do with frames. So nobody pings here,
// and a connection may be idle for ever.
const route = ({ openControl, openEcho }: ReturnType<typeof Inspector.make>) => (upgrade: WebsocketUpgrade.Upgrade) => {
  // Only path and query of it are looked at.
  const url = URL.parse(upgrade.request.url ?? "", "http://localhost")
  if (url?.pathname === "/chat") return openChat(upgrade)
  if (url?.pathname === "/echo") return openEcho(upgrade, url.searchParams.get("session"))
  if (url?.pathname === "/inspect") return openControl(upgrade)
  return WebsocketUpgrade.reject(upgrade, notFound("endpoint"))
}

const openChat = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade) {
  const connection = yield* WebsocketUpgrade.accept(upgrade, { limits: { maxMessageSize } })
  yield* talk(yield* Websocket.make(connection.stream, connection))
})
