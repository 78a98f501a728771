/**
 * Breaks the protocol one line at a time, in a copy of the workspace, and sees whether its tests notice.
 *
 *   pnpm mutate [--count 150] [--seed 1] [--file Frame] [--e2e]
 *
 * A mutant that does not compile is not counted. What survives the tests of its own module and of all of core is shown; with
 * --e2e it has to survive the conformance tests, too. docs/mutation.md argues about those that nothing can notice. Ends with status
 * 1 if fewer than 95 % of the others are caught.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { spawn } from "node:child_process"
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { basename, join } from "node:path"
import { fileURLToPath } from "node:url"
import { runProgram } from "../support/program.ts"
import { type Mutant, mutantsOf } from "./mutants.ts"

interface Placed extends Mutant {
  readonly module: string
}

interface Flags {
  readonly count: number
  readonly e2e: boolean
  readonly file: Option.Option<string>
  readonly seed: number
}

/** Too few mutants were caught. */
class Uncaught extends Data.TaggedError("Uncaught")<{ readonly message: string }> {}

const root = fileURLToPath(new URL("../../", import.meta.url))

/** The codec: what is not types, wording or defaults. */
const modules = [
  "Close",
  "CloseCode",
  "Connection",
  "Frame",
  "FrameDecoder",
  "Masking",
  "MessageDecoder",
  "OpeningHandshake",
  "PermessageDeflate",
  "Utf8",
  "internal/characters",
  "internal/extensions",
  "internal/frameHeader",
  "internal/headerLines",
  "internal/headers",
  "internal/pieces",
  "internal/words"
]

const count = Flag.Int("count").pipe(
  Flag.withDescription("How many mutants to make"),
  Flag.withDefault(150),
  Flag.filter((count) => count > 0, (count) => `Expected at least 1, got ${count}`)
)

const seed = Flag.Int("seed").pipe(Flag.withDescription("Which of them"), Flag.withDefault(1))

const file = Flag.Literals("file", modules.map((name) => basename(name))).pipe(
  Flag.withDescription("One module, and no other"),
  Flag.optional
)

const e2e = Flag.Boolean("e2e").pipe(
  Flag.withDescription("What survives has to survive the conformance tests, too"),
  Flag.withDefault(false)
)

const copy = mkdtempSync(join(tmpdir(), "websocket-stream-mutants-"))
// Again while something of a child that was killed is still there and writes.
process.on("exit", () => rmSync(copy, { recursive: true, force: true, maxRetries: 10 }))
process.on("SIGINT", () => process.exit(130)).on("SIGTERM", () => process.exit(143))

/** Runs a command as a process group of its own: a mutant that loops for ever is not left behind in some worker of it. */
const run = (command: string, args: ReadonlyArray<string>): Promise<boolean> =>
  new Promise((resolve) => {
    const options = { cwd: copy, detached: true, env: { ...process.env, CI: "true" }, stdio: "ignore" } as const
    const child = spawn(command, args, options)
    const end = () => {
      try {
        process.kill(-Number(child.pid), "SIGKILL")
      } catch {
        // There is nothing left of it.
      }
    }
    const timer = setTimeout(end, 240_000)
    // Before the copy is removed, or it is written to meanwhile.
    process.prependOnceListener("exit", end)
    child.on("exit", (code) => {
      clearTimeout(timer)
      process.off("exit", end)
      end()
      resolve(code === 0)
    })
  })

const copyWorkspace = async () => {
  const left = new Set(["node_modules", "dist", "coverage", ".git"])
  cpSync(root, copy, { recursive: true, filter: (path) => !left.has(basename(path)) })
  // Links into the copy, so that the tests of other packages find the mutant, too.
  const isInstalled = await run("pnpm", ["install", "--frozen-lockfile", "--prefer-offline"])
  if (!isInstalled) throw new Error("could not install the copy")
}

/** Numbers from 0 to 1 that a seed decides: mulberry32. */
const random = (seed: number) => (): number => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}

