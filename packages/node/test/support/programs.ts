/** Programs beside this file that run alone, in a process of their own, and say what they have seen as JSON. */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

/** Runs one, and answers what it says. */
export const run = <A>(name: string, ...args: ReadonlyArray<string>): Effect.Effect<A> =>
  Effect.promise(async () => {
    const program = fileURLToPath(new URL(name, import.meta.url))
    const env = { ...process.env, NODE_NO_WARNINGS: "1" }
    const { stdout } = await promisify(execFile)(process.execPath, [program, ...args], { env })
    return JSON.parse(stdout)
  })
