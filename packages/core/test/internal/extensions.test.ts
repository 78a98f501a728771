import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import { type Extension, parseExtensions } from "../../src/internal/extensions.ts"
import { elementOf, integer, oneOf } from "../support/arbitraries.ts"
import { listOf } from "../support/messages.ts"

const token = Arbitrary.map(
  listOf(elementOf("abz09-_.!~|^`'*+&%$#".split("")), 1, 6),
  (characters) => characters.join("")
)

const blank = elementOf(["", "", " ", "\t", "  "])

/** An extension, and one of the ways to write it. */
const written = Arbitrary.map(
  Arbitrary.all({
    name: token,
    parameters: listOf(
      Arbitrary.all({
        name: token,
        value: oneOf<string | undefined>(token, Arbitrary.Constant(undefined)),
        quoting: integer(0, 2)
      }),
      0,
      4
    ),
    blank
  }),
  ({ blank, name, parameters }) => ({
    extension: { name, parameters: parameters.map(({ name, value }) => [name, value] as const) },
    text: [
      name,
      ...parameters.map(({ name, quoting, value }) =>
        value === undefined ? name : `${name}${blank}=${blank}${quote(value, quoting)}`
      )
    ].join(`${blank};${blank}`)
  })
)

const quote = (value: string, quoting: number): string =>
  quoting === 0 ? value : `"${quoting === 1 ? value : value.split("").map((character) => `\\${character}`).join("")}"`

describe("extensions", { timeout: 60_000 }, () => {
  it.prop("are read as they were written, quoted or not, with blanks and empty elements between", {
    extensions: listOf(written, 1, 4),
    before: elementOf(["", " ", ",", " , ,"]),
    between: elementOf([",", " , ", ",,", "\t,\t,"])
  }, ({ before, between, extensions }) => {
    const header = before + extensions.map(({ text }) => text).join(between) + before
    const expected: ReadonlyArray<Extension> = extensions.map(({ extension }) => extension)
    assert.deepStrictEqual(parseExtensions(header), expected)
  }, { arbitrary: { runs: 300 } })

  it("keep the order and the doubles of parameters", () => {
    assert.deepStrictEqual(parseExtensions("a; b=1; c; b=2; b"), [
      { name: "a", parameters: [["b", "1"], ["c", undefined], ["b", "2"], ["b", undefined]] }
    ])
  })

  it("a separator within quotes separates nothing, and is no token either", () => {
    for (const header of [`a; b="c;d"`, `a; b="c,d"`, `a; b="c\\",d"`, `a; b="c d"`, `a; b="\\""`, `a; b="c"d"`]) {
      assert.isUndefined(parseExtensions(header), header)
    }
  })

  it("a header that does not follow the grammar is none at all, also behind one that does", () => {
    for (
      const wrong of [
        "a b",
        "a;",
        "a;;b",
        ";a",
        "a; =b",
        "a; b=",
        "a; b=c=d",
        "a; b=\"",
        "a; b=\"\"",
        "a; b=\"c",
        "a; b=c\"",
        "a; b=cd\"",
        "a; b=\"cd",
        "a\"b",
        "\"a\"",
        "a; \"b\"",
        "a\0",
        "\u00e4",
        "a/b",
        // White space to JavaScript, but not to HTTP.
        "\u00a0a",
        "a; b\v",
        "a; b=\ufeffc",
        "a; b=c d"
      ]
    ) {
      assert.isUndefined(parseExtensions(wrong), wrong)
      assert.isUndefined(parseExtensions(`good; x=1, ${wrong}`), wrong)
    }
  })

  it("a list without elements is none: it is 1#extension", () => {
    for (const empty of ["", " ", ",", " ,\t, "]) assert.isUndefined(parseExtensions(empty))
  })
})
