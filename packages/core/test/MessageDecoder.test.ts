import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Reason } from "@websocket-stream/core/ProtocolError"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import { boolean, elementOf, maskingKey, role } from "./support/arbitraries.ts"
import { assemble, assembled, makeDecoder, readableMessages } from "./support/assembling.ts"
import { concat, splitAt } from "./support/bytes.ts"
import {
  characters,
  cutsOf,
  fragment,
  headerOf,
  listOf,
  message,
  nearlyText,
  partsOf,
  utf8,
  wholePart
} from "./support/messages.ts"
import * as NaiveUtf8 from "./support/naiveUtf8.ts"
import { drainParts } from "./support/parts.ts"

const timeout = 60_000

/** A message, where its peer cuts it into frames, whether it is taken for compressed, and where the network cuts. */
const cutMessage = Arbitrary.flatMap(message, ({ opcode, payload }) =>
  Arbitrary.map(
    Arbitrary.all({ cuts: cutsOf(payload, 6), compressed: elementOf([false, false, true]), key: maskingKey }),
    ({ compressed, cuts, key }) => ({
      opcode,
      payload,
      compressed,
      key,
      frames: fragment(opcode, payload, cuts, compressed)
    })
  ))

describe("a message", { timeout }, () => {
  it.prop("of parts on loan is its own, whatever is read into their memory then", { cut: cutMessage }, ({ cut }) => {
    const decoder = makeDecoder()
    const memory = new Uint8Array(cut.payload.length)
    const answers = cut.frames.map((frame) => {
      const payload = memory.subarray(0, frame.payload.length)
      payload.set(frame.payload)
      const answer = Result.getOrThrow(decoder.receive({ ...wholePart(frame), payload, lent: true }))
      memory.fill(0xee)
      return answer
    })
    assert.deepStrictEqual(answers.at(-1)?.payload, cut.payload)
  })

  it.prop("is the same in any fragments and any parts, empty ones among them, one after the other", {
    sent: listOf(cutMessage, 1, 4),
    role,
    ownsChunks: boolean,
    splits: Arbitrary.array(elementOf([0.1, 0.3, 0.5, 0.7, 0.9]), { maxLength: 5 })
  }, ({ ownsChunks, role, sent, splits }) => {
    const bytes = concat(
      sent.flatMap(({ frames, key }) => frames.map((frame) => Frame.encode(frame, role === "server" ? key : undefined)))
    )
    const frames = FrameDecoder.make({ role, maxFrameSize: 100_000, rsv1: true, ownsChunks })
    const decoder = makeDecoder()
    const messages = splitAt(bytes, splits.map((split) => Math.floor(bytes.length * split))).flatMap((chunk) => {
      frames.push(chunk)
      return assembled(drainParts(frames).parts, decoder)
    })
    const expected = sent.map(({ compressed, opcode, payload }) => ({ opcode, compressed, payload, last: true }))
    assert.deepStrictEqual(readableMessages(messages), readableMessages(expected))
    assert.strictEqual(decoder.heldBytes, 0)
  }, { arbitrary: { runs: 300 } })

  it.prop("is the same in pieces: nothing is kept, and the pieces join to its bytes", {
    sent: Arbitrary.flatMap(cutMessage, (sent) =>
      Arbitrary.all({
        sent: Arbitrary.Constant(sent),
        cuts: Arbitrary.all(sent.frames.map(({ payload }) => cutsOf(payload, 3)))
      }))
  }, ({ sent: { cuts, sent: { compressed, frames, opcode, payload } } }) => {
    const decoder = makeDecoder({ maxHeldBytes: compressed ? Number.MAX_SAFE_INTEGER : 0 })
    const parts = frames.flatMap((frame, i) => partsOf(frame, cuts[i]!))
    const pieces = parts.flatMap((part) => {
      const pieces = assembled([part], decoder, true)
      if (!compressed) assert.strictEqual(decoder.heldBytes, 0)
      return pieces
    })
    // A compressed one is of no use in pieces.
    assert.strictEqual(pieces.length, compressed ? 1 : parts.length)
    assert.deepStrictEqual(pieces.map(({ last }) => last), pieces.map((_, i) => i === pieces.length - 1))
    for (const piece of pieces) assert.deepStrictEqual([piece.opcode, piece.compressed], [opcode, compressed])
    assert.isTrue(Buffer.from(concat(pieces.map(({ payload }) => payload))).equals(payload))
  }, { arbitrary: { runs: 200 } })

  it("asked for in pieces in its midst begins with all that was kept of it", () => {
    const budget = { held: 0 }
    const decoder = makeDecoder({ budget })
    const [first, second, third] = fragment(Opcode.Binary, Uint8Array.of(1, 2, 3, 4, 5, 6), [2, 4]).map(wholePart)
    assert.deepStrictEqual(assembled([first!], decoder), [])
    assert.strictEqual(budget.held, 2)
    assert.deepStrictEqual(assembled([second!], decoder, true), [
      { opcode: Opcode.Binary, compressed: false, payload: Uint8Array.of(1, 2, 3, 4), last: false }
    ])
    assert.deepStrictEqual([budget.held, decoder.heldBytes], [0, 0])
    assert.deepStrictEqual(assembled([third!], decoder, true), [
      { opcode: Opcode.Binary, compressed: false, payload: Uint8Array.of(5, 6), last: true }
    ])
  })

  it("of one part is handed on, not copied; joined ones have nobody else's memory and no room left over", () => {
    const payload = utf8("whole")
    const [whole] = assembled([wholePart(Frame.make(Opcode.Text, payload))], makeDecoder())
    assert.strictEqual(whole?.payload, payload)
    const parts = fragment(Opcode.Text, payload, [1, 3]).map(wholePart)
    const [joined] = assembled(parts, makeDecoder())
    joined!.payload.fill(0)
    assert.strictEqual(joined!.payload.buffer.byteLength, payload.length)
    assert.isTrue(Buffer.from(concat(parts.map(({ payload }) => payload))).equals(payload))
  })
})

