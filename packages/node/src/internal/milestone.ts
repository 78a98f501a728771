import * as Effect from "effect/Effect"
import { Waiters } from "./waiters.ts"

/** Something that happens once, and those who wait for it. */
export class Milestone extends Waiters<() => void> {
  isReached = false

  reach(): void {
    this.isReached = true
    this.wakeAll()
  }

  /** Waits until it has happened. */
  get reached(): Effect.Effect<void> {
    return Effect.callback((resume) => {
      if (this.isReached) return resume(Effect.void)
      const done = () => resume(Effect.void)
      this.addWaiter(done)
      return Effect.sync(() => this.removeWaiter(done))
    })
  }
}
