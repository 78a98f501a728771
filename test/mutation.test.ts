/** docs/mutation.md argues about lines that there are. `pnpm mutate` itself takes too long for here. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFileSync } from "node:fs"
import { mutantsOf } from "./mutation/mutants.ts"
import { start } from "./support/childProcess.ts"

const read = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

const codeOf = (cell: string): string => cell.trim().replace(/^`+|`+$/g, "").replaceAll("\\|", "|")

it("docs/mutation.md argues about mutants that there are", () => {
  const cells = String.raw`((?:[^|\n]|\\\|)+) \|`
  const row = new RegExp(String.raw`^\| ${"`"}(\S+)${"`"} +\| ${cells} ${cells} ${cells}$`, "gm")
  const rows = [...read("docs/mutation.md").matchAll(row)]
  assert.isAbove(rows.length, 0)
  for (const [, module = "", before = "", after = "", why = ""] of rows) {
    const mutants = mutantsOf(read(`packages/core/src/${module}.ts`))
    assert.include(mutants.map(({ after, before }) => `${before} -> ${after}`), `${codeOf(before)} -> ${codeOf(after)}`)
    assert.isNotEmpty(why.trim())
  }
})

it("a mutant breaks one stretch of the code, and no type", () => {
  const mutants = mutantsOf("const a = (b: 1 | 2): boolean => b < 1 && !c(b)\nif (a(1)) {\n  d += 1\n}\n")
  assert.deepStrictEqual(mutants.map(({ after, line }) => `${line}: ${after}`), [
    "1: const a = (b: 1 | 2): boolean => (b < 1 || !c(b))",
    "1: const a = (b: 1 | 2): boolean => (b <= 1) && !c(b)",
    "1: const a = (b: 1 | 2): boolean => (b >= 1) && !c(b)",
    "1: const a = (b: 1 | 2): boolean => b < 2 && !c(b)",
    "1: const a = (b: 1 | 2): boolean => b < 0 && !c(b)",
    "1: const a = (b: 1 | 2): boolean => b < 1 && c(b)",
    "2: if (!a(1)) {",
    "2: if (a(2)) {",
    "2: if (a(0)) {",
    "3: ;",
    "3: d -= 1",
    "3: d += 2",
    "3: d += 0"
  ])
})

it.live("who names a module that is not broken is told which are, before anything is", () =>
  Effect.gen(function*() {
    const program = ["test/mutation/main.ts", "--file", "Websocket"]
    const { ended } = yield* start(process.execPath, program, { cwd: new URL("../", import.meta.url) })
    const { status, stderr } = yield* ended
    assert.strictEqual(status, 1)
    assert.match(stderr, /--file: "Websocket".*"Frame" \| "FrameDecoder"/)
  }))
