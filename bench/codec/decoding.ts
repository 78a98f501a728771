import * as Effect from "effect/Effect"
import { exactSize, rate, short } from "../report/numbers.ts"
import { inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"
import { check, ours, stream, theirs } from "./streams.ts"

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
 * Whether a large frame costs more than its size: 16 MiB in chunks of 16 KiB beside 1 MiB. As many bytes of each are timed: one
 * small frame alone leaves its garbage to whoever comes next.
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
      const [usFew = 0, usMany = 0, themFew = 0, themMany = 0] = yield* inTurn(rounds, [
        Effect.sync(() => ours(few)),
        Effect.sync(() => ours(many)),
        Effect.sync(() => theirs(few)),
        Effect.sync(() => theirs(many))
      ])
      rows.push(row("`FrameDecoder`", usFew / times, usMany), row("`Receiver` of `ws`", themFew / times, themMany))
    }
    return {
      title: "One frame in chunks of 16 KiB",
      header: ["", "1 MiB", "16 MiB", "times (linear is 16)"],
      rows
    }
  })

const row = (name: string, small: number, large: number) => [name, millis(small), millis(large), short(large / small)]

const millis = (nanoseconds: number): string => `${short(nanoseconds / 1e6)} ms`
