import { assert, describe, it } from "@effect/vitest"
import * as Budget from "@websocket-stream/core/Budget"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Reason } from "@websocket-stream/core/ProtocolError"
import * as Arbitrary from "effect/Arbitrary"
import { boolean, elementOf, integer } from "./support/arbitraries.ts"
import { assemble, assembled, makeDecoder } from "./support/assembling.ts"
import { concat, noise } from "./support/bytes.ts"
import { liveMemory } from "./support/garbage.ts"
import { fragment, headerOf, listOf, partsOf, wholePart } from "./support/messages.ts"
import { drainParts } from "./support/parts.ts"

const timeout = 60_000
const noLimit = Number.MAX_SAFE_INTEGER

const tooLarge = (limit: number, announcedAtLeast: number): Reason => ({
  _tag: "MessageTooLarge",
  limit,
  announcedAtLeast
})

describe("the size of a message", { timeout }, () => {
  it("R5 is told by headers alone, before a byte is kept", () => {
    for (const opcode of [Opcode.Text, Opcode.Binary] as const) {
      for (const rsv1 of [true, false]) {
        for (const inPieces of [true, false]) {
          const budget = Budget.make()
          const decoder = makeDecoder({ maxMessageSize: 1000, maxHeldBytes: 1000, budget })
          assert.deepStrictEqual(assemble([headerOf(opcode, 1001, { rsv1 })], decoder, inPieces), {
            messages: [],
            failure: tooLarge(1000, 1001),
            failedAt: 0
          })
          assert.deepStrictEqual([decoder.heldBytes, budget.held], [0, 0])
        }
      }
    }
  })

  it("R5 is that of all frames together, judged at the header of the one that is too much", () => {
    const budget = Budget.make()
    const decoder = makeDecoder({ maxMessageSize: 1000, budget })
    const [first, second] = fragment(Opcode.Binary, noise(1000, 1), [400]).map((frame) => ({ ...frame, fin: false }))
    assert.deepStrictEqual(assembled([wholePart(first!), wholePart(second!)], decoder), [])
    assert.strictEqual(budget.held, 1000)
    // Empty ones are let pass, for they add nothing.
    assert.deepStrictEqual(assembled([headerOf(Opcode.Continuation, 0, { fin: false })], decoder), [])
    const { failure } = assemble([headerOf(Opcode.Continuation, 1)], decoder)
    assert.deepStrictEqual(failure, tooLarge(1000, 1001))
    assert.strictEqual(budget.held, 0)
  })

  it("R5 of what was announced counts, not of what has come", () => {
    const decoder = makeDecoder({ maxMessageSize: 1000 })
    // Nothing of the 600 is there yet, and no next frame could begin before it is; but a header is believed.
    const begun = { ...headerOf(Opcode.Binary, 600, { fin: false }), payload: noise(600, 1), last: true }
    assert.deepStrictEqual(assemble([begun, headerOf(Opcode.Continuation, 401)], decoder).failure, tooLarge(1000, 1001))
  })

  it("R5 R10 from bytes: refused with the last byte of the length, 64-bit ones among them", () => {
    for (
      const [length, header] of [[11, [0x82, 11]], [65_535, [0x82, 126, 0xff, 0xff]], [65_536, [
        0x82,
        127,
        0,
        0,
        0,
        0,
        0,
        1,
        0,
        0
      ]], [2 ** 53 - 1, [0x82, 127, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]]] as const
    ) {
      const frames = FrameDecoder.make({ role: "client", maxFrameSize: noLimit })
      const decoder = makeDecoder({ maxMessageSize: 10 })
      for (const [i, byte] of header.entries()) {
        frames.push(Uint8Array.of(byte))
        const { failure } = assemble(drainParts(frames).parts, decoder)
        assert.deepStrictEqual(failure, i === header.length - 1 ? tooLarge(10, length) : undefined)
      }
    }
  })

  it("R10 sums are compared where they are exact: two frames of 2^53 - 1 bytes are over any limit", () => {
    for (const next of [1, 2, noLimit - 1, noLimit]) {
      const begun = { ...headerOf(Opcode.Binary, noLimit, { fin: false }), last: true }
      const { failedAt, failure } = assemble([begun, headerOf(Opcode.Continuation, next)], makeDecoder())
      assert.deepStrictEqual([failure, failedAt], [tooLarge(noLimit, noLimit + next), 1])
    }
  })

  it("may be the limit itself, and nothing at all where that is 0", () => {
    for (const limit of [0, 1, 125, 1000]) {
      const decoder = makeDecoder({ maxMessageSize: limit })
      for (const cuts of [[], [0], [0, 0, Math.min(1, limit)]]) {
        const parts = fragment(Opcode.Binary, noise(limit, 1), cuts).map(wholePart)
        assert.strictEqual(assembled(parts, decoder).length, 1)
      }
      assert.deepStrictEqual(
        assemble([headerOf(Opcode.Binary, limit + 1)], decoder).failure,
        tooLarge(limit, limit + 1)
      )
    }
  })

  it("is that of a message which is one as it is, too, and so is the number of its fragments", () => {
    const frame = Frame.make(Opcode.Binary, noise(10, 1))
    for (const limits of [{ maxMessageSize: 9 }, { maxMessageSize: NaN }, { maxFragments: 0 }, { maxFragments: NaN }]) {
      assert.isFalse(makeDecoder(limits).isMessage(frame))
    }
    assert.isTrue(makeDecoder({ maxMessageSize: 10, maxFragments: 1 }).isMessage(frame))
  })

  it("lets nothing pass where it is no number", () => {
    const part = wholePart(Frame.make(Opcode.Binary, noise(10, 1), { fin: false }))
    for (const limits of [{ maxMessageSize: NaN }, { maxFragments: NaN }, { maxHeldBytes: NaN }]) {
      assert.isDefined(assemble([part], makeDecoder(limits)).failure)
    }
  })

  it.prop("is over the limit if and only if the frames say so", {
    lengths: listOf(integer(0, 40), 1, 8),
    limit: integer(0, 160)
  }, ({ lengths, limit }) => {
    const parts = lengths.map((length, i) =>
      wholePart(Frame.make(i === 0 ? Opcode.Binary : Opcode.Continuation, noise(length, 1), {
        fin: i === lengths.length - 1
      }))
    )
    const budget = Budget.make()
    const { failedAt, failure } = assemble(parts, makeDecoder({ maxMessageSize: limit, budget }))
    const sums = lengths.map((_, i) => lengths.slice(0, i + 1).reduce((sum, length) => sum + length))
    const expected = sums.findIndex((sum) => sum > limit)
    assert.strictEqual(failedAt, expected < 0 ? undefined : expected)
    if (expected >= 0) assert.deepStrictEqual(failure, tooLarge(limit, sums[expected]!))
    assert.strictEqual(budget.held, 0)
  }, { arbitrary: { runs: 200 } })
})

