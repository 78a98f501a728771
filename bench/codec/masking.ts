import { Masking } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import { strict as assert } from "node:assert"
import { exactSize, short } from "../report/numbers.ts"
import { bufferUtil } from "../support/bufferUtil.ts"
import { inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"

const key = 0x12345678
const keyBytes = Buffer.from([0x12, 0x34, 0x56, 0x78])
const sizes = [125, 1024, 64 * 1024]

/** Bytes that go through each in a round. */
const total = 16 * 1024 * 1024

/** Unmasking in place, beside the copying of as many bytes. */
export const masking: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const size of sizes) {
      checkMasking(size)
      if (rounds === 0) continue
      const [bytes, copy] = [Buffer.alloc(size, 7), Buffer.alloc(size)]
      const times = Math.ceil(total / size)
      const repeat = (task: () => void) =>
        Effect.sync(() => {
          for (let i = 0; i < times; i++) task()
        })
      const unmask = bufferUtil?.unmask ?? (() => {})
      const [us = 0, them = 0, memcpy = 0] = yield* inTurn(rounds, [
        repeat(() => Masking.applyInPlace(bytes, key)),
        repeat(() => unmask(bytes, keyBytes)),
        repeat(() => bytes.copy(copy))
      ])
      const speed = (nanoseconds: number) => `${short(times * size / nanoseconds)} GB/s`
      rows.push([
        exactSize(size),
        speed(us),
        bufferUtil === undefined ? "not installed" : speed(them),
        speed(memcpy),
        short(memcpy / us)
      ])
    }
    return {
      title: "Unmasking",
      header: ["bytes", "`Masking`", "bufferutil", "memcpy", "ours to memcpy"],
      rows
    }
  })

const checkMasking = (size: number): void => {
  const bytes = Buffer.alloc(size, 7)
  Masking.applyInPlace(bytes, key)
  assert.ok(bytes.every((byte, i) => byte === (7 ^ keyBytes[i % 4]!)))
  bufferUtil?.unmask(bytes, keyBytes)
  if (bufferUtil !== undefined) assert.ok(bytes.every((byte) => byte === 7))
}
