/** Our errors as those of Effect's `Socket`: close codes and what the peer broke survive the crossing. */
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as Socket from "effect/socket/Socket"
import { isOpenError, type ReadError, type WriteError } from "../WebsocketError.ts"
import { isEnd } from "./handlerEnd.ts"

/** Of a connection that could not be opened. */
export const openFailed = (cause: unknown): Socket.SocketError => {
  const kind = isOpenError(cause) && cause.reason._tag === "Deadline" ? "Timeout" : "Unknown"
  return new Socket.SocketError({ reason: new Socket.SocketOpenError({ kind, cause }) })
}

/** Of a read or a write. */
export const socketError = (error: ReadError | WriteError): Socket.SocketError =>
  new Socket.SocketError({ reason: reasonOf(error) })

const reasonOf = (cause: ReadError | WriteError): Socket.SocketErrorReason => {
  const { reason } = cause
  if (reason._tag === "Closed") return new Socket.SocketCloseError({ code: reason.code, closeReason: reason.reason })
  // RFC 6455 7.1.5: "considered to be 1006". Whatever is no close, an `RpcServer` takes for a bug.
  if (reason._tag === "Io") {
    return new Socket.SocketCloseError({ code: CloseCode.AbnormalClosure, closeReason: reason.message })
  }
  return cause._tag === "ReadError" ? new Socket.SocketReadError({ cause }) : new Socket.SocketWriteError({ cause })
}

/** Whether the error says that a connection ended. Whose that was it does not say. No write fails of an end but by `SocketCloseError`. */
export const isSocketEnd = (error: unknown): error is Socket.SocketError =>
  Socket.isSocketError(error) &&
  (error.reason._tag === "SocketCloseError" || (error.reason._tag === "SocketReadError" && isEnd(error.reason.cause)))
