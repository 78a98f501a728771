/** A program as its user meets it: what it prints, how it ends, and the signals that it gets. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Writable } from "node:stream"
import { text } from "node:stream/consumers"
import { fileURLToPath } from "node:url"

export interface Ended {
  readonly status: number | null
  readonly signal: NodeJS.Signals | null
  /** All of standard error. */
  readonly stderr: string
}

export interface Running {
  readonly stdin: Writable
  /** The next line of standard output. */
  readonly line: Effect.Effect<string>
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly ended: Effect.Effect<Ended>
}

/** Starts a program, and kills it at the end of the scope if it still runs. */
export const start = (
  command: string,
  args: ReadonlyArray<string>,
  options?: { readonly cwd?: URL; readonly env?: NodeJS.ProcessEnv }
): Effect.Effect<Running, never, Scope.Scope> =>
  Effect.acquireRelease(
    // Node 22 warns on standard error that it runs TypeScript, and what stands there should be the program's own.
    Effect.sync(() =>
      spawn(command, args, {
        ...options,
        env: { ...process.env, NODE_COMPILE_CACHE: compiled, ...options?.env, NODE_NO_WARNINGS: "1" },
        stdio: "pipe"
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  ).pipe(
    Effect.map((child) => {
      const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
      const stderr = text(child.stderr)
      const ended = once(child, "close").then(async ([status, signal]) => ({ status, signal, stderr: await stderr }))
      return {
        stdin: child.stdin,
        line: Effect.promise(async () => {
          const { done, value } = await lines.next()
          if (done === true) throw new Error(`${command} ended where a line was expected: ${await stderr}`)
          return value
        }),
        kill: (signal) => Effect.sync(() => child.kill(signal)),
        ended: Effect.promise(() => ended)
      }
    })
  )

// A third of what it takes to start a program is to compile Effect, which is the same for all of them.
const compiled = fileURLToPath(new URL("../node_modules/.cache/compiled", import.meta.url))