describe("the number of fragments", { timeout }, () => {
  const count = (decoder: ReturnType<typeof makeDecoder>, length: number, inPieces: boolean): number => {
    for (let fragments = 0;; fragments++) {
      const opcode = fragments === 0 ? Opcode.Binary : Opcode.Continuation
      const { failure } = assemble([wholePart(Frame.make(opcode, noise(length, 1), { fin: false }))], decoder, inPieces)
      if (failure === undefined) continue
      assert.deepStrictEqual(failure, { _tag: "TooManyFragments", limit: 5 })
      return fragments
    }
  }

  it("R3 is limited, empty ones count, and in pieces it is no other", () => {
    for (const inPieces of [true, false]) {
      for (const length of [0, 1, 5000]) {
        assert.strictEqual(count(makeDecoder({ maxFragments: 5 }), length, inPieces), 5)
      }
    }
  })

  it("is that of each message: as many as there may be, time after time", () => {
    const decoder = makeDecoder({ maxFragments: 5 })
    for (let i = 0; i < 3; i++) {
      const parts = fragment(Opcode.Text, noise(20, 1).fill(0x61), [0, 5, 5, 20]).map(wholePart)
      assert.strictEqual(assembled(parts, decoder).length, 1)
    }
    assert.deepStrictEqual(assemble([headerOf(Opcode.Text, 0)], makeDecoder({ maxFragments: 0 })).failure, {
      _tag: "TooManyFragments",
      limit: 0
    })
  })
})

