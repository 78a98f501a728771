/**
 * A chat with rooms, who is in them, and how busy the server is. Open its page twice.
 *
 *     node examples/chat/main.ts [--port 8080]
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { port } from "../support/flags.ts"
import { runMain } from "../support/runMain.ts"
import { Chat } from "./chat.ts"
import { serve } from "./server.ts"

const chat = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const port = yield* serve(options)
  yield* Console.log(`listening on http://127.0.0.1:${port}`)
  return yield* Effect.never
}, Effect.scoped)

runMain(
  Command.make("chat", { port }, chat).pipe(
    Command.withDescription("Serves a chat and its page"),
    Command.provide(Chat.layer)
  )
)
