/**
 * The smallest honest echo server: frames come back as they were, pings are answered, a close is confirmed.
 *
 *     node examples/echo-server.ts [--port 8080]
 */
import { Opcode } from "@websocket-stream/core"
import { WebsocketUpgrade } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { goingAway } from "./support/closing.ts"
import { port } from "./support/flags.ts"
import { listen } from "./support/listen.ts"
import { runMain } from "./support/runMain.ts"

const echo = Effect.fnUntraced(function*({ stream }: WebsocketUpgrade.Connection) {
  yield* goingAway(stream)
  while (true) {
    const { fin, opcode, payload } = yield* stream.read
    if (opcode === Opcode.Close) return yield* stream.write(Opcode.Close, payload)
    if (opcode === Opcode.Ping) yield* stream.write(Opcode.Pong, payload)
    else if (opcode !== Opcode.Pong) yield* stream.write(opcode, payload, { fin })
  }
})

const serve = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const server = createServer()
  const port = yield* listen(server, options.port)
  yield* Console.log(`listening on ws://127.0.0.1:${port}`)
  return yield* WebsocketUpgrade.run(server, echo)
}, Effect.scoped)

runMain(Command.make("echo-server", { port }, serve).pipe(Command.withDescription("Echoes every frame")))
