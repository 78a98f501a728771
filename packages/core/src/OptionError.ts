/**
 * An option that cannot be used as it was given.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import { shown } from "./internal/shown.ts"

/**
 * Names the option, the value that it had and what it takes instead.
 *
 * **Example** (What a wrong limit says)
 *
 * ```ts
 * import { Limits } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const error = Result.getOrThrow(Result.flip(Limits.make("server", { maxFrameSize: -1 })))
 * error.message // => "limits.maxFrameSize is -1, it must be a whole number from 0 to 9007199254740991"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class OptionError extends Data.TaggedError("OptionError")<{
  /** The option, by its path in the options: `limits.maxFrameSize`. */
  readonly option: string
  /** The value that it had. */
  readonly value: unknown
  /** What it must be, as the end of a sentence. */
  readonly expected: string
}> {
  override get message(): string {
    return `${this.option} is ${shown(textOf(this.value))}, it must be ${this.expected}`
  }
}

// An object without a prototype, as parsers of queries make them, has no text, and the code that gives one may throw.
const textOf = (value: unknown): string => {
  try {
    return String(value)
  } catch {
    return "a value without a text"
  }
}
