/** What nobody has caught: it belongs to the input that was being tried. */
import * as Effect from "effect/Effect"
import { turn } from "../../packages/node/test/support/turns.ts"

/** Dies, after the check, of what it left behind in the process. */
export const guarded = (check: Effect.Effect<void>): Effect.Effect<void> =>
  Effect.gen(function*() {
    const errors: Array<unknown> = []
    const keep = (error: unknown) => void errors.push(error)
    yield* Effect.acquireUseRelease(
      Effect.sync(() => listen("on", keep)),
      // A rejection is told of behind all microtasks, and a warning in a tick of its own.
      () => Effect.andThen(check, turn),
      () => Effect.sync(() => listen("off", keep))
    )
    if (errors.length > 0) return yield* Effect.die(errors[0])
  })

const listen = (how: "on" | "off", listener: (error: unknown) => void): void => {
  for (const event of ["uncaughtException", "unhandledRejection", "warning"]) process[how](event, listener)
}
