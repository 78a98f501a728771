/** Effect's RPC over sockets of ours. */
import * as WebsocketSocket from "@websocket-stream/node/WebsocketSocket"
import { withoutPings } from "./ours.ts"
import { listenOver } from "./rpc.ts"

export const listen = listenOver(
  WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0, ...withoutPings })
)
