// Packs every public package as it would be published and checks the tarballs with publint and attw.
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, rmSync } from "node:fs"
import { basename } from "node:path"

const run = (command, ...args) => execFileSync(command, args, { stdio: "inherit" })
const out = "node_modules/.cache/pack"

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
run("pnpm", "run", "clean") // tsc -b leaves the output of deleted sources behind
run("pnpm", "run", "build")
for (const manifest of globSync("packages/*/package.json")) {
  const { name, version } = JSON.parse(readFileSync(manifest, "utf8"))
  const directory = manifest.replace(/\/package\.json$/, "")
  const tarball = `${out}/${name.replace("@", "").replace("/", "-")}-${version}.tgz`
  const modules = globSync(`${directory}/src/*.ts`).map((path) => basename(path, ".ts"))
  const entries = [".", ...modules.filter((module) => module !== "index" && module !== "bin")]
  run("pnpm", "--dir", directory, "pack", "--pack-destination", `${process.cwd()}/${out}`)
  run("pnpm", "exec", "publint", "run", tarball, "--strict")
  run("pnpm", "exec", "attw", tarball, "--profile", "esm-only", "--format", "ascii", "--entrypoints", ...entries)
}
