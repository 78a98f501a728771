/** Inputs as text: in JSON for the corpus, in TypeScript for a test. */

/** As it stands in the corpus. */
export const toJson = (input: unknown): string =>
  `${
    JSON.stringify(input, (_, value: unknown) => {
      if (typeof value === "bigint") return { bigint: `${value}` }
      return value instanceof Uint8Array ? { base64: Buffer.from(value).toString("base64") } : value
    }, 2)
  }\n`

/** As `JSON.parse` has it, of no type: what stands in the corpus was written by us. */
export const fromJson = (text: string): any =>
  JSON.parse(text, (_, value: unknown) => {
    if (typeof value !== "object" || value === null) return value
    if ("bigint" in value && typeof value.bigint === "string") return BigInt(value.bigint)
    if ("base64" in value && typeof value.base64 === "string") {
      return new Uint8Array(Buffer.from(value.base64, "base64"))
    }
    return value
  })

/** A test that tries the input, for a file in `test`. */
export const toTest = (target: string, input: unknown): string =>
  [
    `import { it } from "@effect/vitest"`,
    `import { check } from "./fuzz/targets/${target}.ts"`,
    "",
    `it.live("${target}: an input that once broke the law", () =>`,
    `  check(${toSource(input, "  ")}))`
  ].join("\n")

/** As it stands in a test. */
const toSource = (input: unknown, indent = ""): string => {
  if (input instanceof Uint8Array) return `Buffer.from("${Buffer.from(input).toString("hex")}", "hex")`
  if (typeof input === "bigint") return `${input}n`
  if (typeof input !== "object" || input === null) return JSON.stringify(input) ?? "undefined"
  const deeper = `${indent}  `
  const [open, close, parts] = Array.isArray(input)
    ? ["[", "]", input.map((item) => toSource(item, deeper))]
    : ["{", "}", fieldsOf(input).map(([name, value]) => `${name}: ${toSource(value, deeper)}`)]
  const space = Array.isArray(input) || parts.length === 0 ? "" : " "
  const line = `${open}${space}${parts.join(", ")}${space}${close}`
  if (line.length < 90 && !line.includes("\n")) return line
  return `${open}\n${deeper}${parts.join(`,\n${deeper}`)}\n${indent}${close}`
}

const fieldsOf = (input: object): ReadonlyArray<readonly [string, unknown]> =>
  Object.entries(input).filter(([, value]) => value !== undefined)