describe("what hostile fragments hold", { timeout }, () => {
  /** What a message holds that never ends: its frames as a client sends them, read from bytes 64 KiB at a time. */
  const hold = (payload: Uint8Array, fragments: number) => {
    const frames = FrameDecoder.make({ role: "server", maxFrameSize: noLimit })
    const budget = Budget.make()
    const decoder = makeDecoder({ budget })
    const read = (bytes: Uint8Array) => {
      frames.push(bytes)
      assert.deepStrictEqual(assembled(drainParts(frames).parts, decoder), [])
    }
    read(Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(0), { fin: false }), 1))
    const one = Frame.encode(Frame.make(Opcode.Continuation, payload, { fin: false }), 0x37fa213d)
    const chunk = concat(Array.from({ length: 5000 }, () => one))
    const before = liveMemory()
    for (let i = 0; i < fragments; i += 5000) read(chunk)
    const after = liveMemory()
    assert.strictEqual(decoder.heldBytes, fragments * payload.length)
    assert.strictEqual(budget.held, fragments * payload.length)
    return { objects: after.objects - before.objects, arrayBuffers: after.arrayBuffers - before.arrayBuffers }
  }

  it("R2 100,000 fragments of a byte: at most about twice their bytes", () => {
    const { arrayBuffers, objects } = hold(Uint8Array.of(7), 100_000)
    console.log(`R2: 100,000 fragments of a byte hold ${arrayBuffers} bytes in buffers, ${objects} in objects`)
    assert.isAtMost(arrayBuffers, 2 * 100_000 + 4096)
    // A wrapper each would come to some ten megabytes.
    assert.isAtMost(objects, 1_000_000)
  })

  it("R3 100,000 empty fragments: nothing", () => {
    const { arrayBuffers, objects } = hold(new Uint8Array(0), 100_000)
    console.log(`R3: 100,000 empty fragments hold ${arrayBuffers} bytes in buffers, ${objects} in objects`)
    assert.isAtMost(arrayBuffers, 4096)
    assert.isAtMost(objects, 1_000_000)
  })

  it("R2 a byte in each of 1,000 messages: at most a block each", () => {
    const decoders = Array.from({ length: 1000 }, () => makeDecoder())
    const before = liveMemory()
    for (const decoder of decoders) {
      assembled([wholePart(Frame.make(Opcode.Binary, Uint8Array.of(7), { fin: false }))], decoder)
    }
    const arrayBuffers = liveMemory().arrayBuffers - before.arrayBuffers
    console.log(`R2: 1,000 unfinished messages of a byte hold ${arrayBuffers} bytes in buffers`)
    assert.isAtMost(arrayBuffers, 1000 * (4096 + 2))
    assert.isTrue(decoders.every(({ heldBytes }) => heldBytes === 1))
  })

  it("R2 100 MB announced and not sent: nothing", () => {
    const before = liveMemory()
    const decoders = Array.from({ length: 100 }, () => {
      const decoder = makeDecoder()
      assembled([headerOf(Opcode.Binary, 100_000_000)], decoder)
      return decoder
    })
    assert.isAtMost(liveMemory().arrayBuffers - before.arrayBuffers, 4096)
    assert.isTrue(decoders.every(({ heldBytes }) => heldBytes === 0))
  })
})

describe("the budget of a decoder", { timeout }, () => {
  const begun = (length: number) => wholePart(Frame.make(Opcode.Binary, noise(length, 1), { fin: false }))
  const more = (length: number, fin = false) => wholePart(Frame.make(Opcode.Continuation, noise(length, 1), { fin }))
  const tooMuch: Reason = { _tag: "TooMuchHeld", limit: 100 }

  it("is not for messages that come in one part, however large", () => {
    const decoder = makeDecoder({ maxHeldBytes: 0 })
    assert.strictEqual(assembled([wholePart(Frame.make(Opcode.Binary, noise(100_000, 1)))], decoder).length, 1)
  })

  it("may be used up, and not by a byte more; the last part of a message counts while it is joined", () => {
    const budget = Budget.make()
    const make = () => makeDecoder({ maxHeldBytes: 100, budget })
    const [first, second] = [make(), make()]
    assembled([begun(60)], first)
    assembled([begun(40)], second)
    assert.strictEqual(budget.held, 100)
    assert.deepStrictEqual(assemble([more(1)], second).failure, tooMuch)
    assert.strictEqual(budget.held, 60)
    assert.deepStrictEqual(assemble([more(41, true)], first).failure, tooMuch)
    assert.strictEqual(budget.held, 0)
  })

  it.prop("R2 is the sum of what all decoders hold, and 0 in the end, whatever becomes of their messages", {
    actions: listOf(
      Arbitrary.all({
        who: integer(0, 4),
        what: elementOf(["fragment", "fragment", "fragment", "end", "stray", "clear", "pieces"] as const),
        length: elementOf([0, 1, 10, 300, 5000]),
        rsv1: boolean,
        inParts: boolean
      }),
      1,
      60
    ),
    limit: elementOf([0, 300, 6000, noLimit])
  }, ({ actions, limit }) => {
    const budget = Budget.make()
    const make = () => ({ decoder: makeDecoder({ budget, maxHeldBytes: limit, maxFragments: 6 }), inProgress: false })
    const all = Array.from({ length: 5 }, make)
    for (const { inParts, length, rsv1, what, who } of actions) {
      const one = all[who]!
      const opcode = one.inProgress === (what === "stray") ? Opcode.Binary : Opcode.Continuation
      const frame = Frame.make(opcode, noise(length, 1), {
        fin: what === "end",
        rsv1: rsv1 && opcode === Opcode.Binary
      })
      const parts = inParts ? partsOf(frame, [0, length >> 1]) : [wholePart(frame)]
      if (what === "clear") one.decoder.clear()
      const { failure } = what === "clear" ? emptied : assemble(parts, one.decoder, what === "pieces")
      if (failure === undefined) one.inProgress = what !== "clear" && what !== "end"
      else all[who] = make()
      assert.strictEqual(budget.held, all.reduce((sum, { decoder }) => sum + decoder.heldBytes, 0))
      assert.isAtMost(budget.held, limit)
    }
    for (const { decoder } of all) decoder.clear()
    assert.strictEqual(budget.held, 0)
  }, { arbitrary: { runs: 200 } })
})

const emptied = { failure: undefined }
