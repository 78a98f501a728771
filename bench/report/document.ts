/** docs/benchmarks.md: a run writes the sections that it measured, and leaves the others as they are. */
import * as Effect from "effect/Effect"
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import type { Section } from "./section.ts"

const docs = new URL("../../docs/", import.meta.url)
const document = new URL("benchmarks.md", docs)
const picture = new URL("benchmarks.svg", docs)

/** The order of the sections; a longer id comes behind the one that it begins with. */
const order = ["workloads", "rpc", "growth", "fairness", "idle", "codec"]

export const write = (section: Section, svg: string | undefined): Effect.Effect<void> =>
  Effect.sync(() => {
    mkdirSync(docs, { recursive: true })
    const before = existsSync(document) ? readFileSync(document, "utf8") : ""
    const others = parse(before).filter(({ id }) => id !== section.id)
    writeFileSync(document, print([...others, section]))
    if (svg !== undefined) writeFileSync(picture, svg)
  })

const parse = (text: string): ReadonlyArray<Section> =>
  Array.from(
    text.matchAll(/^<!-- (\S+) -->\n\n## (.*)\n\n([^]*?)\n\n<!-- end -->$/gm),
    ([, id = "", title = "", body = ""]) => ({ id, title, body })
  )

const print = (sections: ReadonlyArray<Section>): string => {
  const sorted = sections.toSorted((a, b) => place(a) - place(b) || a.id.localeCompare(b.id, "en", { numeric: true }))
  return `${introduction}\n${sorted.map(printOne).join("\n")}`
}

const place = ({ id }: Section): number => order.findIndex((name) => id.startsWith(name))

const printOne = ({ body, id, title }: Section): string => `<!-- ${id} -->\n\n## ${title}\n\n${body}\n\n<!-- end -->\n`

const introduction = `# Benchmarks

What \`pnpm bench\` saw, as it saw it: \`node bench/main.ts --write\` writes this page. How it measures, and what it does not
show, is in [bench/README.md](../bench/README.md). Figures of different runs cannot be compared, only those within a table.

![CPU per message of each server, by workload](benchmarks.svg)
`
