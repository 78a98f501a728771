/** What goes wrong beneath a stream. */
import * as Duration from "effect/Duration"
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
