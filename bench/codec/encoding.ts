import { Frame, Opcode } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import { strict as assert } from "node:assert"
import { Duplex } from "node:stream"
import { Sender } from "ws"
import { exactSize, rate, short } from "../report/numbers.ts"
import { inTurn } from "../support/rounds.ts"
import type { Measure } from "./part.ts"

const key = 0x12345678
const sizes = [[32, 10_000], [125, 10_000], [1024, 5_000], [16_384, 1_000]] as const

/** Bytes of frames that go into the stream as one piece, as those of a tick do. */
const pieceBytes = 64 * 1024

/** Frames to bytes, into a stream that drops them: `ws` writes a header and a payload for each, and copies neither. */
export const encoding: Measure = (rounds) =>
  Effect.gen(function*() {
    const rows: Array<ReadonlyArray<string>> = []
    for (const masked of [false, true]) {
      for (const [payloadBytes, frames] of sizes) {
        const payload = Buffer.alloc(payloadBytes, 7)
        const tasks = [inPieces, oneByOne, theirs].map((write) => (sink: Duplex) =>
          write(sink, payload, frames, masked)
        )
        const [first, ...others] = tasks.map(written)
        assert.equal(first!.length, frames * Frame.encodedLength(Frame.make(Opcode.Binary, payload), masked))
        for (const other of others) assert.ok(first!.equals(other))
        if (rounds === 0) continue
        const times = yield* inTurn(rounds, tasks.map((write) => Effect.sync(() => write(dropping()))))
        const [pieces = 0, single = 0, them = 0] = times
        rows.push([
          exactSize(payloadBytes),
          masked ? "masked" : "as it is",
          rate(frames, pieces),
          rate(frames, single),
          rate(frames, them),
          short(them / pieces),
          short(them / single)
        ])
      }
    }
    return {
      title: "Encoding frames, and writing them into a stream",
      header: [
        "payload",
        "",
        "64 KiB a write",
        "a frame a write",
        "`Sender` of `ws`",
        "ratio",
        "ratio, a frame a write"
      ],
      rows
    }
  })

type Write = (sink: Duplex, payload: Uint8Array, frames: number, masked: boolean) => void

const inPieces: Write = (sink, payload, frames, masked) => {
  const frame = Frame.make(Opcode.Binary, payload)
  const length = Frame.encodedLength(frame, masked)
  const framesInPiece = Math.max(1, Math.floor(pieceBytes / length))
  for (let left = frames; left > 0;) {
    const count = Math.min(left, framesInPiece)
    const piece = Buffer.allocUnsafe(count * length)
    for (let i = 0; i < count; i++) Frame.encodeInto(frame, piece, i * length, masked ? key : undefined)
    sink.write(piece)
    left -= count
  }
}

const oneByOne: Write = (sink, payload, frames, masked) => {
  for (let i = 0; i < frames; i++) {
    sink.write(Frame.encode(Frame.make(Opcode.Binary, payload), masked ? key : undefined))
  }
}

const theirs: Write = (sink, payload, frames, masked) => {
  const sender = new Sender(sink, {}, (mask) => Buffer.from(mask.buffer, mask.byteOffset, 4).writeUInt32BE(key))
  for (let i = 0; i < frames; i++) sender.send(payload, { fin: true, binary: true, compress: false, mask: masked })
}

const written = (write: (sink: Duplex) => void): Buffer => {
  const chunks: Array<Uint8Array> = []
  write(sink((chunk) => chunks.push(chunk)))
  return Buffer.concat(chunks)
}

const dropping = (): Duplex => sink(() => {})

const sink = (onChunk: (chunk: Uint8Array) => void): Duplex =>
  new Duplex({
    highWaterMark: 1024 * 1024 * 1024,
    read: () => {},
    write: (chunk, _encoding, callback) => {
      onChunk(chunk)
      callback()
    },
    writev: (chunks, callback) => {
      for (const { chunk } of chunks) onChunk(chunk)
      callback()
    }
  })
