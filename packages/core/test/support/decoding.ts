import * as Frame from "@websocket-stream/core/Frame"
import type * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"

export type Decoding = ReturnType<typeof FrameDecoder.decodeAll>

/** What the peer of the given role sends: masked if we are a server. */
export const encodeFor = (role: Role, frame: Frame.Frame): Uint8Array =>
  Frame.encode(frame, role === "server" ? 0x37fa213d : undefined)

/** The next frame, or `undefined` while there is none. A failure fails the test. */
export const next = (decoder: FrameDecoder.FrameDecoder): Frame.Frame | undefined => Result.getOrThrow(decoder.next())

/** The failure of a decoder that must have failed. */
export const nextFailure = (decoder: FrameDecoder.FrameDecoder): ProtocolError.ProtocolError =>
  Result.getOrThrow(Result.flip(decoder.next()))

/** All frames that there are now, then the failure if there is one. */
export const drain = (decoder: FrameDecoder.FrameDecoder): Decoding => {
  const frames: Array<Frame.Frame> = []
  while (true) {
    const next = decoder.next()
    if (Result.isFailure(next)) return { frames, failure: next.failure, bufferedBytes: decoder.bufferedBytes }
    if (next.success === undefined) return { frames, failure: undefined, bufferedBytes: decoder.bufferedBytes }
    frames.push(next.success)
  }
}

/**
 * Frames to compare, with a line of text for each payload: equal for the same class and the same bytes only (chai takes a
 * `Buffer` for a `Uint8Array`), quick to compare, and short where a test fails.
 */
export const readable = (frames: ReadonlyArray<Frame.Frame>) =>
  frames.map(({ fin, opcode, payload, rsv1, ...others }) => ({
    opcode,
    fin,
    rsv1,
    payload: `${payload.constructor.name} of ${payload.length}: ${contents(payload)}`,
    ...others
  }))

/** A decoding to compare: the frames, then the failure's reason or none, and the bytes that wait for more. */
export const readableDecoding = ({ bufferedBytes, failure, frames }: Decoding) => ({
  frames: readable(frames),
  failure: failure?.reason,
  bufferedBytes
})

/** The same for a stream without a failure and without an unfinished frame. */
export const wholeFrames = (frames: ReadonlyArray<Frame.Frame>) =>
  readableDecoding({ frames, failure: undefined, bufferedBytes: 0 })

const contents = (payload: Uint8Array): string =>
  payload.length <= 32 ? Buffer.from(payload).toString("hex") : createHash("sha1").update(payload).digest("hex")
