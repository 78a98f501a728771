/** What decoders are fed with, and the two of them. */
import { Frame, FrameDecoder, Opcode } from "@websocket-stream/core"
import * as Result from "effect/Result"
import { strict as assert } from "node:assert"
import { Receiver } from "ws"
// The package keeps it to itself, and it is half of what a large frame costs.
import { allocate as packaged } from "../../packages/node/src/internal/allocate.ts"

const maxFrameSize = 64 * 1024 * 1024

/** Masked binary frames, in chunks as a socket gives them. */
export const stream = (payloadBytes: number, frames: number, chunkBytes: number): ReadonlyArray<Uint8Array> => {
  const one = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(payloadBytes).fill(7)), 0x12345678)
  const bytes = new Uint8Array(one.length * frames)
  for (let i = 0; i < frames; i++) bytes.set(one, i * one.length)
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.slice(at, at + chunkBytes))
  return chunks
}

type Decode = (chunks: ReadonlyArray<Uint8Array>, onPayload?: (payload: Uint8Array) => void) => number

/** Decodes a fresh copy of the chunks, as a decoder that owns them is given, and answers how many frames there were. */
export const ours: Decode = (chunks, onPayload) => {
  const decoder = FrameDecoder.make({ role: "server", maxFrameSize, ownsChunks: true, allocate })
  let frames = 0
  for (const chunk of chunks) {
    decoder.push(new Uint8Array(chunk))
    frames += take(decoder, onPayload)
  }
  return frames
}

// Not zeroed first, as `ws` has it. The Node package's own would have the garbage of the other collected, too.
const allocate = (length: number): Uint8Array => new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)

/** The same as the Node package does it: all chunks are read into the same memory, and payloads have memory as it gives it. */
export const oursAsRead: Decode = (chunks, onPayload) => {
  const decoder = FrameDecoder.make({ role: "server", maxFrameSize, ownsChunks: true, allocate: packaged })
  let frames = 0
  for (const chunk of chunks) {
    memory.set(chunk)
    decoder.push(new Uint8Array(memory.buffer, 0, chunk.length), true)
    frames += take(decoder, onPayload)
    decoder.keep()
  }
  return frames
}

const memory = new Uint8Array(64 * 1024)

// As a `Websocket` takes them: the quick way first, and the long one for what it leaves.
const take = (decoder: FrameDecoder.FrameDecoder, onPayload?: (payload: Uint8Array) => void): number => {
  for (let frames = 0;; frames++) {
    const frame = decoder.nextUsual() ?? Result.getOrThrow(decoder.next())
    if (frame === undefined) return frames
    onPayload?.(frame.payload)
  }
}

/** The same by the receiver of `ws`. */
export const theirs: Decode = (chunks, onPayload) => {
  const receiver = new Receiver({ isServer: true, maxPayload: maxFrameSize })
  let frames = 0
  receiver.on("message", (payload: Buffer) => {
    frames++
    onPayload?.(payload)
  })
  for (const chunk of chunks) receiver.write(Buffer.from(chunk))
  return frames
}

/** All find the frames that are there. */
export const check = (chunks: ReadonlyArray<Uint8Array>, payloadBytes: number, frames: number): void => {
  const expected = Buffer.alloc(payloadBytes, 7)
  const checkPayload = (payload: Uint8Array) => assert.ok(expected.equals(payload))
  for (const decode of [ours, oursAsRead, theirs]) assert.equal(decode(chunks, checkPayload), frames)
}
