/** How the fiber of a connection ends. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { OpenError, ReadError, WriteError } from "../WebsocketError.ts"
import { Refusal } from "../WebsocketRequest.ts"

/** Whether the error says that the connection ended, or was never opened, which is no fault of a handler's. */
export const isEnd = (error: unknown): error is ReadError | WriteError | OpenError | Refusal =>
  error instanceof ReadError || error instanceof WriteError || error instanceof OpenError || error instanceof Refusal

/** Logs why a connection's fiber failed. */
export const logUnlessEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  isEnd(Cause.squash(cause)) || Cause.hasInterruptsOnly(cause)
    ? Effect.logDebug("WebSocket connection ended", cause)
    : Effect.logError("WebSocket handler failed", cause)
