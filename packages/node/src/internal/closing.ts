/** What a connection's scope does with it in the end. */
import type { Closing } from "@websocket-stream/core/Connection"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import { closeCodeOf } from "./closed.ts"
import type { MessageStream } from "./messageStream.ts"

/** Closes the connection by the code that says how the scope ended, in a span of its own. */
export const closing = (messages: MessageStream) => (exit: Exit.Exit<unknown, unknown>): Effect.Effect<void> =>
  messages.release(closeCodeOf(exit)).pipe(
    Effect.andThen(Effect.suspend(() => Effect.annotateCurrentSpan(attributes(messages.closing)))),
    // A stack would tell who made the scope, and costs microseconds.
    Effect.withSpan("websocket.close", undefined, { captureStackTrace: false })
  )

const attributes = ({ by, received, sent }: Closing) => ({
  "websocket.close.by": by,
  "websocket.close.sent": sent?.code,
  "websocket.close.received": received?.code
})
