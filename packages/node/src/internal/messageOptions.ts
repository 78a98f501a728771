/** Options of a connection for messages: what holds where nothing is said, and what is wrong with them. */
import type { OptionError } from "@websocket-stream/core/OptionError"
import type * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import type { Options } from "../Websocket.ts"
import type { CompressionSettings } from "./deflate.ts"
import type { Meter } from "./meter.ts"
import { duration, whole } from "./optionChecks.ts"

/** What holds where nothing is said. */
export const defaults = {
  receiveBuffer: 64 * 1024,
  threshold: 1024,
  level: 6,
  memLevel: 8,
  closeDeadline: "5 seconds"
} as const

/** How to speak, whatever was agreed on in the opening handshake. A server's connections share one. */
export interface MessageSettings {
  readonly compression: CompressionSettings
  /** Bytes of messages that may wait to be received. */
  readonly receiveBuffer: number
  readonly closeDeadline: Duration.Input
  readonly meter: Meter | undefined
  readonly clock: Clock.Clock
}

/** What the options say of them. */
export type ChosenSettings = Omit<MessageSettings, "meter" | "clock">

export const messageSettings = (options: Omit<Options, "deflate"> | undefined): ChosenSettings => ({
  compression: {
    threshold: options?.compression?.threshold ?? defaults.threshold,
    level: options?.compression?.level ?? defaults.level,
    memLevel: options?.compression?.memLevel ?? defaults.memLevel
  },
  receiveBuffer: options?.receiveBuffer ?? defaults.receiveBuffer,
  closeDeadline: options?.closeDeadline ?? defaults.closeDeadline
})

/** Says which of the options of a `Websocket` is out of range, if one is. */
export const checkMessageOptions = (options: Omit<Options, "deflate"> | undefined): OptionError | undefined => {
  const { closeDeadline, compression, receiveBuffer } = options ?? {}
  return whole("receiveBuffer", receiveBuffer, 1, Number.MAX_SAFE_INTEGER) ??
    whole("compression.threshold", compression?.threshold, 0, Number.MAX_SAFE_INTEGER) ??
    whole("compression.level", compression?.level, 0, 9) ??
    whole("compression.memLevel", compression?.memLevel, 1, 9) ??
    duration("closeDeadline", closeDeadline)
}
