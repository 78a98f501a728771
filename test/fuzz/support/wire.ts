/** Bytes of a peer: frames that are right or wrong in any of their fields, damaged, and cut into chunks. */
import type { Role } from "@websocket-stream/core/Role"
import { concat, noise } from "../../../packages/core/test/support/bytes.ts"
import * as Raw from "../../support/rawFrames.ts"
import * as Generator from "../generator.ts"

export type Payload =
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }
  | { readonly _tag: "Text"; readonly text: string }
  | { readonly _tag: "Noise"; readonly length: number; readonly seed: number }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }

export const payload: Generator.Generator<Payload> = Generator.tagged<Payload>({
  Bytes: Generator.struct({ _tag: Generator.choice(["Bytes"] as const), bytes: Generator.bytes(40) }),
  Text: Generator.struct({
    _tag: Generator.choice(["Text"] as const),
    text: Generator.string(["a", "é", "€", "😀", "\u{10ffff}", "a".repeat(40), "ÿ".repeat(70)], 8)
  }),
  Noise: Generator.struct({
    _tag: Generator.choice(["Noise"] as const),
    length: Generator.integer(0, 70_000, [
      0,
      1,
      2,
      3,
      63,
      64,
      125,
      126,
      127,
      128,
      255,
      256,
      300,
      511,
      512,
      4096,
      65_535,
      65_536
    ]),
    seed: Generator.integer(0, 3)
  }),
  Close: Generator.struct({
    _tag: Generator.choice(["Close"] as const),
    code: Generator.integer(0, 65_535, [
      0,
      999,
      1000,
      1001,
      1004,
      1005,
      1006,
      1011,
      1014,
      1015,
      2999,
      3000,
      4999,
      5000
    ]),
    reason: Generator.string(["a", "é", "\ufeff", "a".repeat(41)], 4)
  })
})

export const payloadBytes = (payload: Payload): Uint8Array => {
  switch (payload._tag) {
    case "Bytes":
      return payload.bytes
    case "Text":
      return Buffer.from(payload.text)
    case "Noise":
      return noise(payload.length, payload.seed)
    case "Close":
      return Raw.closeBody(payload.code, payload.reason)
  }
}

export type Piece =
  /** A frame that breaks no rule, in its place. */
  | { readonly _tag: "Valid"; readonly opcode: number; readonly fin: boolean; readonly payload: Payload }
  | { readonly _tag: "Raw"; readonly bytes: Uint8Array }
  | {
    readonly _tag: "Frame"
    readonly opcode: number
    readonly fin: boolean
    readonly rsv: number
    readonly payload: Payload
    readonly wrongMask: boolean
    readonly lengthBytes?: 0 | 2 | 8 | undefined
    readonly announced?: bigint | undefined
  }

const mostly = <A>(usual: A, others: ReadonlyArray<A>): Generator.Generator<A> =>
  Generator.choice([...Array.from({ length: others.length * 4 }, () => usual), ...others])

export const piece: Generator.Generator<Piece> = Generator.tagged<Piece>({
  Valid: Generator.struct({
    _tag: Generator.choice(["Valid"] as const),
    opcode: Generator.choice([1, 2, 0, 9, 10, 1, 2, 0, 9, 0, 8]),
    fin: Generator.boolean,
    payload
  }),
  Frame: Generator.struct<Extract<Piece, { readonly _tag: "Frame" }>>({
    _tag: Generator.choice(["Frame"]),
    opcode: Generator.choice([1, 2, 0, 0, 0, 8, 9, 10, 1, 2, 9, 3, 7, 11, 15]),
    fin: Generator.choice([true, false]),
    rsv: mostly(0, [4, 4, 1, 2, 7]),
    payload,
    wrongMask: mostly(false, [true]),
    lengthBytes: mostly<0 | 2 | 8 | undefined>(undefined, [0, 2, 8]),
    announced: mostly<bigint | undefined>(undefined, [
      0n,
      126n,
      65_535n,
      65_536n,
      2n ** 31n,
      2n ** 32n,
      2n ** 53n - 1n,
      2n ** 53n,
      2n ** 63n - 1n,
      2n ** 63n,
      2n ** 64n - 1n
    ])
  }),
  Raw: Generator.struct({ _tag: Generator.choice(["Raw"] as const), bytes: Generator.bytes(30) })
})

/** Offsets are counted from the beginning of a piece, so that they find its header whatever comes before. */
interface Position {
  readonly piece: number
  readonly offset: number
}

export interface Wire {
  readonly pieces: ReadonlyArray<Piece>
  readonly damage: ReadonlyArray<Position & { readonly flip: number }>
  readonly cuts: ReadonlyArray<Position>
  /** How many bytes are missing at the end. */
  readonly missing: number
}

const position = {
  piece: Generator.integer(0, 8),
  offset: Generator.integer(0, 70_000, [0, 1, 2, 3, 4, 6, 8, 10, 14, 20])
}

export const wire: Generator.Generator<Wire> = Generator.struct({
  pieces: Generator.list(piece, 8),
  damage: Generator.list(Generator.struct({ ...position, flip: Generator.integer(1, 255, [1, 0x80, 0x40]) }), 2),
  cuts: Generator.list(Generator.struct(position), 6),
  missing: Generator.integer(0, 20, [0])
})

/** The bytes of a wire and where it is cut, for the end that is to read them. */
export const encode = (
  { cuts, damage, missing, pieces }: Wire,
  reader: Role
): { readonly bytes: Uint8Array; readonly cuts: ReadonlyArray<number> } => {
  const encoded = pieces.map((piece) => encodePiece(piece, reader === "server"))
  const starts = encoded.map((_, i) => concat(encoded.slice(0, i)).length)
  const bytes = concat(encoded)
  const at = ({ offset, piece }: Position): number =>
    starts.length === 0 ? 0 : Math.min(bytes.length, starts[piece % starts.length]! + offset)
  // A flip behind the end is none.
  for (const one of damage) if (at(one) < bytes.length) bytes[at(one)]! ^= one.flip
  const length = Math.max(0, bytes.length - missing)
  return { bytes: bytes.slice(0, length), cuts: cuts.map((cut) => Math.min(length, at(cut))) }
}

const encodePiece = (piece: Piece, masks: boolean): Uint8Array => {
  if (piece._tag === "Raw") return piece.bytes
  if (piece._tag === "Valid") {
    const isControl = piece.opcode >= 8
    const payload = payloadBytes(piece.payload)
    return Raw.encode({
      opcode: piece.opcode,
      fin: piece.fin || isControl,
      payload: isControl ? payload.subarray(0, 125) : payload
    }, masks)
  }
  const { fin, lengthBytes, opcode, rsv, wrongMask } = piece
  const payload = payloadBytes(piece.payload)
  // As much of the length as there is room for.
  const announced = (piece.announced ?? BigInt(payload.length)) %
    (lengthBytes === 0 ? 126n : lengthBytes === 2 ? 65_536n : 2n ** 64n)
  const lengthOption = lengthBytes === undefined ? {} : { lengthBytes }
  return Raw.encode({ opcode, fin, rsv, payload, announced, ...lengthOption }, masks !== wrongMask)
}
