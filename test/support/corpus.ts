/** Messages that compress as real ones do: records in JSON with much in common, prose, and what does not compress at all. */
import * as Raw from "./rawFrames.ts"

/** The same numbers for the same seed (Marsaglia's xorshift). */
export const numbers = (seed: number): () => number => {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

const words =
  "wer reitet so spät durch nacht und wind es ist der vater mit seinem kind er hat den knaben wohl in dem arm"
    .split(" ")

const json = (next: () => number): string =>
  JSON.stringify({
    id: next(),
    name: words[next() % words.length],
    tags: [words[next() % words.length], words[next() % words.length]],
    at: new Date(1_700_000_000_000 + next()).toISOString(),
    price: (next() % 100_000) / 100
  })

const prose = (next: () => number): string => Array.from({ length: 20 }, () => words[next() % words.length]).join(" ")

const fill = (length: number, piece: () => string): Buffer => {
  const pieces: Array<string> = []
  for (let bytes = 0; bytes < length;) bytes += Buffer.byteLength(pieces[pieces.push(piece()) - 1]!)
  return Buffer.from(pieces.join("\n")).subarray(0, length)
}

const noise = (length: number, next: () => number): Buffer => {
  const bytes = Buffer.alloc(length)
  for (let i = 0; i + 4 <= length; i += 4) bytes.writeUInt32LE(next(), i)
  return bytes
}

export interface Corpus {
  readonly name: string
  readonly opcode: number
  /** A megabyte of it, to cut messages from. */
  readonly bytes: Buffer
}

const megabyte = 1024 * 1024

export const corpora: ReadonlyArray<Corpus> = [
  // ASCII only, so that every cut is a text.
  { name: "JSON", opcode: Raw.text, bytes: asciiOf(fill(megabyte, make(json, 1))) },
  { name: "prose", opcode: Raw.binary, bytes: fill(megabyte, make(prose, 2)) },
  {
    name: "HTML",
    opcode: Raw.text,
    bytes: asciiOf(fill(megabyte, make((next) => `<p class="x">${prose(next)}</p>`, 3)))
  },
  { name: "noise", opcode: Raw.binary, bytes: noise(megabyte, numbers(4)) },
  {
    name: "a picture of few colours",
    opcode: Raw.binary,
    bytes: Buffer.from(noise(megabyte, numbers(5)).map((byte) => byte & 3))
  }
]

function make(piece: (next: () => number) => string, seed: number): () => string {
  const next = numbers(seed)
  return () => piece(next)
}

function asciiOf(bytes: Buffer): Buffer {
  return Buffer.from(bytes.map((byte) => (byte < 0x80 ? byte : 0x2e)))
}

/** So many messages of one size each, cut from the corpus one behind the other. */
export const cut = (corpus: Corpus, size: number, count: number): ReadonlyArray<{ opcode: number; payload: Buffer }> =>
  Array.from({ length: count }, (_, i) => {
    const start = (i * size) % (corpus.bytes.length - size)
    return { opcode: corpus.opcode, payload: corpus.bytes.subarray(start, start + size) }
  })
