/** Streams of frames for two decoders to disagree on: messages in fragments with control frames between, then damage. */
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import { boolean, elementOf, integer, oneOf, role } from "../../packages/core/test/support/arbitraries.ts"
import { noise, splitAt } from "../../packages/core/test/support/bytes.ts"
import * as Raw from "./rawFrames.ts"

export interface WireStream {
  readonly role: Role
  readonly chunks: ReadonlyArray<Uint8Array>
}

const bytesOf = (pieces: ReadonlyArray<string | ReadonlyArray<number>>): Buffer =>
  Buffer.concat(pieces.map((piece) => (typeof piece === "string" ? Buffer.from(piece) : Buffer.from(piece))))

// Mostly text, in pieces that fragments will cut.
const textPiece = elementOf(["", "a", "Hello", "\u00e4", "\u20ac", "\u{1f30d}", "x".repeat(120), "\ufeff"])
const noText: Arbitrary.Arbitrary<ReadonlyArray<number>> = elementOf([
  [0xff],
  [0xc3],
  [0xed, 0xa0, 0x80],
  [0xc0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0xe2, 0x82]
])
const seldom = <A>(usual: Arbitrary.Arbitrary<A>, rare: Arbitrary.Arbitrary<A>): Arbitrary.Arbitrary<A> =>
  oneOf(...Array.from({ length: 11 }, () => usual), rare)

const text: Arbitrary.Arbitrary<Buffer> = Arbitrary.map(
  Arbitrary.array(seldom<string | ReadonlyArray<number>>(textPiece, noText), { maxLength: 6 }),
  bytesOf
)
const binary: Arbitrary.Arbitrary<Buffer> = Arbitrary.map(
  Arbitrary.all([oneOf(integer(0, 300), elementOf([125, 126, 65_535, 65_536])), integer(1, 0xffff)]),
  ([length, seed]) => Buffer.from(noise(length, seed))
)

const control: Arbitrary.Arbitrary<Raw.Shape> = Arbitrary.map(
  Arbitrary.all({
    opcode: elementOf([Raw.ping, Raw.pong]),
    length: elementOf([0, 1, 5, 125]),
    seed: integer(1, 0xffff)
  }),
  ({ length, opcode, seed }) => ({ opcode, payload: noise(length, seed) })
)

const closeFrame: Arbitrary.Arbitrary<Raw.Shape> = Arbitrary.map(
  Arbitrary.all({
    code: elementOf([1000, 1001, 1003, 1011, 1014, 3000, 4999, 0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000]),
    reason: text,
    form: elementOf(["body", "body", "nothing", "a byte"] as const)
  }),
  ({ code, form, reason }) => ({
    opcode: Raw.close,
    payload: form === "body" ? Raw.closeBody(code, reason).subarray(0, 125) : Buffer.alloc(form === "nothing" ? 0 : 1)
  })
)

const message: Arbitrary.Arbitrary<ReadonlyArray<Raw.Shape>> = Arbitrary.flatMap(
  oneOf(
    Arbitrary.map(text, (payload) => ({ opcode: Raw.text, payload })),
    Arbitrary.map(binary, (payload) => ({ opcode: Raw.binary, payload }))
  ),
  ({ opcode, payload }) =>
    Arbitrary.map(
      Arbitrary.all({
        cuts: Arbitrary.array(integer(0, payload.length), { maxLength: 4 }),
        controls: Arbitrary.array(Arbitrary.array(control, { maxLength: 1 }), { minLength: 5, maxLength: 5 })
      }),
      ({ controls, cuts }) => {
        const pieces = splitAt(payload, cuts)
        return pieces.flatMap((piece, i): ReadonlyArray<Raw.Shape> => [
          { opcode: i === 0 ? opcode : Raw.continuation, payload: piece, fin: i === pieces.length - 1 },
          ...(controls[i] ?? [])
        ])
      }
    )
)

