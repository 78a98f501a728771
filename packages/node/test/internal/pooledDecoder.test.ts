import { assert, describe, it } from "@effect/vitest"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { length, validWire, wires, withCuts } from "../../../core/test/support/arbitraries.ts"
import { splitAt } from "../../../core/test/support/bytes.ts"
import { drain, readableDecoding } from "../../../core/test/support/decoding.ts"
import { drainParts, type PartsDecoding } from "../../../core/test/support/parts.ts"
import * as PooledDecoder from "../../src/internal/pooledDecoder.ts"

const maxFrameSize = 66_000

const readableParts = ({ bufferedBytes, failure, parts }: PartsDecoding) => ({
  parts: parts.map((part) => ({ ...part, payload: Buffer.from(part.payload).toString("hex") })),
  failure: failure?.reason,
  bufferedBytes
})

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
          frames: new Array<ReturnType<typeof drain>>()
        }))
        for (let turn = 0; all.some(({ chunks }) => turn < chunks.length); turn++) {
          for (const { chunks, frames, parts, partsAlone, whole } of all) {
            const chunk = chunks[turn]
            if (chunk === undefined) continue
            whole.push(chunk)
            frames.push(drain(whole))
            parts.push(chunk)
            partsAlone.push(chunk)
            assert.deepStrictEqual(readableParts(drainParts(parts)), readableParts(drainParts(partsAlone)))
            assert.strictEqual(parts.isIdle, partsAlone.isIdle)
          }
        }
        for (const { chunks, frames, whole } of all) {
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
