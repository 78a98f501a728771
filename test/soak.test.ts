/** Short forms of `pnpm soak` and `pnpm leaks`, so that the long ones still run when somebody has an hour. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Process from "./support/childProcess.ts"
import * as Examples from "./support/examples.ts"

const run = (program: string, ...args: ReadonlyArray<string>) =>
  Process.start(process.execPath, [`test/soak/${program}.ts`, ...args], { cwd: new URL("../", import.meta.url) })

/** The lines of standard output, up to one that begins so. */
const linesUntil = Effect.fnUntraced(function*({ line }: Process.Running, last: string) {
  const lines: Array<string> = []
  do lines.push(yield* line)
  while (!lines.at(-1)!.startsWith(last))
  return lines
})

/** The cells of the row of a table that begins so. */
const rowOf = (lines: ReadonlyArray<string>, name: string): ReadonlyArray<string> =>
  lines.find((line) => line.startsWith(`| ${name} `))?.split("|").slice(2, -1).map((cell) => cell.trim()) ??
    assert.fail(`no row "${name}" in\n${lines.join("\n")}`)

describe("pnpm soak", { timeout: Examples.timeout }, () => {
  it.live("has one round of every kind of clients against a server, and nothing is lost", () =>
    Effect.gen(function*() {
      const program = yield* run("main", "--laps", "1", "--clients", "100", "--seed", "6")
      const lines = yield* linesUntil(program, "Nothing was lost")
      for (const kind of ["big", "chatty", "compressing", "fragmenting", "pinging", "silent"]) {
        const [clients, sent, received] = rowOf(lines, kind)
        assert.isAbove(Number(clients), 0, kind)
        assert.match(sent!, /^[1-9]/, kind)
        assert.strictEqual(sent, received, kind)
      }
      assert.deepStrictEqual(rowOf(lines, "clients that came and went"), ["100"])
      assert.strictEqual((yield* program.ended).status, 0)
    }))
})

describe("pnpm leaks", { timeout: Examples.timeout }, () => {
  it.live("finds nothing left of connections that ended in every way", () =>
    Effect.gen(function*() {
      const program = yield* run("leaks", "--cycles", "380")
      const lines = yield* linesUntil(program, "Nothing is left")
      for (const what of ["fibers", "listeners of the server", "open: TCPServerWrap", "open: Timeout"]) {
        const [before, after] = rowOf(lines, what)
        assert.strictEqual(after, before, what)
      }
      assert.strictEqual((yield* program.ended).status, 0)
    }))
})