/** Anything that a header can say. */
const odd: Arbitrary.Arbitrary<Raw.Shape> = Arbitrary.map(
  Arbitrary.all({
    opcode: integer(0, 15),
    fin: boolean,
    rsv: elementOf([0, 0, 0, 1, 2, 4]),
    masked: elementOf([undefined, undefined, undefined, true, false]),
    lengthBytes: elementOf([undefined, undefined, 0, 2, 8] as const),
    announced: elementOf([undefined, undefined, 0n, 126n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n])
  }),
  ({ announced, fin, lengthBytes, masked, opcode, rsv }): Raw.Shape => {
    const length = announced ?? 3n
    const fits = lengthBytes === 8 || (lengthBytes === 2 && length < 65_536n) || (lengthBytes === 0 && length < 126n)
    return {
      opcode,
      fin,
      rsv,
      payload: "odd",
      ...(masked === undefined ? {} : { masked }),
      ...(fits ? { lengthBytes } : {}),
      ...(announced === undefined ? {} : { announced })
    }
  }
)

const one = <A>(frame: Arbitrary.Arbitrary<A>): Arbitrary.Arbitrary<ReadonlyArray<A>> =>
  Arbitrary.map(frame, (frame) => [frame])

const frames: Arbitrary.Arbitrary<ReadonlyArray<Raw.Shape>> = Arbitrary.map(
  Arbitrary.all([
    Arbitrary.array(oneOf(message, message, message, one(control)), { minLength: 1, maxLength: 6 }),
    oneOf<ReadonlyArray<ReadonlyArray<Raw.Shape>>>(Arbitrary.Constant([]), one(one(closeFrame)))
  ]),
  (parts) => parts.flat(2)
)

const swapped = <A>(items: ReadonlyArray<A>, i: number, j: number): ReadonlyArray<A> =>
  items.map((item, k) => (k === i ? items[j]! : k === j ? items[i]! : item))

/** Frames left out, doubled, exchanged or replaced by an odd one. */
const disordered: Arbitrary.Arbitrary<ReadonlyArray<Raw.Shape>> = Arbitrary.flatMap(frames, (frames) =>
  Arbitrary.map(
    Arbitrary.all({
      how: integer(0, 3),
      i: integer(0, frames.length - 1),
      j: integer(0, frames.length - 1),
      odd
    }),
    ({ how, i, j, odd }) => {
      if (how === 0) return frames.toSpliced(i, 1)
      if (how === 1) return frames.toSpliced(j, 0, frames[i]!)
      return how === 2 ? swapped(frames, i, j) : frames.toSpliced(i, 1, odd)
    }
  ))

const encoded = (shapes: Arbitrary.Arbitrary<ReadonlyArray<Raw.Shape>>) =>
  Arbitrary.map(Arbitrary.all({ role, shapes }), ({ role, shapes }) => ({
    role,
    bytes: Buffer.concat(shapes.map((shape) => Raw.encode(shape, role === "server")))
  }))

const chunked = (wires: Arbitrary.Arbitrary<{ readonly role: Role; readonly bytes: Uint8Array }>) =>
  Arbitrary.flatMap(
    wires,
    ({ bytes, role }) =>
      Arbitrary.map(Arbitrary.array(integer(0, bytes.length), { maxLength: 6 }), (cuts): WireStream => ({
        role,
        chunks: splitAt(bytes, cuts)
      }))
  )

/** A byte changed, mostly near the beginning, where there is a header; or the end cut off. */
const damaged = Arbitrary.flatMap(encoded(frames), ({ bytes, role }) =>
  Arbitrary.map(
    Arbitrary.all({
      at: oneOf(integer(0, bytes.length - 1), integer(0, Math.min(200, bytes.length - 1))),
      flip: integer(1, 255),
      isCut: boolean
    }),
    ({ at, flip, isCut }) => {
      const copy = Buffer.from(isCut ? bytes.subarray(0, at) : bytes)
      if (!isCut) copy[at]! ^= flip
      return { role, bytes: copy }
    }
  ))

export const kinds: { readonly [kind: string]: Arbitrary.Arbitrary<WireStream> } = {
  "valid frames": chunked(encoded(frames)),
  "frames out of order": chunked(encoded(disordered)),
  "a byte changed or the end cut off": chunked(damaged)
}
