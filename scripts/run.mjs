// What `npm start` and `npm test` run. Plain JavaScript: any Node >= 20 with npm can run it.
//
//   node scripts/run.mjs <root script, or program.ts> [args...]
//
// It uses the Node and the pnpm that the machine has when they are new enough, and otherwise takes the
// pinned ones from the npm registry through npx, which keeps them in npm's own cache: nothing is
// installed globally. Then it installs the workspace from the lockfile and runs the script.
import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../", import.meta.url))
const windows = process.platform === "win32"
const [script, ...args] = process.argv.slice(2)

const manifest = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
const minimumNode = manifest.engines.node.replace(">=", "")
const pinnedNode = readFileSync(`${root}.node-version`, "utf8").trim()
const pinnedPnpm = manifest.packageManager.replace("pnpm@", "")

const options = {
  cwd: root,
  shell: windows,
  env: {
    ...process.env,
    // A corepack shim must answer or fail, not ask.
    COREPACK_ENABLE_DOWNLOAD_PROMPT: "0",
    // The committed lockfile was checked when it was written; checking it again would fetch the full
    // registry metadata of every package. Integrity hashes are verified either way.
    pnpm_config_trust_lockfile: "true"
  }
}

const run = (command, args) =>
  new Promise((resolve) => {
    const child = spawn(command, args, { ...options, stdio: "inherit" })
    const forward = (signal) => child.kill(signal)
    const wait = () => {} // the terminal has already sent Ctrl-C to the child: outlive it
    process.on("SIGTERM", forward).on("SIGHUP", forward).on("SIGINT", wait)
    child.on("error", () => resolve(127))
    child.on("exit", (code) => {
      process.off("SIGTERM", forward).off("SIGHUP", forward).off("SIGINT", wait)
      resolve(code ?? 1)
    })
  })

const atLeast = (version, minimum) => version.localeCompare(minimum, "en", { numeric: true }) >= 0
const major = (version) => version.split(".")[0]

const missing = []
if (!atLeast(process.versions.node, minimumNode)) {
  // Each platform's Node is a package of its own without install scripts, so this works where those are blocked.
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node"
  missing.push(`${prefix}-${windows ? "win" : process.platform}-${process.arch}@${pinnedNode}`)
}
const found = spawnSync("pnpm", ["--version"], { ...options, encoding: "utf8" })
const pnpm = found.status === 0 ? found.stdout.trim() : "0"
if (major(pnpm) !== major(pinnedPnpm) || !atLeast(pnpm, pinnedPnpm)) missing.push(`pnpm@${pinnedPnpm}`)

// What npx puts in front of the path for a command, we put there for ours: a signal then has one process less to get lost in.
const bring = (packages) => {
  const named = packages.flatMap((name) => ["--package", name])
  const print = ["--", "node", "-e", "console.log(process.env.PATH)"]
  const npx = spawnSync("npx", ["--yes", "--prefer-offline", ...named, ...print], {
    ...options,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"]
  })
  if (npx.status !== 0) return false
  options.env.PATH = npx.stdout.trim()
  return true
}

if (missing.length > 0 && !bring(missing)) {
  console.error(`Could not get ${missing.join(" and ")}. Install Node >= ${minimumNode} and pnpm ${pinnedPnpm}.`)
  process.exit(1)
}
let code = await run("pnpm", ["install", "--frozen-lockfile"])
if (code === 0) {
  // A program is started without pnpm between, which would keep a SIGTERM to itself.
  code = script.endsWith(".ts") ? await run("node", [script, ...args]) : await run("pnpm", ["run", script, ...args])
}
process.exitCode = code
