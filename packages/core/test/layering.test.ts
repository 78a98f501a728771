import { assert, describe, it } from "@effect/vitest"
import { readSource, sourceNames } from "./support/sources.ts"

/** Each level imports lower levels only. A new file has to find its place here first. */
const levels: { readonly [name: string]: number } = {
  Budget: 0,
  CloseCode: 0,
  Opcode: 0,
  Role: 0,
  Utf8: 0,
  "internal/clause": 0,
  "internal/headers": 0,
  "internal/pieces": 0,
  "internal/shown": 0,
  "internal/vectors": 0,
  EncodeError: 1,
  HandshakeError: 1,
  Message: 1,
  OptionError: 1,
  ProtocolError: 1,
  "internal/extensions": 1,
  "internal/resource": 1,
  "internal/words": 1,
  "internal/characters": 1,
  Limits: 2,
  Masking: 2,
  Origin: 2,
  PermessageDeflate: 2,
  "internal/headerLines": 2,
  Frame: 3,
  OpeningHandshake: 3,
  Close: 4,
  "internal/wholeMessage": 4,
  "internal/frameHeader": 4,
  FrameDecoder: 5,
  MessageDecoder: 6,
  Connection: 7
}

const allowedImport = (specifier: string): boolean =>
  /^effect\/(Result|Data|Function|encoding\/Base64)$/.test(specifier) || specifier.startsWith("@noble/hashes/")

/** I/O, clocks, entropy, timers, and the doors to them. */
const impure = [
  "node:",
  "Buffer",
  "Date",
  "Math.random",
  "process",
  "performance",
  "crypto",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "queueMicrotask",
  "console",
  "fetch",
  "require",
  "globalThis",
  "window",
  "self"
]

// Strings and templates come first, so that slashes in them begin no comment.
const withoutComments = (source: string): string =>
  source.replace(/("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "$1")

const modules = sourceNames.filter((name) => name !== "index").map((name) => {
  const code = withoutComments(readSource(name))
  // `import ... from`, `export ... from`, `import "..."` and `import("...")`, types among them.
  const specifiers = Array.from(code.matchAll(/\b(?:from|import)\s*\(?\s*"([^"]+)"/g), ([, specifier]) => specifier!)
  return { name, code, specifiers }
})

const nameOf = (importer: string, specifier: string): string =>
  new URL(specifier, `file:///${importer}`).pathname.slice(1, -".ts".length)

describe("layering", () => {
  it("every file has a level", () => {
    assert.includeMembers(Object.keys(levels), modules.map(({ name }) => name))
  })

  for (const { code, name, specifiers } of modules) {
    const siblings = specifiers.filter((specifier) => specifier.startsWith(".")).map((path) => nameOf(name, path))
    const packages = specifiers.filter((specifier) => !specifier.startsWith("."))

    // Which leaves no way to go round in a circle, either.
    it(`${name} imports lower levels only`, () => {
      for (const sibling of siblings) {
        assert.property(levels, sibling)
        assert.isBelow(levels[sibling]!, levels[name]!, `${name} imports ${sibling}`)
      }
    })

    it(`${name} takes from other packages what is pure and small`, () => {
      for (const specifier of packages) {
        assert.isTrue(allowedImport(specifier), `${name} imports ${specifier}`)
      }
    })

    it(`${name} names no I/O, no clock and no entropy`, () => {
      for (const word of impure) {
        assert.notMatch(code, new RegExp(`(?<![\\w$])${word.replace(".", "\\.")}(?![\\w$])`), `${name} names ${word}`)
      }
    })
  }

  it("sees the imports that there are", () => {
    const importsOf = (name: string) => modules.find((module) => module.name === name)?.specifiers ?? []
    assert.sameMembers(importsOf("Frame"), ["./EncodeError.ts", "./Masking.ts", "./Opcode.ts"])
    assert.include(importsOf("OpeningHandshake"), "@noble/hashes/legacy.js")
    assert.include(importsOf("FrameDecoder"), "./Role.ts")
  })
})
