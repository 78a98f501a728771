/** Ours by messages, all that there are at a time: the way that is there for speed. */
import * as Websocket from "@websocket-stream/node/Websocket"
import * as Iterable from "effect/Iterable"
import * as Ours from "./ours.ts"

export const listen = Ours.listen({
  echo: (ws) => ws.runForEachArray(ws.sendAll),
  broadcast: (ws, all) =>
    ws.runForEach((message) => Websocket.broadcast(Iterable.filter(all, (other) => other !== ws), message))
})
