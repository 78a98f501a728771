/**
 * One page to begin with, which is what `npm start` runs: a chat, and beside it every frame of an echo connection, whose
 * reading one may pause.
 *
 *     node examples/start/main.ts [--port 8080]
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { Chat } from "../chat/chat.ts"
import { port } from "../support/flags.ts"
import { runMain } from "../support/runMain.ts"
import { serve } from "./server.ts"

const start = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const port = yield* serve(options)
  yield* Console.log(`listening on http://127.0.0.1:${port}`)
  return yield* Effect.never
}, Effect.scoped)

runMain(
  Command.make("start", { port }, start).pipe(
    Command.withDescription("Serves a chat and a frame inspector"),
    Command.provide(Chat.layer)
  )
)
