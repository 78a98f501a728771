import * as Limits from "@websocket-stream/core/Limits"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Result from "effect/Result"
import type { Options } from "../WebsocketStream.ts"
import { duration, whole } from "./messageOptions.ts"

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

const oneOf = (option: string, value: string, [a, b]: readonly [string, string]): OptionError | undefined =>
  value === a || value === b ? undefined : new OptionError({ option, value, expected: `"${a}" or "${b}"` })
