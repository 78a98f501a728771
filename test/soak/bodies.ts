/** What is in the messages: bytes that do not compress, and text that does, of lengths as one meets them. */
import type { Random } from "effect/Random"
import { randomBytes } from "node:crypto"

/** A whole number from `least` to `most`. */
export const between = (random: Random, least: number, most: number): number =>
  least + Math.floor(random.nextDoubleUnsafe() * (most - least + 1))

/** Short ones mostly, and now and then as long as may be. */
export const lengthOf = (random: Random, most: number): number =>
  Math.floor(Math.exp(random.nextDoubleUnsafe() * Math.log(most + 1))) - 1

/** A part of what is not compressible. Shared, and not to be written to. */
export const bytes = (random: Random, length: number): Uint8Array => {
  const start = between(random, 0, noise.length - length)
  return noise.subarray(start, start + length)
}

/** A part of a text in several scripts, of so many characters. */
export const text = (random: Random, length: number): string => {
  const start = between(random, 0, prose.length - length)
  return prose.slice(start, start + length)
}

const noise = randomBytes(8 * 1024 * 1024)

// Characters of one unit each, so that no cut makes a text of it that UTF-8 has no bytes for.
const words = ["the", "message", "Grüße", "жизнь", "世界", "of", "and\n", "connection", "τέλος", "1006"]
const prose = Array.from({ length: 40_000 }, (_, i) => words[(i * i + 3 * i) % 97 % words.length]).join(" ")
