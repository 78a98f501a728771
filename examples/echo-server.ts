/**
 * The smallest honest echo server: texts come back as texts, bytes as bytes, compressed for those who offer to.
 *
 *     node examples/echo-server.ts [--port 8080] [--max-message-size 67108864]
 */
import { WebsocketServer } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Layer from "effect/Layer"
import { announce } from "./support/announce.ts"
import { echo } from "./support/echo.ts"
import { maxMessageSize, port } from "./support/flags.ts"
import { runMain } from "./support/runMain.ts"

const serve = (options: { readonly port: number; readonly maxMessageSize: number }) => {
  const { maxMessageSize, port } = options
  const server = WebsocketServer.layer({ host: "127.0.0.1", port, deflate: true, limits: { maxMessageSize } })
  return WebsocketServer.serve(echo).pipe(Layer.merge(announce), Layer.provide(server), Layer.launch)
}

runMain(Command.make("echo-server", { port, maxMessageSize }, serve).pipe(Command.withDescription("Echoes messages")))
