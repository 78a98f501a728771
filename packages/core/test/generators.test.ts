import { assert, describe, it } from "@effect/vitest"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import { edgeLengths, headerSoup, length, maxFrameSize, validWire, withCuts } from "./support/arbitraries.ts"

// A law is worth what its generator reaches. The seeds are fixed, so that this says the same each time.
const sample = <A>(arbitrary: Arbitrary.Arbitrary<A>, count: number) =>
  Arbitrary.sampleEffect(arbitrary, { count, seed: "reach" })

describe("the generators of the laws", { timeout: 60_000 }, () => {
  it.effect("reach every length at which a header changes its form, and every opcode", () =>
    Effect.gen(function*() {
      const frames = (yield* sample(validWire(length), 200)).flatMap((wire) => wire.frames)
      assert.containsAllKeys(new Map(frames.map(({ payload }) => [payload.length, true])), [...edgeLengths])
      assert.containsAllKeys(new Map(frames.map(({ opcode }) => [opcode, true])), [0, 1, 2, 8, 9, 10])
      assert.isTrue(frames.some(({ fin }) => !fin) && frames.some(({ rsv1 }) => rsv1))
    }))

  it.effect("reach every reason to refuse a frame, at the beginning and later", () =>
    Effect.gen(function*() {
      const reasons = new Set<string>()
      const cases = yield* sample(Arbitrary.all({ wire: headerSoup, limit: maxFrameSize }), 2000)
      for (const { limit, wire: { bytes, role, rsv1 } } of cases) {
        const { failure, frames } = FrameDecoder.decodeAll([bytes], { role, rsv1, maxFrameSize: limit })
        if (failure !== undefined) reasons.add(`${failure.reason._tag} ${frames.length === 0 ? "first" : "later"}`)
      }
      // The reasons of RFC 6455 5.1, 5.2 and 5.5, and the limit of a frame: what one frame decides.
      const tags = Object.entries(ProtocolError.rules)
        .filter(([tag, { section }]) => ["5.1", "5.2", "5.5"].includes(section) || tag === "FrameTooLarge")
        .map(([tag]) => tag)
      assert.sameMembers([...reasons], tags.flatMap((tag) => [`${tag} first`, `${tag} later`]))
    }))

  it.effect("cut in headers, in payloads and at both ends, and leave empty pieces", () =>
    Effect.gen(function*() {
      const cuts = yield* sample(withCuts(validWire(length)), 300)
      assert.isTrue(cuts.some(({ cuts, wire }) => cuts.some((cut) => wire.starts.includes(cut - 1))))
      assert.isTrue(cuts.some(({ cuts }) => cuts.includes(0)))
      assert.isTrue(cuts.some(({ cuts, wire }) => cuts.includes(wire.bytes.length)))
      assert.isTrue(cuts.some(({ cuts }) => new Set(cuts).size < cuts.length))
      assert.isTrue(cuts.some(({ cuts }) => cuts.length === 0))
    }))
})
