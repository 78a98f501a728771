/** What goes wrong beneath a stream, and how long its timers can be. */
import { Io } from "../WebsocketError.ts"
import { untraced } from "./untraced.ts"

/** Carries whatever Node raised: an errno that nobody has heard of, or an error that has none. */
export const ioReason = (cause: NodeJS.ErrnoException): Io =>
  new Io({ code: cause.code, errno: cause.errno, syscall: cause.syscall, cause })

/** Of a stream that ended without a word. */
export const prematureClose = (): Error =>
  Object.assign(untraced(() => new Error("the stream was destroyed")), { code: "ERR_STREAM_PREMATURE_CLOSE" })

/** Milliseconds, 24 days. Node takes a longer time, or an infinite one, for a millisecond. */
export const longestTimer = 2 ** 31 - 1
