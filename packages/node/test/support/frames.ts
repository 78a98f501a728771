/** Frames and their bytes, as a peer would send and read them. */
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Arr from "effect/Array"
import { elementOf, integer, oneOf } from "../../../core/test/support/arbitraries.ts"
import { concat, noise } from "../../../core/test/support/bytes.ts"
import { encodeFor } from "../../../core/test/support/decoding.ts"

export const text = (payload: string): Frame.Frame => Frame.make(Opcode.Text, new TextEncoder().encode(payload))

/** A Close frame, of bytes that are written down here and not by what is tested. */
export const closeFrame = (code: number, reason = ""): Frame.Frame =>
  Frame.make(Opcode.Close, Uint8Array.of(code >> 8, code, ...Buffer.from(reason)))

/** The payload of a frame or a message, as text. */
export const asText = ({ payload }: { readonly payload: Uint8Array }): string => new TextDecoder().decode(payload)

/** The bytes that a peer sends to us, who are `role`. A peer that is a client masks, always with the same key. */
export const encode = (role: Role, ...frames: ReadonlyArray<Frame.Frame>): Uint8Array =>
  concat(frames.map((frame) => encodeFor(role, frame)))

/** The frames in bytes that we, who are `role`, have sent. Throws unless they are whole frames that a peer would take. */
export const decode = (role: Role, bytes: Uint8Array, rsv1 = false): ReadonlyArray<Frame.Frame> => {
  const peer = role === "server" ? "client" : "server"
  const { bufferedBytes, failure, frames } = FrameDecoder.decodeAll([bytes], {
    role: peer,
    maxFrameSize: Number.MAX_SAFE_INTEGER,
    rsv1
  })
  if (failure !== undefined) throw failure
  if (bufferedBytes > 0) throw new Error(`${bufferedBytes} bytes of a frame that is not whole`)
  return frames
}

/** Frames that differ from each other: the first two bytes of each payload are its number. */
export const numbered = (count: number, length: number): Arr.NonEmptyArray<Frame.Frame> =>
  Arr.makeBy(count, (i) => {
    const payload = noise(Math.max(2, length), i + 1)
    payload[0] = i >> 8
    payload[1] = i
    return Frame.make(Opcode.Binary, payload)
  })

/** A few frames that any peer may send, each of another length; the lengths reach where the header changes its form. */
export const few: Arbitrary.Arbitrary<ReadonlyArray<Frame.Frame>> = Arbitrary.array(
  Arbitrary.map(
    Arbitrary.all([
      elementOf([Opcode.Text, Opcode.Binary, Opcode.Ping, Opcode.Close] as const),
      oneOf(integer(0, 20), elementOf([125, 126, 127]))
    ]),
    ([opcode, length]) =>
      Frame.make(opcode, noise(Opcode.isControl(opcode) ? Math.min(length, 125) : length, length + 1))
  ),
  { minLength: 1, maxLength: 6 }
)
