/** What is wrong with the value of an option, if anything is. */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"

/** Says what is wrong with an option that has to be a whole number, unless it is not given. */
export const whole = (option: string, value: number | undefined, from: number, to: number): OptionError | undefined =>
  value === undefined || (Number.isSafeInteger(value) && value >= from && value <= to)
    ? undefined
    : new OptionError({ option, value, expected: `a whole number from ${from} to ${to}` })

/** The same for an option that has to be a time, which may be endless. */
export const duration = (option: string, value: Duration.Input | undefined): OptionError | undefined => {
  if (value === undefined) return undefined
  const parsed = Duration.fromInput(value)
  // Of a number that is none Effect makes no time at all, and a deadline would have passed from the first.
  return Option.isSome(parsed) && !Duration.isNegative(parsed.value) && !Number.isNaN(value)
    ? undefined
    : new OptionError({ option, value, expected: `a duration of at least 0, as "5 seconds" or milliseconds` })
}

/** The same for an option that has to be one of two words. */
export const oneOf = (option: string, value: string, [a, b]: readonly [string, string]): OptionError | undefined =>
  value === a || value === b ? undefined : new OptionError({ option, value, expected: `"${a}" or "${b}"` })

/** The same for what we speak: a client that offers them has its own checked in just the way that ours have to be. */
export const spoken = (subprotocols: ReadonlyArray<string> | undefined): OptionError | undefined => {
  if (subprotocols === undefined) return undefined
  const offered = OpeningHandshake.request({ ...anyRequest, subprotocols })
  return Result.isFailure(offered) ? offered.failure : undefined
}

const anyRequest = { host: "localhost", target: "/", nonce: new Uint8Array(16) }
