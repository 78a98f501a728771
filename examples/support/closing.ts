import { CloseCode, Frame, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

/** Tells the peer with a Close frame of 1001 when the scope ends by interruption: the program stops. */
export const goingAway = (
  stream: WebsocketStream.WebsocketStream["Service"]
): Effect.Effect<void, never, Scope.Scope> =>
  Effect.addFinalizer((exit) =>
    Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause) ? Effect.ignore(sayGoingAway(stream)) : Effect.void
  )

// In NonBlock mode, so that a peer that does not read cannot keep the program from stopping.
const sayGoingAway = (stream: WebsocketStream.WebsocketStream["Service"]) =>
  Effect.andThen(stream.setMode("NonBlock"), stream.write(Opcode.Close, closePayload(CloseCode.GoingAway)))

/** What a Close frame holds: the code in two bytes, then the reason, cut to what there is room for (RFC 6455 5.5.1). */
export const closePayload = (code: number, reason = ""): Uint8Array => {
  const payload = new Uint8Array(Frame.maxControlPayload)
  payload[0] = code >>> 8
  payload[1] = code
  // Stops in front of a character that does not fit.
  const { written } = new TextEncoder().encodeInto(reason, payload.subarray(2))
  return payload.subarray(0, 2 + written)
}
