/** The options of a `WebsocketServer` with their defaults, once they are known to be usable. */
import * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Origin from "@websocket-stream/core/Origin"
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { ServingOptions } from "../WebsocketServer.ts"
import { deflateOptions } from "./deflate.ts"
import {
  checkMessageOptions,
  type ChosenSettings,
  defaults as messageDefaults,
  messageSettings
} from "./messageOptions.ts"
import { spoken, whole } from "./optionChecks.ts"
import { checkStreamOptions, type StreamSettings, streamSettings } from "./streamOptions.ts"
import type { Deadlines } from "./vigil.ts"

/** What serving takes, wherever it listens. */
export interface Settings {
  readonly options: ServingOptions
  readonly origins: Origin.Check
  readonly deflate: PermessageDeflate.Parameters | undefined
  readonly stream: StreamSettings
  readonly messages: ChosenSettings
  readonly deadlines: Deadlines
  readonly handshakeDeadline: Duration.Duration
  readonly drainDeadline: Duration.Duration
  readonly drainCode: number
  readonly maxConnections: number
  /** Whether the HTTP server is ours alone, so that nobody else has to do with its sockets. */
  readonly ownsServer: boolean
}

/** What holds where nothing is said. */
export const defaults = {
  handshakeDeadline: "10 seconds",
  closeDeadline: messageDefaults.closeDeadline,
  drainDeadline: "10 seconds",
  heartbeat: "30 seconds",
  idleDeadline: "75 seconds",
  maxLife: Duration.infinity,
  handlerDeadline: "1 minute",
  drainCode: CloseCode.GoingAway,
  maxConnections: 65_536
} as const satisfies Partial<ServingOptions>

// Of the time that a peer may be silent: two heartbeats, and time to answer the second.
const beatsOfIdle = 0.4

export const settings = (options: ServingOptions, ownsServer = false): Effect.Effect<Settings, OptionError> =>
  Effect.gen(function*() {
    const { drainCode = defaults.drainCode, maxConnections = defaults.maxConnections } = options
    const streamOptions = { ...options, role: "server" } as const
    const limits = yield* Effect.fromResult(checkStreamOptions(streamOptions))
    const idleDeadline = Duration.toMillis(yield* positive("idleDeadline", options))
    const heartbeat = Duration.toMillis(yield* positive("heartbeat", options))
    const settings: Settings = {
      options,
      origins: yield* Effect.fromResult(Origin.check(options.origins)),
      deflate: yield* Effect.fromResult(deflateOptions(options.deflate)),
      stream: streamSettings(streamOptions, limits, ownsServer),
      messages: messageSettings(options),
      handshakeDeadline: yield* finite("handshakeDeadline", options),
      deadlines: {
        closeDeadline: Duration.toMillis(yield* finite("closeDeadline", options)),
        // Who lowers the deadline means those who do not answer, and they have to be asked.
        heartbeat: options.heartbeat === undefined ? Math.min(heartbeat, idleDeadline * beatsOfIdle) : heartbeat,
        idleDeadline,
        maxLife: Duration.toMillis(yield* positive("maxLife", options)),
        handlerDeadline: Duration.toMillis(yield* positive("handlerDeadline", options))
      },
      drainDeadline: yield* finite("drainDeadline", options),
      drainCode,
      maxConnections,
      ownsServer
    }
    yield* Effect.fromResult(OpeningHandshake.accept(anyOffer, { headers: options.headers }))
    const wrong = spoken(options.subprotocols) ??
      checkMessageOptions(options) ??
      whole("maxConnections", maxConnections, 1, Number.MAX_SAFE_INTEGER) ??
      checkDrainCode(drainCode)
    if (wrong !== undefined) return yield* wrong
    return settings
  })

/** How often to look at deadlines: each is kept to within half of the shortest. */
export const sweepInterval = ({ deadlines, handshakeDeadline }: Settings): Duration.Duration =>
  Duration.millis(Math.min(...Object.values(deadlines), Duration.toMillis(handshakeDeadline)) / 2)

type DurationOption = "handshakeDeadline" | "drainDeadline" | keyof Deadlines

const positive = (
  option: DurationOption,
  options: ServingOptions,
  expected = "a duration above zero"
): Effect.Effect<Duration.Duration, OptionError> => {
  const value = options[option] ?? defaults[option]
  const duration = Option.filter(Duration.fromInput(value), Duration.isPositive)
  return Option.isSome(duration) ? Effect.succeed(duration.value) : new OptionError({ option, value, expected })
}

// What has to come to an end has no infinite deadline.
const finite = (option: DurationOption, options: ServingOptions): Effect.Effect<Duration.Duration, OptionError> =>
  Effect.filterOrFail(
    positive(option, options, finiteDuration),
    Duration.isFinite,
    () => new OptionError({ option, value: options[option], expected: finiteDuration })
  )

const finiteDuration = "a finite duration above zero"

const checkDrainCode = (code: number): OptionError | undefined =>
  Result.isSuccess(Close.encode(Close.make(code)))
    ? undefined
    : new OptionError({ option: "drainCode", value: code, expected: "a close code that may be sent" })

const anyOffer: OpeningHandshake.Offer = { key: "", subprotocols: [], extensions: undefined }
