import * as Budget from "@websocket-stream/core/Budget"
import * as Close from "@websocket-stream/core/Close"
import * as Connection from "@websocket-stream/core/Connection"
import type * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { wholePart } from "./messages.ts"

/** A connection that no limit stops unless told otherwise. */
export const makeConnection = (role: Role, options?: Partial<Connection.Options>): Connection.Connection =>
  Connection.make({
    role,
    maxMessageSize: Number.MAX_SAFE_INTEGER,
    maxFragments: Number.MAX_SAFE_INTEGER,
    maxHeldBytes: Number.MAX_SAFE_INTEGER,
    budget: Budget.make(),
    ...options
  })

/** What whole frames come to, one after the other; none of them breaks a rule. */
export const receiveAll = (
  connection: Connection.Connection,
  frames: ReadonlyArray<Frame.Frame>,
  inPieces?: boolean
): ReadonlyArray<Connection.Step> =>
  frames.map((frame) => Result.getOrThrow(connection.receive(wholePart(frame), inPieces)))

/** The answer to a frame as a line: what it brought, what is to be sent, and whether our side of TCP ends. */
export const readableStep = (step: Result.Result<Connection.Step, ProtocolError.ProtocolError>): string => {
  if (Result.isFailure(step)) return `! ${step.failure.reason._tag}`
  const { event, reply, shutdown } = step.success
  const parts = [
    event === undefined ? "" : readableEvent(event),
    reply === undefined ? "" : `reply ${readableFrame(reply)}`,
    shutdown ? "end" : ""
  ]
  return parts.filter((part) => part !== "").join(", ")
}

/** A frame as a line, its payload as text. */
const readableFrame = ({ fin, opcode, payload, rsv1 }: Frame.Frame): string => {
  const name = Object.entries(Opcode).find(([, value]) => value === opcode)?.[0] ?? "?"
  return `${fin ? "" : "unfinished "}${rsv1 ? "compressed " : ""}${name} ${
    opcode === Opcode.Close ? readableClose(Result.getOrThrow(Close.decode(payload))) : readableBytes(payload)
  }`.trimEnd()
}

const readableEvent = (event: Connection.Event): string => {
  switch (event._tag) {
    case "Text":
      return `Text ${event.text}`
    case "Close":
      return `Close ${readableClose(event.close)}`
    case "Piece":
      return `${event.last ? "last " : ""}Piece ${readableBytes(event.payload)}`.trimEnd()
    default:
      return `${event._tag} ${readableBytes(event.payload)}`.trimEnd()
  }
}

const readableClose = ({ code, reason }: Close.Close): string => `${code} ${reason}`.trimEnd()

const readableBytes = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")
