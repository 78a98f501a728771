/** Options of a stream: what holds where nothing is said, and what is wrong with them. */
import * as Limits from "@websocket-stream/core/Limits"
import type { OptionError } from "@websocket-stream/core/OptionError"
import type * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import type { Options } from "../WebsocketStream.ts"
import type { FrameSettings } from "./frameStream.ts"
import { duration, oneOf, whole } from "./optionChecks.ts"

/** What holds where nothing is said. */
export const defaults = { linger: "1 second", turnSize: 64 * 1024 } as const satisfies Partial<Options>

/** How to speak on a stream, whatever was agreed on in the opening handshake. */
export interface StreamSettings extends FrameSettings {
  readonly linger: Duration.Input
}

export const streamSettings = (options: Options, limits: Limits.Limits, dropsSocket = false): StreamSettings => ({
  dropsSocket,
  role: options.role,
  mode: options.mode ?? "Block",
  limits,
  direct: options.direct ?? true,
  turnSize: options.turnSize ?? defaults.turnSize,
  linger: options.linger ?? defaults.linger
})

/** The limits of a stream, if all its options can be used. */
export const checkStreamOptions = (options: Options): Result.Result<Limits.Limits, OptionError> => {
  const { limits, linger, mode = "Block", role, turnSize } = options
  return Result.flatMap(Limits.make(role, limits), (limits) => {
    const wrong = oneOf("role", role, ["client", "server"]) ??
      oneOf("mode", mode, ["Block", "NonBlock"]) ??
      duration("linger", linger) ??
      whole("turnSize", turnSize, 1024, 2 ** 30)
    return wrong === undefined ? Result.succeed(limits) : Result.fail(wrong)
  })
}
