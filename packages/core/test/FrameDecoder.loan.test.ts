import { assert, describe, it } from "@effect/vitest"
import * as Budget from "@websocket-stream/core/Budget"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as MessageDecoder from "@websocket-stream/core/MessageDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Result from "effect/Result"
import { boolean, length, maxFrameSize, validWire, wires, withCuts } from "./support/arbitraries.ts"
import { concat, cutsEvery, noise, splitAt } from "./support/bytes.ts"
import { drain, readable, readableDecoding } from "./support/decoding.ts"
import { wholePart } from "./support/messages.ts"
import { drainParts, joinParts } from "./support/parts.ts"

const timeout = 60_000

const memory = new Uint8Array(1_000_000)

/** Reads every chunk into the same memory, which is somebody else's as soon as it was given back. */
class Lender {
  private readonly decoder: FrameDecoder.FrameDecoder

  constructor(decoder: FrameDecoder.FrameDecoder) {
    this.decoder = decoder
  }

  lend<A>(chunk: Uint8Array, read: () => A): A {
    memory.set(chunk)
    this.decoder.push(memory.subarray(0, chunk.length), true)
    const answer = read()
    this.decoder.keep()
    memory.fill(0xee, 0, chunk.length)
    return answer
  }
}

describe("a chunk on loan", { timeout }, () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(
      `gives the same frames and the same failure as one that is the decoder's: ${kind}`,
      { cut: withCuts(wire), maxFrameSize, ownsChunks: boolean },
      ({ cut: { cuts, wire: { bytes, role, rsv1 } }, maxFrameSize, ownsChunks }) => {
        const options = { role, rsv1, maxFrameSize, ownsChunks }
        const whole = FrameDecoder.decodeAll([bytes.slice()], options)
        const decoder = FrameDecoder.make(options)
        const lender = new Lender(decoder)
        const frames = splitAt(bytes, cuts).flatMap((chunk) => lender.lend(chunk, () => drain(decoder).frames))
        assert.deepStrictEqual(readableDecoding({ ...drain(decoder), frames }), readableDecoding(whole))

        const inParts = FrameDecoder.make(options)
        const partLender = new Lender(inParts)
        const parts = splitAt(bytes, cuts).flatMap((chunk) =>
          partLender.lend(chunk, () => drainParts(inParts).parts.map(owned))
        )
        assert.deepStrictEqual(readable(joinParts(parts).frames), readable(whole.frames))
      },
      { timeout, arbitrary: { runs: 150 } }
    )
  }

  it("may be given back before it was read, and before the one ahead of it was", () => {
    const frames = [10, 5000, 70].map((length) => Frame.make(Opcode.Binary, noise(length, length)))
    const bytes = concat(frames.map((frame) => Frame.encode(frame, 0x37fa213d)))
    const decoder = FrameDecoder.make({ role: "server", maxFrameSize: 10_000, ownsChunks: true })
    const lender = new Lender(decoder)
    for (const chunk of splitAt(bytes, cutsEvery(1000, bytes.length))) lender.lend(chunk, () => {})
    assert.strictEqual(decoder.bufferedBytes, bytes.length)
    assert.deepStrictEqual(readable(drain(decoder).frames), readable(frames))
  })

  it("lends parts of frames and large frames, and no small ones", () => {
    const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 100_000 })
    const lent = (length: number, cut: number) => {
      const bytes = Frame.encode(Frame.make(Opcode.Binary, noise(length, 1)))
      const lender = new Lender(decoder)
      return splitAt(bytes, [cut]).flatMap((chunk) =>
        lender.lend(chunk, () => drainParts(decoder).parts.map(({ lent, payload }) => [lent, payload.length]))
      )
    }
    assert.deepStrictEqual(lent(100, 102), [[false, 100]])
    assert.deepStrictEqual(lent(100, 50), [[true, 48], [true, 52]])
    assert.deepStrictEqual(lent(4096, 4100), [[true, 4096]])
    assert.deepStrictEqual(lent(20_000, 4), [[false, 0], [true, 20_000]])
    assert.deepStrictEqual(lent(20_000, 10_004), [[true, 10_000], [true, 10_000]])
    assert.deepStrictEqual(lent(20_000, 19_004), [[true, 19_000], [true, 1000]])
  })

  it.prop(
    "gives the same messages",
    { cut: withCuts(validWire(length)) },
    ({ cut: { cuts, wire: { bytes, role, rsv1 } } }) => {
      const frames = FrameDecoder.make({ role, rsv1, maxFrameSize: 100_000, ownsChunks: true })
      const expected = messagesOf(FrameDecoder.decodeAll([bytes.slice()], { role, rsv1, maxFrameSize: 100_000 }).frames)
      const lender = new Lender(frames)
      const messages = new Messages()
      for (const chunk of splitAt(bytes, cuts)) {
        lender.lend(chunk, () => drainParts(frames).parts.forEach((part) => messages.receive(part)))
      }
      assert.deepStrictEqual(messages.payloads.map((payload) => Buffer.from(payload)), expected)
    },
    { timeout, arbitrary: { runs: 150 } }
  )
})

const owned = (part: FrameDecoder.FramePart): FrameDecoder.FramePart =>
  part.lent ? { ...part, payload: part.payload.slice() } : part

/** The payloads of messages, up to the first frame that is out of order. */
class Messages {
  readonly payloads: Array<Uint8Array> = []
  private hasFailed = false
  private readonly decoder = MessageDecoder.make({
    maxMessageSize: 10_000_000,
    maxFragments: 10_000,
    maxHeldBytes: 10_000_000,
    budget: Budget.make(),
    // What a text is made of is not the matter here.
    isUtf8: () => true
  })

  receive(part: FrameDecoder.FramePart): void {
    if (this.hasFailed || Opcode.isControl(part.opcode)) return
    // As binary, for the same reason.
    const assembled = this.decoder.receive(part.opcode === Opcode.Text ? { ...part, opcode: Opcode.Binary } : part)
    if (Result.isFailure(assembled)) this.hasFailed = true
    else if (assembled.success !== undefined) this.payloads.push(assembled.success.payload)
  }
}

const messagesOf = (frames: ReadonlyArray<Frame.Frame>): ReadonlyArray<Buffer> => {
  const messages = new Messages()
  for (const frame of frames) messages.receive(wholePart(frame))
  return messages.payloads.map((payload) => Buffer.from(payload))
}
