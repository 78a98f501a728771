/** How numbers are written: three digits that mean something, and not more. */
import type { Spread } from "../support/statistics.ts"

export const short = (value: number): string =>
  value >= 99.95 ? Math.round(value).toLocaleString("en") : value >= 9.995 ? value.toFixed(1) : value.toFixed(2)

/** The median and, behind it, the least and the most of the rounds. */
export const withSpread = ({ max, median, min }: Spread): string => `${short(median)} (${short(min)} to ${short(max)})`

/** How many in so many nanoseconds, a second. */
export const rate = (count: number, nanoseconds: number): string => {
  const thousands = count / nanoseconds * 1e6
  return thousands >= 1000 ? `${short(thousands / 1000)} M/s` : `${short(thousands)} k/s`
}

/** Microseconds, in the unit that suits them. */
export const duration = (microseconds: number): string =>
  microseconds >= 1e6
    ? `${short(microseconds / 1e6)} s`
    : microseconds >= 1000
    ? `${short(microseconds / 1000)} ms`
    : `${short(microseconds)} µs`

export const size = (bytes: number): string =>
  bytes >= 1024 * 1024
    ? `${short(bytes / 1024 / 1024)} MiB`
    : bytes >= 1024
    ? `${short(bytes / 1024)} KiB`
    : `${Math.round(bytes)} B`

/** Of bytes that are a round number of something. */
export const exactSize = (bytes: number): string =>
  bytes >= 1024 * 1024 ? `${bytes / 1024 / 1024} MiB` : bytes >= 1024 ? `${bytes / 1024} KiB` : `${bytes} B`
