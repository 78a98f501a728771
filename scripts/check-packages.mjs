// Packs every public package as it would be published, checks the tarballs with publint and attw, and compiles who uses them.
import { execFileSync } from "node:child_process"
import { globSync, mkdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { basename, dirname } from "node:path"

const run = (command, ...args) => execFileSync(command, args, { stdio: "inherit" })
const out = "node_modules/.cache/pack"

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
run("pnpm", "run", "clean") // tsc -b leaves the output of deleted sources behind
// Not built: packing has to.
for (const manifest of globSync("packages/*/package.json")) {
  const { name, version } = JSON.parse(readFileSync(manifest, "utf8"))
  const directory = manifest.replace(/\/package\.json$/, "")
  const tarball = `${out}/${name.replace("@", "").replace("/", "-")}-${version}.tgz`
  const modules = globSync(`${directory}/src/*.ts`).map((path) => basename(path, ".ts"))
  const entries = [".", ...modules.filter((module) => module !== "index")]
  run("pnpm", "--dir", directory, "pack", "--pack-destination", `${process.cwd()}/${out}`)
  run("pnpm", "exec", "publint", "run", tarball, "--strict")
  run("pnpm", "exec", "attw", tarball, "--profile", "esm-only", "--format", "ascii", "--entrypoints", ...entries)
  const installed = `${out}/node_modules/${name}`
  mkdirSync(installed, { recursive: true })
  run("tar", "-xzf", tarball, "-C", installed, "--strip-components=1")
}

// What a user has besides. No types of Node are asked for: our own have to bring them, or they are `any` without a word.
for (const name of ["effect", "@effect/platform-node", "@types/node", "@noble/hashes"]) {
  const [path] = globSync(`packages/*/node_modules/${name}`)
  mkdirSync(dirname(`${out}/node_modules/${name}`), { recursive: true })
  symlinkSync(realpathSync(path), `${out}/node_modules/${name}`)
}
writeFileSync(
  `${out}/consumer.ts`,
  `import { FrameDecoder } from "@websocket-stream/core"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import type * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"

// @ts-expect-error
export const server: WebsocketServer.Options = { port: 0, tls: { keyx: 1 } }
// @ts-expect-error
export const client = WebsocketClient.connect("ws://localhost/", { agent: 3 })
// @ts-expect-error
export const request = Effect.map(WebsocketRequest.WebsocketRequest, ({ headers }) => headers.nonsense.length)
export const decoder = FrameDecoder.make({ role: "server", maxFrameSize: 1024 })
`
)
const compilerOptions = {
  strict: true,
  module: "nodenext",
  target: "es2023",
  types: [],
  noEmit: true,
  skipLibCheck: false
}
writeFileSync(`${out}/tsconfig.json`, JSON.stringify({ compilerOptions, files: ["consumer.ts"] }))
run("pnpm", "exec", "tsc", "--project", out)
