/**
 * Which of our code was run, by V8's own counts. To ask takes a few milliseconds, and running is not slower for it: so whole
 * batches of inputs are looked at, and single ones only where a batch has reached something new.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Inspector from "node:inspector"

const ours = /\/packages\/(core|node)\/src\//

/** What was run of each function: a byte for each character of it, 1 where it was. */
export type Run = ReadonlyMap<string, Uint8Array>

export class Coverage {
  private readonly session: Inspector.Session
  private readonly known = new Map<string, Uint8Array>()

  constructor(session: Inspector.Session) {
    this.session = session
  }

  /** What was run since this was last asked. */
  take(): Run {
    const run = new Map<string, Uint8Array>()
    // Answers before it returns: the session is of this very thread.
    this.session.post("Profiler.takePreciseCoverage", (error, taken) => {
      if (error !== null) throw error
      for (const { functions, url } of taken.result) {
        if (!ours.test(url)) continue
        for (const { ranges } of functions) {
          const { endOffset, startOffset } = ranges[0]!
          const isRun = new Uint8Array(endOffset - startOffset)
          // The inner ones behind those that they are in. How they are cut depends on how often each was run.
          for (const range of ranges) {
            isRun.fill(range.count > 0 ? 1 : 0, range.startOffset - startOffset, range.endOffset - startOffset)
          }
          run.set(`${url}:${startOffset}:${endOffset}`, isRun)
        }
      }
    })
    return run
  }

  /** Whether there is anything in it that was not there before. */
  isNew(run: Run): boolean {
    for (const [name, isRun] of run) {
      const known = this.known.get(name)
      if (known === undefined ? isRun.includes(1) : isRun.some((one, i) => one > known[i]!)) return true
    }
    return false
  }

  add(run: Run): void {
    for (const [name, isRun] of run) {
      const known = this.known.get(name)
      this.known.set(name, known === undefined ? isRun : known.map((one, i) => one | isRun[i]!))
    }
  }
}

/** Counts as long as the scope lives. */
export const make: Effect.Effect<Coverage, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    const session = new Inspector.Session()
    session.connect()
    session.post("Profiler.enable")
    // With counts, or what was told once is not told again.
    session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true })
    return session
  }),
  (session) => Effect.sync(() => session.disconnect())
).pipe(Effect.map((session) => new Coverage(session)))
