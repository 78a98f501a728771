import { assert } from "@effect/vitest"
import type * as Frame from "@websocket-stream/core/Frame"
import type * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import * as Result from "effect/Result"
import { concat } from "./bytes.ts"

export interface PartsDecoding {
  readonly parts: ReadonlyArray<FrameDecoder.FramePart>
  readonly failure: ProtocolError.ProtocolError | undefined
  readonly bufferedBytes: number
}

/** All parts that there are now, then the failure if there is one. */
export const drainParts = (decoder: FrameDecoder.FrameDecoder): PartsDecoding => {
  const parts: Array<FrameDecoder.FramePart> = []
  while (true) {
    const next = decoder.nextPart()
    if (Result.isFailure(next)) return { parts, failure: next.failure, bufferedBytes: decoder.bufferedBytes }
    if (next.success === undefined) return { parts, failure: undefined, bufferedBytes: decoder.bufferedBytes }
    parts.push(next.success)
  }
}

/** All parts that the chunks have, each chunk read to its end before the next comes. */
export const decodeParts = (
  chunks: ReadonlyArray<Uint8Array>,
  decoder: FrameDecoder.FrameDecoder
): PartsDecoding => {
  const parts: Array<FrameDecoder.FramePart> = []
  let failure: ProtocolError.ProtocolError | undefined
  for (const chunk of chunks) {
    decoder.push(chunk)
    const decoding = drainParts(decoder)
    parts.push(...decoding.parts)
    failure = decoding.failure
  }
  return { parts, failure, bufferedBytes: decoder.bufferedBytes }
}

/**
 * The whole frames that parts join to, and how much there is of one that is not whole. Asserts what parts promise: they
 * follow each other, they say the same of their frame, none is empty but a first one, control frames are not cut.
 */
export const joinParts = (parts: ReadonlyArray<FrameDecoder.FramePart>): {
  readonly frames: ReadonlyArray<Frame.Frame>
  readonly unfinished: { readonly frameLength: number; readonly arrived: number } | undefined
} => {
  const frames: Array<Frame.Frame> = []
  let begun: Array<FrameDecoder.FramePart> = []
  let arrived = 0
  for (const part of parts) {
    const { fin, last, opcode, payload, rsv1 } = part
    begun.push(part)
    arrived += payload.length
    // Sparing with assertions: a frame of 70,000 bytes may come in as many parts.
    const wrong = whatIsWrong(part, begun[0]!, arrived)
    if (wrong !== undefined) assert.fail(`${wrong}: ${JSON.stringify({ ...part, payload: payload.length })}`)
    if (last) {
      frames.push({ opcode, fin, rsv1, payload: concat(begun.map(({ payload }) => payload)) })
      begun = []
      arrived = 0
    }
  }
  const [first] = begun
  return { frames, unfinished: first === undefined ? undefined : { frameLength: first.frameLength, arrived } }
}

const whatIsWrong = (
  part: FrameDecoder.FramePart,
  begin: FrameDecoder.FramePart,
  arrived: number
): string | undefined => {
  if (part.first !== (part === begin)) return "first is wrong"
  if (part.last !== (arrived === part.frameLength)) return "last is wrong"
  if (!part.first && part.payload.length === 0) return "it brings nothing"
  if (Opcode.isControl(part.opcode) && !(part.first && part.last)) return "a control frame is cut"
  const { fin, frameLength, opcode, rsv1 } = begin
  return part.fin === fin && part.rsv1 === rsv1 && part.opcode === opcode && part.frameLength === frameLength
    ? undefined
    : "it is of another frame"
}
