import type { Websocket, WebsocketError } from "@websocket-stream/node"
import type * as Effect from "effect/Effect"

/** Sends every message back as it came, until the connection is closed. */
export const echo = (
  ws: Websocket.Websocket["Service"]
): Effect.Effect<void, WebsocketError.ReadError | WebsocketError.WriteError> => ws.runForEachArray(ws.sendAll)
