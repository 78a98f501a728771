/** How the fiber of a connection ends. */
import { RequestError } from "@websocket-stream/core/HandshakeError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { OpenError, ReadError, WriteError } from "../WebsocketError.ts"
import { Refusal } from "../WebsocketRequest.ts"
import type { Vigil } from "./vigil.ts"

/** How far a connection has come. */
export type Stage = "Unopened" | "Open" | "Over"

/** Whether the error says that a connection ended. Whose that was it does not say. */
export const isEnd = (error: unknown): boolean => {
  if (!(error instanceof ReadError || error instanceof WriteError)) return false
  const { reason } = error
  switch (reason._tag) {
    case "Closed":
    case "Protocol":
    case "Io":
      return true
    case "Encode":
    case "WouldBlock":
    case "Busy":
      return false
  }
}

// That the connection was not to be opened, which is no fault of a handler's, either.
const isRefusal = (error: unknown): boolean =>
  error instanceof Refusal || error instanceof RequestError ||
  (error instanceof OpenError && requestErrorOf(error) !== undefined)

/** What was thrown or failed with, nothing for an interruption. */
export const errorOf = (reason: Cause.Reason<unknown>): unknown => {
  switch (reason._tag) {
    case "Fail":
      return reason.error
    case "Die":
      return reason.defect
    case "Interrupt":
      return undefined
  }
}

/** Logs why a connection's fiber failed, and what of it did: what may be expected at that stage is no news. */
export const logUnlessEnd = (cause: Cause.Cause<unknown>, stage: Stage, what?: Failing): Effect.Effect<void> =>
  // Each of them: a bug beside the end of the connection, in a finalizer say, is still one. Effect makes defects of the failures
  // next to it.
  failsOnlyOf(cause, (error) => isExpected(error, stage)) ? logEnd(cause) : logFailure(cause, what)

/** Whose fault it may be: who decides by the request whether it may connect comes before the handler. */
export type Failing = "admission" | "handler"

/** Whether that holds for all that was thrown or failed with, interruptions aside. */
export const failsOnlyOf = (cause: Cause.Cause<unknown>, holds: (error: unknown) => boolean): boolean =>
  cause.reasons.every((reason) => reason._tag === "Interrupt" || holds(errorOf(reason)))

/** The same of what was not interrupted alone. */
export const failsOf = (cause: Cause.Cause<unknown>, holds: (error: unknown) => boolean): boolean =>
  !Cause.hasInterruptsOnly(cause) && failsOnlyOf(cause, holds)

/** Whether a handler failed, but of nothing that is its own: of the end of its connection, say. */
export const endsAsExpected = (exit: Exit.Exit<unknown, unknown>, stage: Stage): boolean =>
  Exit.isFailure(exit) && failsOf(exit.cause, (error) => isExpected(error, stage))

export const logEnd = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logDebug("WebSocket connection ended", cause)

export const logFailure = (cause: Cause.Cause<unknown>, what: Failing = "handler"): Effect.Effect<void> =>
  Effect.logError(`WebSocket ${what} failed`, cause)

/** Whether it is the end of a connection that is over, or a refusal of one that was not opened. */
export const isExpected = (error: unknown, stage: Stage): boolean =>
  stage === "Over" ? isEnd(error) : stage === "Unopened" && isRefusal(error)

/** Warns where the handler was interrupted because its connection had ended long before. */
export const logIfOverrun = (vigil: Vigil | undefined): Effect.Effect<void> =>
  vigil?.isOverrun === true ? overrun : Effect.void

const overrun = Effect.logWarning(
  "WebSocket handler was interrupted: it went on for handlerDeadline when its connection had ended. " +
    "Race what does not receive with `closed`, or raise handlerDeadline."
)

/** What is wrong with the request. What else fails to open is an option of ours, or a connection that the handler wanted to open. */
export const requestErrorOf = ({ reason }: OpenError): RequestError | undefined =>
  reason._tag === "Handshake" && reason.error._tag === "RequestError" ? reason.error : undefined
