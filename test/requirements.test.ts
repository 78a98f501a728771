/** docs/requirements.md is true as long as its tests pass; this is about the tests that it names. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const root = new URL("../", import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, root), "utf8")
const doc = read("docs/requirements.md")

/** A row goes on in the lines below it, whose first cell is empty. */
const rows = new Map<string, Array<{ readonly file: string; readonly title: string }>>()
let row = ""
for (const [, first = "", file = "", title = ""] of doc.matchAll(/^\| (\S*) +\|.*\| `(\S+) › (.+)` +\|$/gm)) {
  row = first || row
  rows.set(row, [...(rows.get(row) ?? []), { file, title }])
}

const numbered = (letter: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, i) => `${letter}${i + 1}`)

const literal = /("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)/.source
// What it and describe are called with, and what stands first in a row of a table of cases, or is called a name there.
const titled = new RegExp(
  String.raw`(?:\b(?:it|describe)(?:\.(?!(?:skip|todo)\b)\w+(?:\(.*\))?)*\(|^\s*\[|\bname:)\s*${literal}`,
  "gm"
)

/** The titles of a test file as its source has them. */
const titlesOf = (source: string): ReadonlyArray<string> =>
  Array.from(
    source.matchAll(titled),
    ([, title = ""]) => title.startsWith("`") ? title.slice(1, -1).replace(/\$\{[^}]*\}/g, "…") : JSON.parse(title)
  )

const testFiles = ["packages/core/test", "packages/node/test", "test"].flatMap((directory) =>
  readdirSync(new URL(directory, root), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts") && !name.includes("node_modules"))
    .map((name) => `${directory}/${name}`)
)

describe("docs/requirements.md", () => {
  it("has every requirement, in order, and no other", () => {
    const all = [...numbered("R", 27), ...numbered("P", 4), ...numbered("S", 13), ...numbered("B", 18)]
    assert.deepStrictEqual([...rows.keys()], all)
  })

  it("names tests that there are", () => {
    for (const [row, tests] of rows) {
      for (const { file, title } of tests) assert.include(titlesOf(read(file)), title, `${row}: ${file}`)
    }
  })

  it("names a test over a connection for each requirement", () => {
    for (const [row, tests] of rows) {
      assert.isTrue(tests.some(({ file }) => !file.startsWith("packages/core/")), row)
    }
  })

  it("knows every requirement that a test says it shows", () => {
    let shown = 0
    for (const file of testFiles) {
      for (const title of titlesOf(read(file))) {
        const [numbers = ""] = /^(?:[RSB]\d+[:,]? )*/.exec(title) ?? []
        for (const [number] of numbers.matchAll(/\w+/g)) {
          assert.isTrue(rows.has(number), `${file}: ${title}`)
          shown++
        }
      }
    }
    assert.isAbove(shown, 200)
  })

  it("names figures that the benchmarks have", () => {
    const headings = Array.from(read("docs/benchmarks.md").matchAll(/^## (.+)$/gm), ([, heading]) => heading)
    const links = Array.from(doc.matchAll(/\[([^\]]+)\]\(benchmarks\.md\)/g), ([, text]) => text)
    assert.isAbove(links.length, 0)
    for (const link of links) assert.include(headings, link)
  })
})
