import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { length, validWire, wires, withCuts } from "../../../core/test/support/arbitraries.ts"
import { splitAt } from "../../../core/test/support/bytes.ts"
import { drain, readableDecoding } from "../../../core/test/support/decoding.ts"
import { drainParts, type PartsDecoding } from "../../../core/test/support/parts.ts"
import * as PooledDecoder from "../../src/internal/pooledDecoder.ts"

const maxFrameSize = 66_000

// As one text: compared part by part, they would take four times as long as they take to decode.
const readableParts = (turns: ReadonlyArray<PartsDecoding>): string =>
  turns.map(({ bufferedBytes, failure, parts }) =>
    [
      bufferedBytes,
      JSON.stringify(failure?.reason),
      ...parts.map((part) => JSON.stringify({ ...part, payload: Buffer.from(part.payload).toString("hex") }))
    ].join(" ")
  ).join("\n")

describe("PooledDecoder", () => {
  for (const [kind, wire] of Object.entries(wires)) {
    it.prop(
      `connections that take turns see what each would alone: ${kind}`,
      { connections: Arbitrary.all([withCuts(wire), withCuts(wire), withCuts(validWire(length))]) },
      ({ connections }) => {
        const { role, rsv1 } = connections[0].wire
        const options = { role, rsv1, maxFrameSize, ownsChunks: false }
        const all = connections.map(({ cuts, wire }) => ({
          chunks: splitAt(wire.bytes, cuts),
          whole: PooledDecoder.make(options),
          parts: PooledDecoder.make(options),
          partsAlone: FrameDecoder.make(options),
          frames: new Array<ReturnType<typeof drain>>(),
          pooled: new Array<PartsDecoding>(),
          alone: new Array<PartsDecoding>()
        }))
        for (let turn = 0; all.some(({ chunks }) => turn < chunks.length); turn++) {
          for (const { alone, chunks, frames, parts, partsAlone, pooled, whole } of all) {
            const chunk = chunks[turn]
            if (chunk === undefined) continue
            whole.push(chunk)
            frames.push(drain(whole))
            parts.push(chunk)
            partsAlone.push(chunk)
            pooled.push(drainParts(parts))
            alone.push(drainParts(partsAlone))
            // Sparing with assertions: there are turns by the ten thousand.
            if (parts.isIdle !== partsAlone.isIdle) assert.fail(`in turn ${turn} one of them is idle`)
          }
        }
        for (const { alone, chunks, frames, pooled, whole } of all) {
          assert.strictEqual(readableParts(pooled), readableParts(alone))
          const { failure } = drain(whole)
          const decoding = {
            frames: frames.flatMap(({ frames }) => frames),
            failure,
            bufferedBytes: whole.bufferedBytes
          }
          assert.deepStrictEqual(
            readableDecoding(decoding),
            readableDecoding(FrameDecoder.decodeAll(chunks, options))
          )
        }
      },
      { arbitrary: { runs: 60 } }
    )
  }

  it("one that may write to its chunks is not for connections whose chunks are somebody else's", () => {
    const frame = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(2000).fill(7)), 0x01020304)
    const payloadOf = (ownsChunks: boolean, chunk: Uint8Array) => {
      const decoder = PooledDecoder.make({ role: "server", rsv1: false, maxFrameSize: 3001, ownsChunks })
      decoder.push(chunk)
      return Result.getOrThrow(decoder.next())!.payload
    }
    for (const ownsChunks of [true, false]) {
      const chunk = frame.slice()
      assert.deepStrictEqual(payloadOf(ownsChunks, chunk), new Uint8Array(2000).fill(7))
      assert.strictEqual(Buffer.compare(chunk, frame) !== 0, ownsChunks)
    }
  })

  it("one that failed stays with whom it failed", () => {
    const options = { role: "client", rsv1: false, maxFrameSize: 10, ownsChunks: false } as const
    const failed = PooledDecoder.make(options)
    failed.push(Uint8Array.of(0x83, 0))
    assert.isTrue(Result.isFailure(failed.next()))
    const other = PooledDecoder.make(options)
    other.push(Uint8Array.of(0x82, 0))
    assert.lengthOf(drain(other).frames, 1)
    assert.isTrue(Result.isFailure(failed.next()))
    assert.isFalse(failed.isIdle)
  })

  it("gives a chunk on loan back", () => {
    const decoder = PooledDecoder.make({ role: "client", rsv1: false, maxFrameSize: 10, ownsChunks: true })
    const memory = Uint8Array.of(0x82, 2, 7)
    decoder.push(memory, true)
    assert.lengthOf(drain(decoder).frames, 0)
    decoder.keep()
    memory.fill(0)
    decoder.push(Uint8Array.of(8))
    assert.deepStrictEqual(drain(decoder).frames.map(({ payload }) => [...payload]), [[7, 8]])
    decoder.keep()
    assert.isTrue(decoder.isIdle)
  })
})
