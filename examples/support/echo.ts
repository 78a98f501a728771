import type { Websocket } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

/** Sends every message back as it came, until the connection is closed. */
export const echo = (ws: Websocket.Websocket["Service"]) =>
  Stream.runForEachArray(ws.messages, (messages) => ws.sendAll(messages)).pipe(Effect.asVoid)