describe("a text", { timeout }, () => {
  it.prop("fails with the byte that makes it no UTF-8, in the middle of a frame, in whatever fragments", {
    cut: Arbitrary.flatMap(
      nearlyText,
      (payload) => Arbitrary.all({ payload: Arbitrary.Constant(payload), cuts: cutsOf(payload, 4) })
    ),
    inPieces: boolean,
    isUtf8: elementOf([undefined, isUtf8])
  }, ({ cut: { cuts, payload }, inPieces, isUtf8 }) => {
    // Each byte a part of its own, and a header before each frame that has any.
    const parts = fragment(Opcode.Text, payload, cuts).flatMap((frame) =>
      partsOf(frame, Array.from({ length: frame.payload.length }, (_, i) => i))
    )
    const { invalidAt, isWhole } = NaiveUtf8.check(payload)
    const budget = { held: 0 }
    const { failedAt, failure } = assemble(parts, makeDecoder({ budget, isUtf8 }), inPieces)
    assert.deepStrictEqual(failure, isWhole ? undefined : { _tag: "InvalidUtf8" })
    assert.strictEqual(budget.held, 0)
    if (failedAt === undefined) return
    const arrived = parts.slice(0, failedAt + 1).reduce((sum, { payload }) => sum + payload.length, 0)
    // Cut by its end, it fails with the last part, be that an empty one.
    assert.strictEqual(arrived, invalidAt === undefined ? payload.length : invalidAt + 1)
    if (invalidAt === undefined) assert.strictEqual(failedAt, parts.length - 1)
  }, { arbitrary: { runs: 300 } })

  it.prop("is judged the same by a validator of the platform's own, in whole frames", {
    cut: Arbitrary.flatMap(
      nearlyText,
      (payload) => Arbitrary.all({ payload: Arbitrary.Constant(payload), cuts: cutsOf(payload, 4) })
    )
  }, ({ cut: { cuts, payload } }) => {
    const parts = fragment(Opcode.Text, payload, cuts).map(wholePart)
    const [ours, theirs] = [{}, { isUtf8 }].map((options) => assemble(parts, makeDecoder(options)))
    assert.deepStrictEqual([theirs!.failure, theirs!.failedAt], [ours!.failure, ours!.failedAt])
    assert.deepStrictEqual(readableMessages(theirs!.messages), readableMessages(ours!.messages))
  }, { arbitrary: { runs: 500 } })

  it("asks that validator for what comes whole, however short, and for no part of a few bytes", () => {
    const asked: Array<number> = []
    const decoder = makeDecoder({
      isUtf8: (bytes) => {
        asked.push(bytes.length)
        return true
      }
    })
    assembled(fragment(Opcode.Text, utf8("Grüße"), [3, 4]).map(wholePart), decoder)
    assembled(
      [wholePart(Frame.make(Opcode.Text, utf8("abc"))), wholePart(Frame.make(Opcode.Binary, utf8("d")))],
      decoder
    )
    // The first two fragments are no whole text, and the third is what is left of one.
    assert.deepStrictEqual(asked, [3, 3])
  })

  it("is judged before its frame is whole", () => {
    const [header, bytes] = partsOf(Frame.make(Opcode.Text, new Uint8Array(1_000_000).fill(0xff)), [0, 1])
    const decoder = makeDecoder()
    assert.isUndefined(assemble([header!], decoder).failure)
    assert.deepStrictEqual(assemble([bytes!], decoder).failure, { _tag: "InvalidUtf8" })
  })

  it("may be cut within a character by fragments, but not by its end", () => {
    for (const character of characters) {
      const bytes = utf8(character)
      for (let cut = 1; cut < bytes.length; cut++) {
        const [first, second] = fragment(Opcode.Text, bytes, [cut]).map(wholePart)
        assert.strictEqual(assembled([first!, second!], makeDecoder()).length, 1)
        for (const inPieces of [false, true]) {
          const cutByEnd = [wholePart(Frame.make(Opcode.Text, first!.payload))]
          assert.deepStrictEqual(assemble(cutByEnd, makeDecoder(), inPieces).failure, { _tag: "InvalidUtf8" })
          const empty = wholePart(Frame.make(Opcode.Continuation, new Uint8Array(0)))
          const decoding = assemble([first!, empty], makeDecoder(), inPieces)
          assert.deepStrictEqual([decoding.failure, decoding.failedAt], [{ _tag: "InvalidUtf8" }, 1])
        }
      }
    }
  })

  it("is not looked at while it is compressed, and bytes never are", () => {
    const bytes = Uint8Array.of(0xff, 0xc3)
    assert.strictEqual(assembled([wholePart(Frame.make(Opcode.Text, bytes, { rsv1: true }))], makeDecoder()).length, 1)
    assert.strictEqual(assembled([wholePart(Frame.make(Opcode.Binary, bytes))], makeDecoder()).length, 1)
  })
})

