/**
 * The smallest honest echo server: texts come back as texts, bytes as bytes, compressed for those who offer to.
 *
 *     node examples/echo-server.ts [--port 8080] [--max-message-size 67108864]
 */
import { Websocket, WebsocketUpgrade } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { echo } from "./support/echo.ts"
import { maxMessageSize, port } from "./support/flags.ts"
import { listen } from "./support/listen.ts"
import { runMain } from "./support/runMain.ts"

const serve = Effect.fnUntraced(function*(options: { readonly port: number; readonly maxMessageSize: number }) {
  const server = createServer()
  const port = yield* listen(server, options.port)
  yield* Console.log(`listening on ws://127.0.0.1:${port}`)
  return yield* WebsocketUpgrade.run(
    server,
    (connection) => Effect.flatMap(Websocket.make(connection.stream, connection), echo),
    { deflate: true, limits: { maxMessageSize: options.maxMessageSize } }
  )
}, Effect.scoped)

runMain(Command.make("echo-server", { port, maxMessageSize }, serve).pipe(Command.withDescription("Echoes messages")))
