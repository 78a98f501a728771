/** The package `ws`. Whether it unmasks by `bufferutil` is for WS_NO_BUFFER_UTIL to say. */
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { WebSocketServer } from "ws"
import { bind } from "./bind.ts"
import { type Listen, maxMessageSize } from "./task.ts"

export const listen: Listen = Effect.fnUntraced(function*(task) {
  const server = createServer()
  const webSockets = new WebSocketServer({ server, maxPayload: maxMessageSize })
  webSockets.on("connection", (ws) => {
    ws.on("message", (data, isBinary) => {
      if (task === "echo") ws.send(data, { binary: isBinary })
      else for (const other of webSockets.clients) if (other !== ws) other.send(data, { binary: isBinary })
    })
  })
  return yield* bind(server)
})
