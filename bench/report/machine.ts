/** Where and when, and with what versions: without these a figure says nothing. */
import { existsSync, readFileSync } from "node:fs"
import { availableParallelism, cpus, release, totalmem, type } from "node:os"
import { bufferUtil } from "../support/bufferUtil.ts"
import { arePinned } from "../support/cpus.ts"

/** How servers and load were kept apart. */
export const pinning = arePinned ? "the server on a core of its own and the load on the others" : "on any core"

/** One paragraph, that begins with how it was measured. */
export const stamp = (how: string): string => {
  const date = new Date().toISOString().slice(0, 16).replace("T", " ")
  const cpu = cpus()[0]?.model.trim() ?? "an unknown CPU"
  const memory = Math.round(totalmem() / 1024 ** 3)
  return [
    `Measured at ${date} UTC, ${how}.`,
    `Node ${process.versions.node}, ${versions().join(", ")};`,
    `${availableParallelism()} cores of ${cpu}, ${memory} GiB, ${type()} ${release()}.`
  ].join("\n")
}

const versions = (): ReadonlyArray<string> => [
  named("ws"),
  bufferUtil === undefined ? "bufferutil not installed" : named("bufferutil"),
  named("effect"),
  named("@effect/platform-node"),
  existsSync(manifest("uWebSockets.js")) ? named("uWebSockets.js") : "uWebSockets.js not installed"
]

const named = (name: string): string => `${name} ${JSON.parse(readFileSync(manifest(name), "utf8")).version}`

const manifest = (name: string): URL => new URL(`../node_modules/${name}/package.json`, import.meta.url)
