/** What a test holds of memory: array buffers that somebody still has, at the height of it. */
import * as Effect from "effect/Effect"
import { liveArrayBuffers } from "../../packages/core/test/support/garbage.ts"

/** Looks at memory now and again, and answers the most that there was beyond what there was at the start. */
export class Gauge {
  private readonly start = liveArrayBuffers()
  private most = 0

  /** Looks, after a collection. */
  look(): number {
    const now = liveArrayBuffers() - this.start
    this.most = Math.max(this.most, now)
    return now
  }

  /** The most that was seen. */
  get peak(): number {
    return this.most
  }
}

/** Of the whole process, the heap included: what objects weigh, too. */
export const heapUsed = (): number => {
  liveArrayBuffers()
  return process.memoryUsage().heapUsed
}

export const show = (bytes: number): string =>
  Math.abs(bytes) < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`

/** Says what was measured, where the measure is the point. */
export const report = (what: string): Effect.Effect<void> => Effect.sync(() => console.log(what))
