// Makes a test of every example in the docs: each ```ts block of a docstring under packages/*/src, and of each README.md and docs/*.md.
// `expression // => value` becomes an assertion; the value may go on over further comment lines. Each has one at least.
import { globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"

const out = "test/doc-examples"

const docstrings = (source) => [...source.matchAll(/\/\*\*.*?\*\//gs)].map(([text]) => text.replace(/^ *\*? ?/gm, ""))
const blocks = (text) => [...text.matchAll(/^```ts\n(.*?)^```/gms)].map(([, code]) => code)

const testOf = (name, code) => {
  const imports = []
  const body = []
  for (const line of code.split("\n")) {
    const [, expression, value] = line.match(/^(.*?) ?\/\/ => (.*)$/) ?? []
    if (line.startsWith("import ")) imports.push(line)
    else if (expression !== undefined) body.push({ expression, value })
    else if (line.startsWith("//") && body.at(-1)?.value !== undefined) body.at(-1).value += `\n${line.slice(2)}`
    else body.push({ line })
  }
  if (!body.some(({ expression }) => expression !== undefined)) throw new Error(`${name} shows no result: // => value`)
  const lines = body.map(({ expression, line, value }) =>
    expression === undefined ? `  ${line}` : `  assert.deepStrictEqual(${expression}, ${value})`
  )
  return [
    `import { assert, it } from "@effect/vitest"`,
    ...imports,
    "",
    `it(${JSON.stringify(name)}, async () => {`,
    ...lines,
    "})",
    ""
  ].join("\n")
}

rmSync(out, { recursive: true, force: true })
for (
  const path of [
    ...globSync("packages/*/src/**/*.ts"),
    ...globSync("packages/*/README.md"),
    ...globSync("docs/*.md"),
    "README.md"
  ]
) {
  const source = readFileSync(path, "utf8")
  const texts = path.endsWith(".md") ? [source] : docstrings(source)
  for (const [index, code] of texts.flatMap(blocks).entries()) {
    const file = `${out}/${path.replace(/\.\w+$/, "")}-${index + 1}.test.ts`
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, testOf(`${path}, example ${index + 1}`, code))
  }
}
