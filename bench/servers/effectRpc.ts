/** Effect's RPC over sockets of its own. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import { listenOver } from "./rpc.ts"

export const listen = listenOver(NodeSocketServer.layerWebSocket({ host: "127.0.0.1", port: 0 }))
