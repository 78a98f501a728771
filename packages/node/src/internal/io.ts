/** What goes wrong beneath a stream, and how long it may take to end. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { types } from "node:util"
import { Io } from "../WebsocketError.ts"
import { untraced } from "./untraced.ts"

/** Carries whatever was raised: an errno that nobody has heard of, an error that has none, or what is no error. */
export const ioReason = (raised: unknown): Io => {
  const cause: NodeJS.ErrnoException = isError(raised) ? raised : new Error(textOf(raised), { cause: raised })
  return new Io({ code: cause.code, errno: cause.errno, syscall: cause.syscall, cause })
}

// Agents and whoever destroys a stream may fail with anything. Node's own errors are of another realm where a test has one.
const isError = (raised: unknown): raised is Error => raised instanceof Error || types.isNativeError(raised)

// What an object holds may be a secret.
const textOf = (raised: unknown): string =>
  typeof raised === "string" ? raised : `what was raised is no Error, but of type ${typeof raised}`

/** Of a stream that ended without a word. */
export const prematureClose = (): Error =>
  Object.assign(untraced(() => new Error("the stream was destroyed")), { code: "ERR_STREAM_PREMATURE_CLOSE" })

/** Of a connection that was cut for what its peer did, or did not do, for so long. */
export const timedOut = (what: string, deadline: Duration.Input): Error => {
  const time = Duration.format(Duration.fromInputUnsafe(deadline))
  return Object.assign(untraced(() => new Error(`the peer ${what} for ${time}`)), { code: "ETIMEDOUT" })
}

/**
 * Begins what is to be done, and ends it when it is, after `linger`, or when it is interrupted.
 *
 * The time is real even where the clock of a test stands still: no virtual time makes a peer read.
 */
export const lingering = (
  linger: Duration.Input,
  begin: (done: () => void) => void,
  end: (done: () => void) => void
): Effect.Effect<void> =>
  Effect.callback((resume) => {
    const done = () => {
      clearTimeout(timer)
      end(done)
      resume(Effect.void)
    }
    const timer = setTimeout(done, Math.min(Duration.toMillis(linger), longestTimer))
    begin(done)
    return Effect.sync(done)
  })

/** Milliseconds, 24 days. Node takes a longer time, or an infinite one, for a millisecond. */
export const longestTimer = 2 ** 31 - 1
