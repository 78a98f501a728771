import * as Effect from "effect/Effect"
import * as v8 from "node:v8"
import * as vm from "node:vm"

v8.setFlagsFromString("--expose-gc")
const collect: (options?: { readonly type: "minor" }) => void = vm.runInNewContext("gc")

const turn = Effect.promise(() => new Promise<void>((resolve) => setImmediate(resolve)))

/**
 * Whether nothing holds the value any more. What a `WeakRef` was made of or gave lives to the end of its job, hence the
 * turns of the event loop; several, because some memory goes only with the second collection.
 */
export const isCollected = (ref: WeakRef<object>): Effect.Effect<boolean> =>
  Effect.gen(function*() {
    for (let attempt = 0; attempt < 5; attempt++) {
      yield* turn
      collect()
      if (ref.deref() === undefined) return true
    }
    return false
  })

/** Bytes that somebody holds, in objects and in array buffers. */
export interface Memory {
  readonly objects: number
  readonly arrayBuffers: number
}

/** What is left after a collection. Without a turn, in which another test could make some. */
export const liveMemory = (): Memory => {
  collect()
  // The memory of what was collected is given back by another thread, at the latest when the next collection begins: a small
  // one, because a whole one of a process with many tests takes a tenth of a second.
  collect({ type: "minor" })
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return { objects: heapUsed, arrayBuffers }
}

/** How many bytes the array buffers have that somebody holds. */
export const liveArrayBuffers = (): number => liveMemory().arrayBuffers
