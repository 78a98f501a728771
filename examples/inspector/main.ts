/**
 * A page that shows every frame of an echo connection, lets one pause the server's reading and switch its mode, and shows
 * what that does to the page. This is what `npm start` runs.
 *
 *     node examples/inspector/main.ts [--port 8080]
 */
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { port } from "../support/flags.ts"
import { runMain } from "../support/runMain.ts"
import { serve } from "./server.ts"

const inspector = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const port = yield* serve(options)
  yield* Console.log(`listening on http://127.0.0.1:${port}`)
  return yield* Effect.never
}, Effect.scoped)

runMain(Command.make("inspector", { port }, inspector).pipe(Command.withDescription("Shows the frames of an echo")))
