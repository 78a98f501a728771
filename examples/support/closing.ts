import { Close, CloseCode, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
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

/** What a Close frame holds: a code that may be sent, and as much of the reason as there is room for. */
export const closePayload = (code: number, reason = ""): Uint8Array =>
  Result.getOrThrow(Close.encode(Close.fitting(code, reason)))
