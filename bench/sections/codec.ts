import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { decoding, largeFrames } from "../codec/decoding.ts"
import { deflate, deflateMemory } from "../codec/deflate.ts"
import { encoding } from "../codec/encoding.ts"
import { masking } from "../codec/masking.ts"
import type { Part } from "../codec/part.ts"
import { utf8 } from "../codec/utf8.ts"
import { stamp } from "../report/machine.ts"
import type { Section } from "../report/section.ts"
import { table } from "../report/table.ts"

/** The parts of the codec, in this process and without any socket. */
export const codecSection = Effect.fnUntraced(function*(rounds: number) {
  const parts: Array<Part> = []
  // The memory first: what the others leave behind would be given to it again.
  for (const measure of [deflateMemory, decoding, largeFrames, encoding, masking, utf8, deflate]) {
    const part = yield* measure(rounds)
    parts.push(part)
    yield* Console.error(`codec: ${part.title}, done`)
  }
  const body = [
    stamp(`${rounds} rounds for each, in turn, in one process`),
    "Medians. A ratio is ours to the other's: higher is better, and below 1 we are slower.",
    ...parts.map(({ header, rows, title }) => `### ${title}\n\n${table(header, rows)}`)
  ]
  const section: Section = { id: "codec", title: "The codec alone", body: body.join("\n\n") }
  return section
})
