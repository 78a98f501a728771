import * as Effect from "effect/Effect"
import { exactSize, rate, short } from "../report/numbers.ts"
import { cpu, inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"
import { check, ours, oursAsRead, stream, theirs } from "./streams.ts"

const sizes = [[32, 20_000], [125, 20_000], [1024, 5_000], [16_384, 1_000], [1024 * 1024, 16]] as const

/** Bytes to frames. */
export const decoding: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const [payloadBytes, frames] of sizes) {
      const chunks = stream(payloadBytes, frames, 64 * 1024)
      check(chunks, payloadBytes, frames)
      if (rounds === 0) continue
      const [us = 0, them = 0] = yield* inTurn(rounds, [
        Effect.sync(() => ours(chunks)),
        Effect.sync(() => theirs(chunks))
      ])
      rows.push([exactSize(payloadBytes), rate(frames, us), rate(frames, them), short(them / us)])
    }
    return {
      title: "Decoding masked frames that arrive in chunks of 64 KiB",
      header: ["payload", "`FrameDecoder`", "`Receiver` of `ws`", "ratio"],
      rows
    }
  })

/**
 * Whether a large frame costs more than its size: 16 MiB in chunks of 16 KiB beside 1 MiB. As many bytes of each are timed, and
 * each decoder alone, by all of its CPU: else one would leave its garbage to whoever comes next.
 */
export const largeFrames: Measure = (rounds) =>
  Effect.gen(function*() {
    const [small, large] = [1024 * 1024, 16 * 1024 * 1024]
    const times = large / small
    const [few, many] = [stream(small, times, 16 * 1024), stream(large, 1, 16 * 1024)]
    check(few, small, times)
    check(many, large, 1)
    const rows: Array<ReadonlyArray<string>> = []
    if (rounds > 0) {
      for (const [name, decode] of [["`FrameDecoder`", oursAsRead], ["`Receiver` of `ws`", theirs]] as const) {
        const [usual = 0, long = 0] = yield* inTurn(rounds, [
          Effect.sync(() => decode(few)),
          Effect.sync(() => decode(many))
        ], cpu)
        rows.push([name, millis(usual / times), millis(long), short(long / (usual / times))])
      }
    }
    return {
      title: "One frame in chunks of 16 KiB",
      header: ["", "1 MiB", "16 MiB", "times (linear is 16)"],
      rows
    }
  })

const millis = (nanoseconds: number): string => `${short(nanoseconds / 1e6)} ms`