describe("the order of frames (RFC 6455 5.4)", { timeout }, () => {
  const whole = (opcode: Opcode.Opcode, fin: boolean, rsv1 = false) =>
    wholePart(Frame.make(opcode, utf8("a"), { fin, rsv1 }))
  const unexpected: Reason = { _tag: "UnexpectedContinuation" }

  it("a continuation continues something, whole or not, first or later", () => {
    for (const fin of [true, false]) {
      assert.deepStrictEqual(assemble([whole(Opcode.Continuation, fin)], makeDecoder()).failure, unexpected)
      for (
        const before of [[whole(Opcode.Text, true)], [whole(Opcode.Text, false), whole(Opcode.Continuation, true)]]
      ) {
        const { failure, messages } = assemble([...before, whole(Opcode.Continuation, fin)], makeDecoder())
        assert.deepStrictEqual([failure, messages.length], [unexpected, 1])
      }
    }
  })

  it("no message begins amid another, be it of the same kind, whole or empty", () => {
    for (const opcode of [Opcode.Text, Opcode.Binary] as const) {
      for (
        const begun of [[whole(Opcode.Text, false)], [whole(Opcode.Binary, false), whole(Opcode.Continuation, false)]]
      ) {
        for (const next of [whole(opcode, true), whole(opcode, false), headerOf(opcode, 0), headerOf(opcode, 10)]) {
          const { failedAt, failure } = assemble([...begun, next], makeDecoder())
          assert.deepStrictEqual(failure, { _tag: "ExpectedContinuation", opcode })
          assert.strictEqual(failedAt, begun.length)
        }
      }
    }
  })

  it("R20 a stray continuation behind a message is refused, whatever that was: nothing of it is left", () => {
    for (const opcode of [Opcode.Text, Opcode.Binary] as const) {
      for (const rsv1 of [true, false]) {
        for (const inPieces of [true, false]) {
          for (
            const frames of [[whole(opcode, true, rsv1)], [
              whole(opcode, false, rsv1),
              whole(Opcode.Continuation, true)
            ]]
          ) {
            const decoder = makeDecoder()
            assert.strictEqual(assembled(frames, decoder, inPieces).at(-1)?.last, true)
            assert.deepStrictEqual(assemble([whole(Opcode.Continuation, true)], decoder, inPieces), {
              messages: [],
              failure: unexpected,
              failedAt: 0
            })
          }
        }
      }
    }
  })

  it("R20 the kind, the compression and the UTF-8 of a message are not those of the next one", () => {
    const decoder = makeDecoder()
    const kinds = [[Opcode.Text, true], [Opcode.Binary, false], [Opcode.Text, false], [Opcode.Binary, true]] as const
    for (const [opcode, rsv1] of [...kinds, ...kinds]) {
      for (
        const frames of [[whole(opcode, true, rsv1)], [whole(opcode, false, rsv1), whole(Opcode.Continuation, true)]]
      ) {
        const payload = utf8("a".repeat(frames.length))
        assert.deepStrictEqual(assembled(frames, decoder), [{ opcode, compressed: rsv1, payload, last: true }])
      }
    }
  })

  it("R20 a message that was dropped is forgotten: its bytes, its order and its half character", () => {
    for (const inPieces of [true, false]) {
      const decoder = makeDecoder({ maxFragments: 2, maxMessageSize: 4 })
      const begun = wholePart(Frame.make(Opcode.Text, utf8("\u20ac").subarray(0, 2), { fin: false }))
      assemble([begun], decoder, inPieces)
      decoder.clear()
      assert.strictEqual(decoder.heldBytes, 0)
      const [message] = assembled(fragment(Opcode.Text, utf8("next"), [2]).map(wholePart), decoder)
      assert.deepStrictEqual(message?.payload, utf8("next"))
    }
  })

  it("R19 RSV1 of the first frame speaks for the whole message, and the frame decoder lets it stand nowhere else", () => {
    const parts = fragment(Opcode.Text, utf8("abc"), [1, 2], true).map(wholePart)
    assert.deepStrictEqual(assembled(parts, makeDecoder()), [
      { opcode: Opcode.Text, compressed: true, payload: utf8("abc"), last: true }
    ])
    for (const first of [0xc0, 0xc8, 0xc9, 0xca, 0x40]) {
      const frames = FrameDecoder.make({ role: "client", maxFrameSize: 10, rsv1: true })
      frames.push(Uint8Array.of(0x41, 0, first))
      const { failure, parts } = drainParts(frames)
      assert.deepStrictEqual(failure?.reason, { _tag: "ReservedBits", bits: 0x40 })
      assert.strictEqual(failure?.closeCode, 1002)
      assert.strictEqual(parts.length, 1)
    }
    for (const first of [0xc1, 0xc2, 0x41]) {
      const frames = FrameDecoder.make({ role: "client", maxFrameSize: 10 })
      frames.push(Uint8Array.of(first))
      assert.deepStrictEqual(drainParts(frames).failure?.reason, { _tag: "ReservedBits", bits: 0x40 })
    }
  })

  it.prop("any order of frames gives the messages of a decoder that is written down as a sentence", {
    frames: listOf(Arbitrary.all({ opcode: elementOf([0, 0, 0, 1, 2] as const), fin: boolean }), 0, 12)
  }, ({ frames }) => {
    let begun = 0
    const expected: Array<string> = []
    for (const { fin, opcode } of frames) {
      // A frame continues if and only if a message was begun.
      if ((opcode === 0) !== (begun > 0)) {
        expected.push(opcode === 0 ? "UnexpectedContinuation" : "ExpectedContinuation")
        break
      }
      begun++
      if (fin) {
        expected.push(`message of ${begun}`)
        begun = 0
      }
    }
    const { failure, messages } = assemble(frames.map(({ fin, opcode }) => whole(opcode, fin)), makeDecoder())
    const actual = messages.map(({ payload }) => `message of ${payload.length}`)
    assert.deepStrictEqual(failure === undefined ? actual : [...actual, failure._tag], expected)
  }, { arbitrary: { runs: 300 } })
})
