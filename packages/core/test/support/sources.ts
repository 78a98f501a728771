import { readdirSync, readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"

const folder = fileURLToPath(new URL("../../src/", import.meta.url))

/** All source files, by their path in `src` without the extension: `Frame`, `internal/headers`. */
export const sourceNames: ReadonlyArray<string> = readdirSync(folder, { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => path.slice(0, -".ts".length).replaceAll("\\", "/"))

export const readSource = (name: string): string => readFileSync(`${folder}${name}.ts`, "utf8")

/** The rows of the table in a module's doc comment that begins with the given header, without their backticks. */
export const docTable = (name: string, header: string): ReadonlyArray<ReadonlyArray<string>> => {
  const lines = readSource(name).split("\n").map((line) => line.replace(/^ \* ?/, ""))
  const start = lines.findIndex((line) => line.startsWith(header))
  const end = lines.findIndex((line, i) => i > start && !line.startsWith("|"))
  return lines.slice(start + 2, end).map((line) =>
    line.split("|").slice(1, -1).map((cell) => cell.trim().replaceAll("`", ""))
  )
}