const shuffled = <A>(all: ReadonlyArray<A>, next: () => number): ReadonlyArray<A> => {
  const left = [...all]
  return all.flatMap(() => left.splice(Math.floor(next() * left.length), 1))
}

const pathOf = (module: string): string => `packages/core/src/${module}.ts`

const compiles = (): Promise<boolean> => {
  const lax = ["noUnusedLocals", "noUnusedParameters", "incremental", "composite"].flatMap((
    one
  ) => [`--${one}`, "false"])
  return run(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "packages/core", "--noEmit", ...lax])
}

const passes = (project: string, filters: ReadonlyArray<string>): Promise<boolean> =>
  run(process.execPath, ["node_modules/vitest/vitest.mjs", "run", "--project", project, "--bail", "1", ...filters])

/** Whether no test notices. One that never ends has noticed. */
const survives = async (module: string, e2e: boolean): Promise<boolean> => {
  const own = readdirSync(join(copy, "packages/core/test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.replace(/\.([a-zA-Z]+\.)?test\.ts$/, "") === module)
    .map((name) => `packages/core/test/${name}`)
  return (own.length === 0 || (await passes("core", own))) && (await passes("core", [])) &&
    (!e2e || (await passes("e2e", ["test/conformance"])))
}

const verdictOf = async (
  { end, module, start, to }: Placed,
  e2e: boolean
): Promise<"killed" | "survived" | undefined> => {
  const file = join(copy, pathOf(module))
  const source = readFileSync(file, "utf8")
  writeFileSync(file, source.slice(0, start) + to + source.slice(end))
  const verdict = !(await compiles()) ? undefined : (await survives(module, e2e)) ? "survived" : "killed"
  writeFileSync(file, source)
  return verdict
}

// A cell of a table in Markdown, whatever characters of Markdown's the code has.
const cell = (code: string): string => {
  const fence = code.includes("`") ? "``" : "`"
  return `${fence}${code.replaceAll("|", "\\|")}${fence}`
}

const rowOf = ({ after, before, module }: Placed): string => `| ${[module, before, after].map(cell).join(" | ")} |`

// Cells are padded where they are written down.
const argued = readFileSync(`${root}docs/mutation.md`, "utf8").replace(/ +\|/g, " |")
const isArgued = (mutant: Placed): boolean => argued.includes(rowOf(mutant))

/** Whether enough of them were caught. */
const mutate = async ({ count, e2e, file, seed }: Flags): Promise<boolean> => {
  await copyWorkspace()
  if (!(await compiles()) || !(await passes("core", []))) throw new Error("the copy does not compile or pass as it is")

  const chosen = modules.filter((name) => Option.isNone(file) || basename(name) === file.value)
  const all = chosen.flatMap((module) =>
    mutantsOf(readFileSync(`${root}${pathOf(module)}`, "utf8")).map((mutant): Placed => ({ module, ...mutant }))
  )
  const survivors: Array<Placed> = []
  let made = 0
  for (const mutant of shuffled(all, random(seed))) {
    if (made === count) break
    const verdict = await verdictOf(mutant, e2e)
    if (verdict === undefined) continue
    made++
    if (verdict === "survived") survivors.push(mutant)
    console.log(`${verdict}: ${pathOf(mutant.module)}:${mutant.line}: ${mutant.before} -> ${mutant.after}`)
  }

  for (const survivor of survivors) console.log(`${isArgued(survivor) ? "argued" : "not argued"}: ${rowOf(survivor)}`)
  const killed = made - survivors.length
  const equivalent = survivors.filter(isArgued).length
  console.log(`${killed} of ${made} mutants killed; ${equivalent} of the others are argued to change nothing`)
  return made > 0 && killed >= (made - equivalent) * 0.95
}

const breakAndTest = Effect.fnUntraced(function*(flags: Flags) {
  const isEnough = yield* Effect.promise(() => mutate(flags))
  if (!isEnough) return yield* new Uncaught({ message: "fewer than 95 % were caught" })
})

runProgram(
  Command.make("mutate", { count, e2e, file, seed }, breakAndTest).pipe(
    Command.withDescription("Breaks the protocol one line at a time, and sees whether its tests notice")
  )
)
