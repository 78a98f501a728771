import * as Effect from "effect/Effect"
import { setFlagsFromString } from "node:v8"
import { runInNewContext } from "node:vm"

/** What is left after full collections. Pages go back to the system in the background, which takes its time. */
export const collected: Effect.Effect<NodeJS.MemoryUsage> = Effect.gen(function*() {
  for (let i = 0; i < 4; i++) {
    collect()
    yield* Effect.sleep("50 millis")
  }
  return process.memoryUsage()
})

setFlagsFromString("--expose-gc")
const collect: () => void = runInNewContext("gc")
