/**
 * An echo from the other side: connects, and sends every message back until the server closes.
 *
 *     node examples/echo-client.ts ws://127.0.0.1:8080/ [--max-message-size 67108864]
 */
import { WebsocketClient } from "@websocket-stream/node"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { echo } from "./support/echo.ts"
import { maxMessageSize } from "./support/flags.ts"
import { runMain } from "./support/runMain.ts"

const url = Argument.String("url").pipe(Argument.withDescription("Where to connect to: ws://... or wss://..."))

const connect = Effect.fnUntraced(function*(options: { readonly url: string; readonly maxMessageSize: number }) {
  const { maxMessageSize, url } = options
  const ws = yield* WebsocketClient.connect(url, { deflate: true, limits: { maxMessageSize } })
  yield* Console.log(`connected to ${url}`)
  return yield* echo(ws)
}, Effect.scoped)

runMain(
  Command.make("echo-client", { url, maxMessageSize }, connect).pipe(
    Command.withDescription("Echoes until the server closes")
  )
)
