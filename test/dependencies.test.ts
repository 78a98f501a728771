/** docs/dependencies.md has what the manifests have: no more, and no less. */
import { assert, describe, it } from "@effect/vitest"
import { existsSync, readFileSync, realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const read = (path: string): string => readFileSync(join(root, path), "utf8")

type Names = { readonly [name: string]: unknown }

interface Manifest {
  readonly name: string
  readonly dependencies?: Names
  readonly devDependencies?: Names
  readonly optionalDependencies?: Names
  readonly peerDependencies?: Names
  readonly peerDependenciesMeta?: { readonly [name: string]: { readonly optional?: boolean } }
}

const manifestOf = (directory: string): Manifest => JSON.parse(readFileSync(join(directory, "package.json"), "utf8"))

const packages = ["packages/core", "packages/node"].map((directory) => join(root, directory))
const others = [".", "examples", "test", "bench"].map((directory) => join(root, directory))

/** What whoever installs a package has installed, too. */
const runtime = (manifest: Manifest): ReadonlyArray<string> => {
  const { dependencies, optionalDependencies, peerDependencies = {}, peerDependenciesMeta } = manifest
  const peers = Object.keys(peerDependencies).filter((name) => peerDependenciesMeta?.[name]?.optional !== true)
  return [...Object.keys({ ...dependencies, ...optionalDependencies }), ...peers]
}

const development = ({ dependencies, devDependencies }: Manifest, isPackage: boolean): ReadonlyArray<string> =>
  Object.keys({ ...(isPackage ? undefined : dependencies), ...devDependencies })

/** Where a dependency of a package is, as Node looks for it. */
const find = (name: string, directory: string): string => {
  const place = join(directory, "node_modules", name)
  return existsSync(place) ? realpathSync(place) : find(name, dirname(directory))
}

const closure = (directories: ReadonlyArray<string>): ReadonlySet<string> => {
  const visited = new Set<string>()
  const names = new Set<string>()
  const visit = (directory: string): void => {
    if (visited.has(directory)) return
    visited.add(directory)
    for (const name of runtime(manifestOf(directory))) {
      names.add(name)
      visit(find(name, directory))
    }
  }
  directories.forEach(visit)
  return names
}

/** The packages that a section names: each table's first column, and what comes with it. */
const section = (heading: string): { readonly rows: ReadonlyArray<string>; readonly text: string } => {
  const [, text = ""] = read("docs/dependencies.md").split(`\n## ${heading}\n`)
  const own = text.split("\n## ")[0] ?? ""
  return { rows: Array.from(own.matchAll(/^\| `([^`]+)`/gm), ([, name = ""]) => name), text: own }
}

const sorted = (names: Iterable<string>): ReadonlyArray<string> => [...new Set(names)].toSorted()

describe("docs/dependencies.md", () => {
  const direct = packages.flatMap((directory) => runtime(manifestOf(directory)))

  it("has what the packages depend on", () => {
    assert.deepStrictEqual(sorted(section("Of the packages").rows), sorted(direct))
  })

  it("has what those bring along", () => {
    const { text } = section("What those bring along")
    const brought = [...closure(packages)].filter((name) => !direct.includes(name))
    assert.isAbove(brought.length, 5)
    for (const name of brought) assert.include(text, `\`${name}\``)
    for (const row of section("What those bring along").rows) assert.include(brought, row)
  })

  it("has what development depends on", () => {
    const all = [
      ...packages.flatMap((directory) => development(manifestOf(directory), true)),
      ...others.flatMap((directory) => development(manifestOf(directory), false))
    ]
    assert.deepStrictEqual(sorted(section("For development only").rows), sorted(all))
  })

  it("is right that versions are pinned, and that nothing runs when it is installed", () => {
    const workspace = read("pnpm-workspace.yaml")
    const [, catalog = ""] = /^catalog:\n((?: .*\n)+)/m.exec(workspace) ?? []
    const pinned = Array.from(catalog.matchAll(/^ {2}"?([^":]+)"?: (.+)$/gm))
    assert.isAbove(pinned.length, 10)
    for (const [, name, version = ""] of pinned) assert.match(version, /^\d+\.\d+\.\d+$/, name)
    const [, builds = ""] = /^allowBuilds:\n((?: .*\n)+)/m.exec(workspace) ?? []
    for (const line of builds.trim().split("\n")) assert.match(line, /: false$/)
    for (const directory of [...packages, ...others]) {
      const { dependencies, devDependencies } = manifestOf(directory)
      for (const [name, version] of Object.entries({ ...dependencies, ...devDependencies })) {
        assert.match(String(version), /^(catalog:|workspace:[*^])$/, name)
      }
    }
  })
})
