/** What the process has open, by its kind: handles, requests and timers. */
import * as Effect from "effect/Effect"

/** How many there are of each kind. */
export type Resources = { readonly [kind: string]: number }

/** What is open now. */
export const resources = (): Resources => {
  const counts: Record<string, number> = {}
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1
  return counts
}

/**
 * What is open when nothing goes on. A timer is open until whoever it wakes has returned, and one that went off is not until
 * whoever slept sleeps again: so this is asked behind the timers of a turn, and the most of some turns is what there is.
 */
export const steadyResources: Effect.Effect<Resources> = Effect.gen(function*() {
  const most: Record<string, number> = {}
  for (let turn = 0; turn < 10; turn++) {
    yield* Effect.yieldNow
    // Immediates are of whoever goes on in this turn: of this, at least.
    const { Immediate: _, ...open } = resources()
    for (const [kind, count] of Object.entries(open)) most[kind] = Math.max(most[kind] ?? 0, count)
  }
  return most
})
