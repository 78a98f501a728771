import { WebsocketServer } from "@websocket-stream/node"
import * as Console from "effect/Console"
import * as Layer from "effect/Layer"

/** Says where a server can be found. */
export const announce = Layer.effectDiscard(
  WebsocketServer.WebsocketServer.use(({ address }) => Console.log(`listening on ${WebsocketServer.url(address)}`))
)
