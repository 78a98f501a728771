/**
 * Finds what never returns. An endless loop stops the thread that it runs on, so another one looks: it is told of each input
 * before it is tried, and if it hears nothing for too long, it puts the input into the corpus, says so and ends the process.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { writeSync } from "node:fs"
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads"
import * as Corpus from "./corpus.ts"
import * as Notation from "./notation.ts"

export interface Watchdog {
  readonly watch: (input: unknown) => void
}

/** Looks as long as the scope lives. */
export const make = (target: string): Effect.Effect<Watchdog, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Worker(new URL(import.meta.url), { workerData: target })),
    (worker) => Effect.promise(() => worker.terminate())
  ).pipe(Effect.map((worker) => ({ watch: (input) => worker.postMessage(input) })))

// Inputs take milliseconds, on a machine that has more to do some more.
const longest = 60_000

if (!isMainThread && parentPort !== null) {
  const target: string = workerData
  let input: unknown
  let tried = 0
  parentPort.on("message", (next) => {
    input = next
    tried++
  })
  let seen = -1
  setInterval(() => {
    if (tried === 0 || tried !== seen) {
      seen = tried
      return
    }
    const path = Corpus.write(target, input)
    // Past the main thread, by which a worker's standard error goes.
    writeSync(
      2,
      `${target}: an input never ends; it is in the corpus:\n\n${Notation.toTest(target, input)}\n${path}\n`
    )
    process.kill(process.pid, "SIGKILL")
  }, longest)
}
