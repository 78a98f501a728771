import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** Waits for handlers whose peers were asked to leave, until a server's deadline, and has cut what is left then. */
export const drain = (
  handlers: Effect.Effect<unknown>,
  deadline: Duration.Duration,
  cut: (error: Error) => void
): Effect.Effect<void> =>
  handlers.pipe(
    Effect.interruptible,
    Effect.timeoutOption(deadline),
    Effect.map(() => cut(new Error(`the server closes, and has waited ${Duration.format(deadline)}`)))
  )
