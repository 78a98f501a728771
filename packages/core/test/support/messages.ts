/** Messages in fragments, frames in parts and texts that are nearly right, as peers and networks make them. */
import * as Frame from "@websocket-stream/core/Frame"
import type * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Arbitrary from "effect/Arbitrary"
import { elementOf, integer, maskingKey, oneOf } from "./arbitraries.ts"
import { concat, noise, splitAt } from "./bytes.ts"

export type DataOpcode = typeof Opcode.Text | typeof Opcode.Binary

export const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A list of any length between the two: left to its default size, an array stays near ten. */
export const listOf = <A>(item: Arbitrary.Arbitrary<A>, minimum: number, maximum: number) =>
  Arbitrary.flatMap(
    integer(minimum, maximum),
    (length) => Arbitrary.array(item, { minLength: length, maxLength: length })
  )

/** The first and the last character of each length in UTF-8, on both sides of the surrogates, and some in between. */
export const characters: ReadonlyArray<string> = [
  0x00,
  0x61,
  0x7f,
  0x80,
  0xe9,
  0x7ff,
  0x800,
  0x20ac,
  0xd7ff,
  0xe000,
  0xfeff,
  0xfffd,
  0xffff,
  0x1_0000,
  0x1_f600,
  0x10_ffff
].map((code) => String.fromCodePoint(code))

/** What is no UTF-8: lone and missing tails, overlong forms, surrogates, what is above U+10FFFF. */
export const invalidSequences: ReadonlyArray<ReadonlyArray<number>> = [
  [0x80],
  [0xbf],
  [0xc2, 0x41],
  [0xe2, 0x82, 0x41],
  [0xf0, 0x9f, 0x98, 0x41],
  [0xc0, 0x80],
  [0xc1, 0xbf],
  [0xe0, 0x80, 0x80],
  [0xe0, 0x9f, 0xbf],
  [0xf0, 0x80, 0x80, 0x80],
  [0xf0, 0x8f, 0xbf, 0xbf],
  [0xed, 0xa0, 0x80],
  [0xed, 0xbf, 0xbf],
  [0xf4, 0x90, 0x80, 0x80],
  [0xf5, 0x80, 0x80, 0x80],
  [0xf8, 0x88, 0x80, 0x80, 0x80],
  [0xfe],
  [0xff]
]

const ascii = Arbitrary.map(integer(0, 150), (length) => "a".repeat(length))

/** Texts of any characters, with runs of ASCII that are long enough for words to be read. */
export const text: Arbitrary.Arbitrary<string> = Arbitrary.map(
  listOf(oneOf(elementOf(characters), elementOf(characters), elementOf(characters), ascii), 0, 20),
  (pieces) => pieces.join("")
)

/** Bytes that are a text but for a character that is cut, doubled or forbidden somewhere. */
export const nearlyText: Arbitrary.Arbitrary<Uint8Array> = Arbitrary.map(
  listOf(
    oneOf<Uint8Array>(
      Arbitrary.map(text, utf8),
      Arbitrary.map(
        Arbitrary.all([elementOf(characters), integer(1, 4)]),
        ([character, length]) => utf8(character).subarray(0, length)
      ),
      Arbitrary.map(elementOf(invalidSequences), (bytes) => Uint8Array.from(bytes)),
      Arbitrary.map(Arbitrary.all([integer(0, 3), maskingKey]), ([length, seed]) => noise(length, seed))
    ),
    0,
    4
  ),
  concat
)

/** The opcode and the bytes of a message that any peer may send. */
export const message = oneOf<{ readonly opcode: DataOpcode; readonly payload: Uint8Array }>(
  Arbitrary.map(text, (text) => ({ opcode: Opcode.Text, payload: utf8(text) })),
  Arbitrary.map(
    Arbitrary.all([oneOf(integer(0, 300), elementOf([4095, 4096, 4097, 10_000])), maskingKey]),
    ([length, seed]) => ({ opcode: Opcode.Binary, payload: noise(length, seed) })
  )
)

/** Positions to cut bytes at; two equal ones leave nothing between them. */
export const cutsOf = (bytes: Uint8Array, most: number): Arbitrary.Arbitrary<ReadonlyArray<number>> =>
  listOf(integer(0, bytes.length), 0, most)

/** The frames of a message that is cut there: an empty fragment where two cuts are equal. */
export const fragment = (
  opcode: DataOpcode,
  payload: Uint8Array,
  cuts: ReadonlyArray<number>,
  rsv1 = false
): ReadonlyArray<Frame.Frame> =>
  splitAt(payload, cuts).map((piece, i) =>
    Frame.make(i === 0 ? opcode : Opcode.Continuation, piece, { fin: i === cuts.length, rsv1: rsv1 && i === 0 })
  )

/** The frame in one part. */
export const wholePart = (frame: Frame.Frame): FrameDecoder.FramePart => ({
  ...frame,
  first: true,
  last: true,
  frameLength: frame.payload.length,
  lent: false
})

/** The frame in parts, as it is seen if the network cuts it there; a cut at 0 shows the header first. */
export const partsOf = (frame: Frame.Frame, cuts: ReadonlyArray<number>): ReadonlyArray<FrameDecoder.FramePart> =>
  splitAt(frame.payload, cuts)
    .filter((piece, i) => i === 0 || piece.length > 0)
    .map((payload, i, pieces) => ({
      ...frame,
      payload,
      first: i === 0,
      last: i === pieces.length - 1,
      frameLength: frame.payload.length,
      lent: false
    }))

/** What shows a frame's header and nothing of its payload. */
export const headerOf = (
  opcode: Opcode.Opcode,
  frameLength: number,
  options?: { readonly fin?: boolean; readonly rsv1?: boolean }
): FrameDecoder.FramePart => ({
  ...Frame.make(opcode, new Uint8Array(0), options),
  first: true,
  last: frameLength === 0,
  frameLength,
  lent: false
})
