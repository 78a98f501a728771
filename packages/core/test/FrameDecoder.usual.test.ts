import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { boolean, maxFrameSize, wires, withCuts } from "./support/arbitraries.ts"
import { concat, noise, splitAt } from "./support/bytes.ts"
import { next, readable, readableDecoding } from "./support/decoding.ts"
import { wholePart } from "./support/messages.ts"
import { joinParts } from "./support/parts.ts"

const timeout = 60_000
const roles: ReadonlyArray<Role> = ["client", "server"]
const keyOf = (role: Role) => role === "server" ? 0x37fa213d : undefined

const memory = new Uint8Array(1_000_000)

/** Reads chunks to their end one after the other, each on loan or not, and asks the quick way first when it is told to. */
const decodeQuickly = <A>(
  chunks: ReadonlyArray<Uint8Array>,
  decoder: FrameDecoder.FrameDecoder,
  { ask, lent }: { readonly ask: () => boolean; readonly lent: boolean },
  read: () => Result.Result<A | undefined, ProtocolError.ProtocolError>,
  whole: (frame: Frame.Frame) => A,
  owned: (item: A) => A
) => {
  const items: Array<A> = []
  let failure: ProtocolError.ProtocolError | undefined
  for (const chunk of chunks) {
    memory.set(chunk)
    decoder.push(lent ? memory.subarray(0, chunk.length) : chunk, lent)
    while (true) {
      const usual = ask() ? decoder.nextUsual() : undefined
      const answer = usual === undefined ? read() : Result.succeed(whole(usual))
      if (Result.isFailure(answer)) failure = answer.failure
      if (Result.isFailure(answer) || answer.success === undefined) break
      items.push(usual === undefined ? owned(answer.success) : answer.success)
    }
    decoder.keep()
    if (lent) memory.fill(0xee, 0, chunk.length)
  }
  return { items, failure, bufferedBytes: decoder.bufferedBytes }
}

describe("the quick way", { timeout }, () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(
      `asked ahead of either face or not changes nothing, whatever the chunks: ${kind}`,
      {
        cut: withCuts(wire),
        maxFrameSize,
        ownsChunks: boolean,
        lent: boolean,
        asks: Arbitrary.array(boolean, { minLength: 1, maxLength: 20 })
      },
      ({ asks, cut: { cuts, wire: { bytes, role, rsv1 } }, lent, maxFrameSize, ownsChunks }) => {
        const options = { role, rsv1, maxFrameSize, ownsChunks }
        const whole = FrameDecoder.decodeAll([bytes.slice()], options)
        let asked = 0
        const how = { lent, ask: () => asks[asked++ % asks.length]! }

        const frames = FrameDecoder.make(options)
        const same = <A>(item: A) => item
        const byFrames = decodeQuickly(splitAt(bytes, cuts), frames, how, () => frames.next(), same, same)
        assert.deepStrictEqual(readableDecoding({ ...byFrames, frames: byFrames.items }), readableDecoding(whole))

        const parts = FrameDecoder.make(options)
        const owned = (part: FrameDecoder.FramePart) => part.lent ? { ...part, payload: part.payload.slice() } : part
        const byParts = decodeQuickly(splitAt(bytes, cuts), parts, how, () => parts.nextPart(), wholePart, owned)
        assert.deepStrictEqual(readable(joinParts(byParts.items).frames), readable(whole.frames))
        assert.deepStrictEqual(byParts.failure?.reason, whole.failure?.reason)
        assert.strictEqual(byParts.bufferedBytes, whole.bufferedBytes)
      },
      { timeout, arbitrary: { runs: 150 } }
    )
  }

  for (const role of roles) {
    const encode = (frame: Frame.Frame) => Frame.encode(frame, keyOf(role))
    const decoderOf = (...frames: ReadonlyArray<Frame.Frame>) => {
      const decoder = FrameDecoder.make({ role, maxFrameSize: 100_000, rsv1: true, ownsChunks: true })
      decoder.push(concat([...frames.map(encode), new Uint8Array(8)]))
      return decoder
    }

    it(`answers final frames of text and bytes one after the other, and hands nothing else out, as a ${role}`, () => {
      const usual = ([Opcode.Text, Opcode.Binary] as const).flatMap((opcode) =>
        [1, 2, 31, 125, 126, 1000, 65_535].map((length) => Frame.make(opcode, noise(length, length)))
      )
      const decoder = decoderOf(...usual)
      assert.deepStrictEqual(readable(usual.map(() => decoder.nextUsual()!)), readable(usual))
      const others = [
        Frame.make(Opcode.Ping, noise(5, 1)),
        Frame.make(Opcode.Close, noise(5, 1)),
        Frame.make(Opcode.Continuation, noise(5, 1)),
        Frame.make(Opcode.Text, noise(5, 1), { fin: false }),
        Frame.make(Opcode.Binary, noise(5, 1), { rsv1: true }),
        Frame.make(Opcode.Binary, noise(65_536, 1)),
        Frame.make(Opcode.Text, new Uint8Array(0))
      ]
      for (const other of others) {
        const decoder = decoderOf(other)
        assert.isUndefined(decoder.nextUsual())
        assert.deepStrictEqual(readable([next(decoder)!]), readable([other]))
      }
    })

    it(`waits for a frame that is cut, and holds nothing behind the last one, as a ${role}`, () => {
      const frame = Frame.make(Opcode.Binary, noise(20, 1))
      const bytes = encode(frame)
      const decoder = FrameDecoder.make({ role, maxFrameSize: 100, ownsChunks: true })
      decoder.push(bytes.slice(0, 10))
      assert.isUndefined(decoder.nextUsual())
      assert.isUndefined(next(decoder))
      decoder.push(concat([bytes.slice(10), bytes]))
      assert.isUndefined(decoder.nextUsual())
      assert.deepStrictEqual(readable([next(decoder)!, decoder.nextUsual()!]), readable([frame, frame]))
      assert.strictEqual(decoder.bufferedBytes, 0)
      assert.isUndefined(decoder.nextUsual())
    })
  }
})
