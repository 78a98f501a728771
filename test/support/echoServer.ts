/** An echo server as a program of its own, for what may end a process. Says its port once it listens. */
import { WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

const program = Effect.gen(function*() {
  const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
  console.log(new URL(WebsocketServer.url(server.address)).port)
  return yield* server.run((ws) => Stream.runForEach(ws.messages, (message) => ws.send(message)))
})

Effect.runFork(Effect.scoped(program))
