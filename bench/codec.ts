/**
 * What the codec costs, beside `ws`'s own receiver in the same run:
 *
 *     pnpm bench
 *
 * Each contestant first decodes a stream whose frames are checked; then rounds are timed in turn, A B A B, and the median
 * of the rounds is printed. It shows the cost of decoding and nothing of sockets.
 */
import { Frame, FrameDecoder, Opcode } from "@websocket-stream/core"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { strict as assert } from "node:assert"
import { readFileSync } from "node:fs"
import { cpus } from "node:os"
import { Receiver } from "ws"
import { inTurn } from "./support/rounds.ts"

const maxFrameSize = 64 * 1024 * 1024

/** Masked binary frames, in chunks as a socket gives them. */
const stream = (payloadBytes: number, frames: number, chunkBytes: number): ReadonlyArray<Uint8Array> => {
  const one = Frame.encode(Frame.make(Opcode.Binary, new Uint8Array(payloadBytes).fill(7)), 0x12345678)
  const bytes = new Uint8Array(one.length * frames)
  for (let i = 0; i < frames; i++) bytes.set(one, i * one.length)
  const chunks: Array<Uint8Array> = []
  for (let at = 0; at < bytes.length; at += chunkBytes) chunks.push(bytes.slice(at, at + chunkBytes))
  return chunks
}

/** Decodes a fresh copy of the chunks, as a decoder that owns them is given, and answers how many frames there were. */
const ours = (chunks: ReadonlyArray<Uint8Array>, onPayload?: (payload: Uint8Array) => void): number => {
  const decoder = FrameDecoder.make({ role: "server", maxFrameSize, ownsChunks: true })
  let frames = 0
  for (const chunk of chunks) {
    decoder.push(new Uint8Array(chunk))
    for (let next = decoder.next(); Result.isSuccess(next) && next.success !== undefined; next = decoder.next()) {
      frames++
      onPayload?.(next.success.payload)
    }
  }
  return frames
}

const theirs = (chunks: ReadonlyArray<Uint8Array>, onPayload?: (payload: Uint8Array) => void): number => {
  const receiver = new Receiver({ isServer: true, maxPayload: maxFrameSize })
  let frames = 0
  receiver.on("message", (payload: Buffer) => {
    frames++
    onPayload?.(payload)
  })
  for (const chunk of chunks) receiver.write(Buffer.from(chunk))
  return frames
}

const check = (payloadBytes: number) => (payload: Uint8Array) => {
  assert.equal(payload.length, payloadBytes)
  assert.ok(payload.every((byte) => byte === 7))
}

const frameRate = (payloadBytes: number, frames: number) => {
  const chunks = stream(payloadBytes, frames, 64 * 1024)
  assert.equal(ours(chunks, check(payloadBytes)), frames)
  assert.equal(theirs(chunks, check(payloadBytes)), frames)
  const [us, them] = inTurn(21, () => ours(chunks), () => theirs(chunks))
  const rate = (nanoseconds: number) => `${(frames / nanoseconds * 1e3).toFixed(2)} M/s`
  return `| ${payloadBytes} B | ${rate(us)} | ${rate(them)} | ${(them / us).toFixed(2)} |`
}

const largeFrame = () => {
  const [small, large] = [stream(1024 * 1024, 1, 16 * 1024), stream(16 * 1024 * 1024, 1, 16 * 1024)]
  assert.equal(ours(small, check(1024 * 1024)), 1)
  assert.equal(ours(large, check(16 * 1024 * 1024)), 1)
  const [one, sixteen] = inTurn(11, () => ours(small), () => ours(large))
  return `1 MiB ${(one / 1e6).toFixed(2)} ms, 16 MiB ${(sixteen / 1e6).toFixed(2)} ms: ${
    (sixteen / one).toFixed(1)
  } times`
}

const wsVersion = JSON.parse(readFileSync(new URL("node_modules/ws/package.json", import.meta.url), "utf8")).version

const program = Effect.gen(function*() {
  yield* Console.log(`Node ${process.version}, ws ${wsVersion}, ${cpus()[0]?.model}, ${new Date().toISOString()}\n`)
  yield* Console.log("Masked frames decoded in chunks of 64 KiB:\n")
  yield* Console.log("| payload | websocket-stream | ws Receiver | ratio |\n| --- | --- | --- | --- |")
  for (const [payloadBytes, frames] of [[32, 20_000], [125, 20_000], [1024, 5_000], [16_384, 1_000]] as const) {
    yield* Console.log(frameRate(payloadBytes, frames))
  }
  yield* Console.log(`\nOne masked frame in chunks of 16 KiB: ${largeFrame()} (linear is 16).`)
})

Effect.runFork(program)
