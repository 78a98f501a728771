/**
 * Texts and what are none, after Markus Kuhn's decoder stress test, in the groups that the public numbering of UTF-8 cases
 * (6.5 to 6.23) has. Where a sequence goes wrong is worked out from RFC 3629 by a reader of its own.
 */

export interface Group {
  readonly number: number
  readonly name: string
  /** Bytes in hexadecimal. */
  readonly texts: ReadonlyArray<string>
}

const kosme = "cebae1bdb9cf83cebcceb5"

const hex = (...bytes: ReadonlyArray<number>): string => Buffer.from(bytes).toString("hex")
const range = (from: number, to: number): ReadonlyArray<number> => Array.from({ length: to - from }, (_, i) => from + i)
const lonely = (from: number, to: number): string => range(from, to).map((byte) => hex(byte, 0x20)).join("")

const cut = ["c0", "e080", "f08080", "f8808080", "fc80808080", "df", "efbf", "f7bfbf", "fbbfbfbf", "fdbfbfbfbf"]

const planes = range(0, 17).flatMap((plane) =>
  [0xfffe, 0xffff].map((low) => Buffer.from(String.fromCodePoint(plane * 0x1_0000 + low)).toString("hex"))
)

export const groups: ReadonlyArray<Group> = [
  {
    number: 5,
    name: "texts",
    texts: [
      ...["$", "\u00a2", "\u20ac", "\u{24b62}"].map((middle) => Buffer.from(`hello${middle}world`).toString("hex")),
      kosme
    ]
  },
  { number: 6, name: "every beginning of a text", texts: range(1, 12).map((bytes) => kosme.slice(0, bytes * 2)) },
  { number: 7, name: "the first of each length", texts: ["00", "c280", "e0a080", "f0908080"] },
  { number: 8, name: "the first of lengths 5 and 6", texts: ["f888808080", "fc8480808080"] },
  { number: 9, name: "the last of each length", texts: ["7f", "dfbf", "efbfbf", "f48fbfbf"] },
  { number: 10, name: "the last of lengths 4 to 6", texts: ["f7bfbfbf", "fbbfbfbfbf", "fdbfbfbfbfbf"] },
  { number: 11, name: "other boundaries", texts: ["ed9fbf", "ee8080", "efbfbd", "f48fbfbf", "f4908080"] },
  {
    number: 12,
    name: "continuation bytes alone",
    texts: ["80", "bf", ...range(2, 7).map((bytes) => "80bf80bf80bf".slice(0, bytes * 2)), hex(...range(0x80, 0xbf))]
  },
  {
    number: 13,
    name: "first bytes alone",
    texts: [lonely(0xc0, 0xdf), lonely(0xe0, 0xef), lonely(0xf0, 0xf7), lonely(0xf8, 0xfb), lonely(0xfc, 0xfd)]
  },
  { number: 14, name: "the last byte missing", texts: cut },
  { number: 15, name: "incomplete characters behind each other", texts: [cut.join("")] },
  { number: 16, name: "impossible bytes", texts: ["fe", "ff", "fefeffff"] },
  { number: 17, name: "an overlong slash", texts: ["c0af", "e080af", "f08080af", "f8808080af", "fc80808080af"] },
  {
    number: 18,
    name: "the longest overlong forms",
    texts: ["c1bf", "e09fbf", "f08fbfbf", "f887bfbfbf", "fc83bfbfbfbf"]
  },
  { number: 19, name: "an overlong zero", texts: ["c080", "e08080", "f0808080", "f880808080", "fc8080808080"] },
  {
    number: 20,
    name: "single surrogates",
    texts: ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf"]
  },
  {
    number: 21,
    name: "pairs of surrogates",
    texts: ["eda080", "edadbf", "edae80", "edafbf"].flatMap((high) => ["edb080", "edbfbf"].map((low) => high + low))
  },
  { number: 22, name: "noncharacters", texts: planes },
  { number: 23, name: "specials", texts: ["efbfb9", "efbfba", "efbfbb", "efbfbc", "efbfbd", "efbfbe", "efbfbf"] }
]

/** How many bytes there are up to the one that makes the bytes no text, that one included; `undefined` if none does. */
export const invalidAt = (bytes: Uint8Array): number | undefined => {
  for (let end = 1; end <= bytes.length; end++) {
    if (!canBecomeText(bytes.subarray(0, end))) return end
  }
  return undefined
}

export const isText = (bytes: Uint8Array): boolean => decodes(bytes)

// A beginning of a text can be made whole by a few more bytes.
const canBecomeText = (bytes: Uint8Array): boolean =>
  endings.some((ending) => decodes(Buffer.concat([bytes, Buffer.from(ending)])))

const tails = [[0x80], [0x90], [0xa0], [0xbf]]
const endings: ReadonlyArray<ReadonlyArray<number>> = [
  [],
  ...tails,
  ...tails.map((tail) => [...tail, 0x80]),
  ...tails.map((tail) => [...tail, 0x80, 0x80])
]

const decodes = (bytes: Uint8Array): boolean => {
  try {
    new TextDecoder("utf-8", { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}
