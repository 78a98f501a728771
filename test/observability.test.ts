/** docs/observability.md has the spans and the metrics that there are: no more, and no less. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketMetrics } from "@websocket-stream/node"
import { globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const [spans = "", metrics = ""] = readFileSync(`${root}docs/observability.md`, "utf8").split("\n## Metrics\n")

const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...new Set(names)].toSorted()

const matches = (text: string, pattern: RegExp): ReadonlyArray<string> =>
  Array.from(text.matchAll(pattern), ([, name = ""]) => name)

describe("docs/observability.md", () => {
  it("has the spans that our code makes", () => {
    const sources = globSync("packages/node/src/**/*.ts", { cwd: root }).map((path) =>
      readFileSync(`${root}${path}`, "utf8")
    )
    const made = sources.flatMap((source) => matches(source, /(?:withSpan|makeSpan\w*|useSpan)\([^"]*"([^"]+)"/g))
    assert.deepStrictEqual(sorted(matches(spans, /^- `([^`]+)`/gm)), sorted(made))
  })

  it("has the metrics that WebsocketMetrics has, and says of which kind they are", () => {
    const all = Object.values(WebsocketMetrics).map(({ id, type }) => `${id} ${type.toLowerCase()}`)
    const rows = Array.from(metrics.matchAll(/^\| `([^`]+)` +\| (\w+)/gm), ([, id, type]) => `${id} ${type}`)
    assert.deepStrictEqual(sorted(rows), sorted(all))
  })
})
