/** The pages for people lead to pages, and to headings, that there are. */
import { assert, it } from "@effect/vitest"
import { existsSync, globSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const pages = globSync(["*.md", "docs/*.md", "bench/*.md", "packages/*/*.md"], { cwd: root })

// As GitHub makes them.
const anchorsOf = (page: string): ReadonlyArray<string> =>
  Array.from(
    page.matchAll(/^#+ (.+)$/gm),
    ([, heading = ""]) => heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-")
  )

const linksOf = (path: string): ReadonlyArray<string> =>
  Array.from(readFileSync(`${root}${path}`, "utf8").matchAll(/\]\(([^)]+)\)/g), ([, link = ""]) => link)

it.each(pages)("%s leads to what there is", (path) => {
  for (const link of linksOf(path)) {
    if (/^https?:/.test(link)) continue
    const [file = "", anchor] = link.split("#")
    const page = file === "" ? `${root}${path}` : fileURLToPath(new URL(file, `file://${root}${path}`))
    assert.isTrue(existsSync(page), link)
    if (anchor !== undefined) assert.include(anchorsOf(readFileSync(page, "utf8")), anchor, link)
  }
})

it("and there are such pages, with links", () => {
  const known = ["README.md", "SECURITY.md", "docs/guide.md"]
  assert.includeMembers(pages, known)
  for (const page of known) assert.isAbove(linksOf(page).length, 1, page)
})
