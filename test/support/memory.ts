/** What a test holds of memory, in array buffers and in objects that somebody still has, at the height of it. */
import * as Effect from "effect/Effect"
import { liveMemory, type Memory } from "../../packages/core/test/support/garbage.ts"

/** Looks at memory now and again, and answers what there is beyond what there was at the start. */
export class Gauge {
  private readonly start = liveMemory()
  private most = 0

  /** Looks, after a collection. */
  look(): Memory {
    const now = liveMemory()
    const arrayBuffers = now.arrayBuffers - this.start.arrayBuffers
    this.most = Math.max(this.most, arrayBuffers)
    return { arrayBuffers, objects: now.objects - this.start.objects }
  }

  /** The most of array buffers that was seen. */
  get peak(): number {
    return this.most
  }
}

export const show = (bytes: number): string =>
  Math.abs(bytes) < 1024 * 1024 ? `${(bytes / 1024).toFixed(1)} KiB` : `${(bytes / 1024 / 1024).toFixed(1)} MiB`

/** Says what was measured, where the measure is the point. */
export const report = (what: string): Effect.Effect<void> => Effect.sync(() => console.log(what))
