/** docs/comparison.md is true as long as its tests pass; this is about the rest of it. */
import { assert, describe, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const doc = readFileSync(new URL("../docs/comparison.md", import.meta.url), "utf8")
const here = new URL("./", import.meta.url)

const commands = Array.from(
  doc.matchAll(/^pnpm exec vitest run --project e2e test\/(\S+) -t "(.+)"$/gm),
  ([, file = "", title = ""]) => ({ file, title })
)

/** What stands in the last column, behind the head of the table. */
const titles = Array.from(doc.matchAll(/\| ([^|]+?) +\|$/gm), ([, title]) => title).slice(1).filter((title) =>
  title !== undefined && !title.startsWith("-")
)

const groupsOf = (file: string): ReadonlyArray<string> =>
  Array.from(readFileSync(new URL(file, here), "utf8").matchAll(/^describe\("(.+)", /gm), ([, title = ""]) => title)

describe("docs/comparison.md", () => {
  it("every command names tests that there are", () => {
    assert.isAbove(commands.length, 10)
    for (const { file, title } of commands) assert.include(groupsOf(file), title)
  })

  it("every row has its command, and every test of the comparison its row", () => {
    const compared = readdirSync(here).filter((file) => /^comparison\..+\.test\.ts$/.test(file))
    const rows = commands.filter(({ file }) => compared.includes(file)).map(({ title }) => title)
    assert.deepStrictEqual(titles, rows)
    assert.deepStrictEqual(compared.flatMap(groupsOf).toSorted(), rows.toSorted())
  })
})
