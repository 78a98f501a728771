/**
 * The inputs that are worth keeping, a file each: those that reached code which none before them did, and those that once broke
 * the law.
 */
import * as Crypto from "node:crypto"
import * as Fs from "node:fs"
import { fileURLToPath } from "node:url"
import * as Notation from "./notation.ts"

const folderOf = (target: string): string => fileURLToPath(new URL(`corpus/${target}/`, import.meta.url))

export interface Entry {
  readonly file: string
  readonly input: any
}

/** All inputs of a target, by the names of their files. */
export const read = (target: string): ReadonlyArray<Entry> => {
  const folder = folderOf(target)
  if (!Fs.existsSync(folder)) return []
  return Fs.readdirSync(folder).sort().map((file) => ({
    file,
    input: Notation.fromJson(Fs.readFileSync(`${folder}${file}`, "utf8"))
  }))
}

/** Keeps an input, and answers its path from the root of the workspace. The same input has the same file. */
export const write = (target: string, input: unknown): string => {
  const text = Notation.toJson(input)
  const file = `${Crypto.createHash("sha256").update(text).digest("hex").slice(0, 12)}.json`
  Fs.mkdirSync(folderOf(target), { recursive: true })
  Fs.writeFileSync(`${folderOf(target)}${file}`, text)
  return `test/fuzz/corpus/${target}/${file}`
}
