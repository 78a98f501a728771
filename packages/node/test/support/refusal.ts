import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import { reasonOf } from "./streams.ts"

/** Why a connection cannot be opened. The scope goes on, and what was dialled has to be gone all the same. */
export const refusal = (url: string | URL, options?: WebsocketClient.Options) =>
  reasonOf(Effect.asVoid(WebsocketClient.connectStream(url, options)))
