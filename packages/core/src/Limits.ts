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
 * Every limit. Sizes are in bytes of payload.
 *
 * @category models
 * @since 0.1.0
 */
export interface Limits {
  /**
   * The largest message, all its frames together, as it travels. A peer that announces more is refused with close code 1009
   * at the header that says so, before any of its payload is kept.
   */
  readonly maxMessageSize: number
  /**
   * The largest frame. A peer that announces more is refused with close code 1009 at the byte of the length that decides it. Pings
   * and Close frames count, too, which may have 125 bytes: a smaller limit refuses some that are legal. Default: `maxMessageSize`.
   */
  readonly maxFrameSize: number
  /** The largest message once it is inflated; 1009 as soon as there would be more. Default: `maxMessageSize`. */
  readonly maxInflatedSize: number
  /** The most frames of one message, empty ones among them; 1008 past it. */
  readonly maxFragments: number
  /** What the unfinished messages of all connections that share the budget may hold; 1013 past it. */
  readonly maxHeldBytes: number
}

/**
 * Limits as a user writes them: what is missing is the default.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = { readonly [Limit in keyof Limits]?: Limits[Limit] | undefined }

/**
 * The largest message that a server takes unless told otherwise: 1 MiB. Anyone may connect to it.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultServerMaxMessageSize = 1024 * 1024

/**
 * The largest message that a client takes unless told otherwise: 16 MiB. It chose its server.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultClientMaxMessageSize = 16 * 1024 * 1024

/**
 * The most fragments of a message unless told otherwise: 131,072. They cost no memory, only the work of looking at them.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultMaxFragments = 128 * 1024

/**
 * What unfinished messages hold together at the most unless told otherwise: 256 MiB.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultMaxHeldBytes = 256 * 1024 * 1024

/**
 * Completes limits with the defaults of the role, and refuses values that could not be kept.
 *
 * **Details**
 *
 * Fails with `OptionError` for a limit that is not a whole number from 0 to 2^53 - 1. `Infinity` is refused, too: to lift a
 * limit, write `Number.MAX_SAFE_INTEGER`.
 *
 * **Example** (A server that takes messages of up to 64 KiB)
 *
 * ```ts
 * import { Limits } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const limits = Result.getOrThrow(Limits.make("server", { maxMessageSize: 65_536 }))
 * limits.maxMessageSize // => 65_536
 * limits.maxFrameSize // => 65_536
 * limits.maxFragments // => 131_072
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (role: Role, options?: Options): Result.Result<Limits, OptionError> => {
  const maxMessageSize = options?.maxMessageSize ??
    (role === "server" ? defaultServerMaxMessageSize : defaultClientMaxMessageSize)
  const limits: Limits = {
    maxMessageSize,
    maxFrameSize: options?.maxFrameSize ?? maxMessageSize,
    maxInflatedSize: options?.maxInflatedSize ?? maxMessageSize,
    maxFragments: options?.maxFragments ?? defaultMaxFragments,
    maxHeldBytes: options?.maxHeldBytes ?? defaultMaxHeldBytes
  }
  for (const [limit, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 0) {
      const expected = `a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
      return Result.fail(new OptionError({ option: `limits.${limit}`, value, expected }))
    }
  }
  return Result.succeed(limits)
}
