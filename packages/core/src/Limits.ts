/**
 * What we are ready to hold for a peer (RFC 6455 10.4).
 *
 * Limits fail closed: an option that is missing is its default, and only a value that was written down lifts one.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { OptionError } from "./OptionError.ts"
import type { Role } from "./Role.ts"

/**
 * Every limit, in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /**
   * The largest payload of one frame, in bytes. A peer that announces more is refused with close code 1009 at the byte
   * of the length that decides it, before any of the payload is kept.
   */
  readonly maxFrameSize: number
}

/**
 * Limits as a user writes them: what is missing is the default.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = { readonly [Limit in keyof Limits]?: Limits[Limit] | undefined }

/**
 * The largest frame that a server takes unless told otherwise: 1 MiB. Anyone may connect to it.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultServerMaxFrameSize = 1024 * 1024

/**
 * The largest frame that a client takes unless told otherwise: 16 MiB. It chose its server.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultClientMaxFrameSize = 16 * 1024 * 1024

/**
 * Completes limits with the defaults of the role, and refuses values that could not be kept.
 *
 * **Details**
 *
 * Fails with `OptionError` for a limit that is not a whole number of bytes from 0 to 2^53 - 1. `Infinity` is refused,
 * too: to lift a limit, write `Number.MAX_SAFE_INTEGER`.
 *
 * **Example** (A server that takes frames of up to 64 KiB)
 *
 * ```ts
 * import { Limits } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * Result.getOrThrow(Limits.make("server", { maxFrameSize: 65_536 })) // => { maxFrameSize: 65_536 }
 * Result.getOrThrow(Limits.make("client")) // => { maxFrameSize: 16_777_216 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (role: Role, options?: Options): Result.Result<Limits, OptionError> => {
  const maxFrameSize = options?.maxFrameSize ??
    (role === "server" ? defaultServerMaxFrameSize : defaultClientMaxFrameSize)
  if (!Number.isSafeInteger(maxFrameSize) || maxFrameSize < 0) {
    return Result.fail(
      new OptionError({
        option: "limits.maxFrameSize",
        value: maxFrameSize,
        expected: `a whole number of bytes from 0 to ${Number.MAX_SAFE_INTEGER}`
      })
    )
  }
  return Result.succeed({ maxFrameSize })
}
