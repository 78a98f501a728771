/** What `pnpm fuzz` does for as long as one likes, for a few seconds: the corpus, and inputs of a fixed seed. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Corpus from "./fuzz/corpus.ts"
import * as Generator from "./fuzz/generator.ts"
import * as Notation from "./fuzz/notation.ts"
import { run } from "./fuzz/run.ts"
import type { Target } from "./fuzz/target.ts"
import { targets } from "./fuzz/targets.ts"

const timeout = 60_000

describe("the law holds", () => {
  for (const target of targets) {
    const corpus = Corpus.read(target.name)

    it.live(`${target.name}: for the corpus`, () =>
      Effect.gen(function*() {
        assert.isNotEmpty(corpus)
        yield* Effect.forEach(corpus, ({ file, input }) =>
          Effect.tapCause(target.check(input), () =>
            Effect.logError(`test/fuzz/corpus/${target.name}/${file}`)))
      }), timeout)

    it.live(`${target.name}: for ${target.quick} inputs`, () =>
      Effect.gen(function*() {
        const options = { seed: 1, corpus: corpus.map(({ input }) => input) }
        const { failure } = yield* run(target, { ...options, goesOn: (inputs) => inputs < target.quick })
        if (failure === undefined) return
        console.log(Notation.toTest(target.name, failure.input))
        return yield* Effect.failCause(failure.cause)
      }), timeout)
  }
})

describe("the machinery", () => {
  interface Input {
    readonly bytes: Uint8Array
    readonly others: ReadonlyArray<{ readonly number: number; readonly text: string | undefined }>
  }

  /** Breaks where a byte is 0x7f and one of the numbers is above 1000. */
  const broken: Target<Input> = {
    name: "broken",
    inputs: Generator.struct({
      bytes: Generator.bytes(40),
      others: Generator.list(
        Generator.struct({
          number: Generator.integer(0, 100_000, [0, 1]),
          text: Generator.optional(Generator.string(["a", "b"], 4))
        }),
        4
      )
    }),
    check: ({ bytes, others }) =>
      Effect.sync(() => {
        if (bytes.includes(0x7f) && others.some(({ number }) => number > 1000)) throw new Error("found")
      }),
    quick: 0
  }

  const find = run(broken, { seed: 1, corpus: [], goesOn: (inputs) => inputs < 100_000 })

  it.effect("finds what breaks the law, and makes it as small as it can be", () =>
    Effect.gen(function*() {
      const { failure } = yield* find
      assert.deepStrictEqual(failure?.input, {
        bytes: Uint8Array.of(0x7f),
        others: [{ number: 1001, text: undefined }]
      })
    }))

  it.effect("does the same for the same seed", () =>
    Effect.gen(function*() {
      const [first, second] = [yield* find, yield* find]
      assert.deepStrictEqual(first, second)
    }))

  it("writes inputs down as JSON and as a test", () => {
    const input = { bytes: Uint8Array.of(1, 255), big: 2n ** 63n, list: [{ text: "\n" }], nothing: undefined }
    const { nothing: _, ...rest } = input
    assert.deepStrictEqual(Notation.fromJson(Notation.toJson(input)), rest)
    assert.include(
      Notation.toTest("frames", input),
      `check({ bytes: Buffer.from("01ff", "hex"), big: 9223372036854775808n, list: [{ text: "\\n" }] }))`
    )
  })
})
