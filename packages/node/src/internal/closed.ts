/** How connections end, and what those are told who read, write, or are at the other end. */
import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { Closing } from "@websocket-stream/core/Connection"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import { Closed, type Io } from "../WebsocketError.ts"

/** Who ended a stream, or what it failed of. */
export type EndedBy = "Peer" | "Us" | Io

/** The end of a stream without a Close frame. RFC 6455 7.1.5: "considered to be 1006". */
export const abnormal = (by: "Peer" | "Us", truncated = false): Closed =>
  new Closed({ by, code: CloseCode.AbnormalClosure, reason: "", clean: false, truncated })

/** The end of a stream, where it may have failed, too. */
export const endReason = (by: EndedBy, truncated = false): Closed | Io =>
  typeof by === "object" ? by : abnormal(by, truncated)

/** The end of a connection, as far as it has gone: what the peer said, and who began. */
export const closedAs = ({ by = "Peer", received }: Closing): Closed =>
  received === undefined || received.code === CloseCode.AbnormalClosure
    ? abnormal(by)
    : new Closed({ by, code: received.code, reason: received.reason, clean: true, truncated: false })

/** The code that tells a peer how a scope ended (RFC 6455 7.4.1). What went wrong is nothing that it is told. */
export const closeCodeOf = (exit: Exit.Exit<unknown, unknown>): number => {
  if (Exit.isSuccess(exit)) return CloseCode.Normal
  return Cause.hasInterruptsOnly(exit.cause) ? CloseCode.GoingAway : CloseCode.InternalError
}
