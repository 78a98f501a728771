/** Takes a stream over for as long as the scope lives. */
import { OptionError } from "@websocket-stream/core/OptionError"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"
import type { Options } from "../WebsocketStream.ts"
import { isTaken } from "./attached.ts"
import { forgetting } from "./forgetting.ts"
import { FrameStream } from "./frameStream.ts"
import { checkStreamOptions, streamSettings } from "./streamOptions.ts"

/** As `WebsocketStream.make`, with what a server has to say first. */
export const makeStream = (
  duplex: Duplex,
  options: Options,
  greeting?: Uint8Array
): Effect.Effect<FrameStream, OptionError, Scope.Scope> =>
  Effect.suspend(() => {
    const limits = checkStreamOptions(options)
    if (Result.isFailure(limits)) return Effect.fail(limits.failure)
    const expected = neededOf(duplex)
    if (expected !== undefined) return Effect.fail(new OptionError({ option: "duplex", value: duplex, expected }))
    const settings = streamSettings(options, limits.success)
    const { head, rsv1 = false } = options
    const make = () => new FrameStream(duplex, settings, { head, greeting, rsv1 })
    return Effect.acquireRelease(forgetting(() => Effect.succeed(make())), closing(settings.linger))
  })

// Of a stream that cannot be used.
const neededOf = (duplex: Duplex): string | undefined => {
  if (duplex.readableObjectMode || duplex.writableObjectMode || duplex.readableEncoding !== null) {
    return "a stream of bytes without an encoding"
  }
  return isTaken(duplex) ? "a stream that no other WebsocketStream has taken over" : undefined
}

// Not written where it is used: it would keep the head there, and what else `make` was given, for as long as the stream lives.
const closing = (linger: Duration.Input) => (stream: FrameStream): Effect.Effect<void> => stream.close(linger)
