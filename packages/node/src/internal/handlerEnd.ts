import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { OpenError, ReadError, WriteError } from "../WebsocketError.ts"
import { Refusal } from "../WebsocketRequest.ts"

/** Logs why a connection's fiber failed. That it ended, or was never opened, is no fault of the handler's. */
export const logUnlessEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> => {
  const error = Cause.squash(cause)
  return ends.some((end) => error instanceof end) || Cause.hasInterruptsOnly(cause)
    ? Effect.logDebug("WebSocket connection ended", cause)
    : Effect.logError("WebSocket handler failed", cause)
}

const ends = [ReadError, WriteError, OpenError, Refusal]
