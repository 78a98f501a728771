/**
 * Generators with explicit bounds: left to their default size they would never make a payload of 126 bytes, and the
 * lengths that matter are those where the header changes its form.
 */
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"
import { bigEndian, concat, cutsEvery, noise } from "./bytes.ts"

// Kept, because many have bounds that another generator gave, and are asked for anew with each of its values.
const integers = new Map<string, Arbitrary.Arbitrary<number>>()

export const integer = (minimum: number, maximum: number): Arbitrary.Arbitrary<number> => {
  const bounds = `${minimum} ${maximum}`
  const known = integers.get(bounds)
  if (known !== undefined) return known
  const made = Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum, maximum })))
  integers.set(bounds, made)
  return made
}

export const boolean: Arbitrary.Arbitrary<boolean> = Arbitrary.schema(Schema.Boolean)

export const oneOf = <A>(...choices: ReadonlyArray<Arbitrary.Arbitrary<A>>): Arbitrary.Arbitrary<A> =>
  Arbitrary.flatMap(integer(0, choices.length - 1), (i) => choices[i]!)

export const elementOf = <A>(elements: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(integer(0, elements.length - 1), (i) => elements[i]!)

export const opcodes = [
  Opcode.Continuation,
  Opcode.Text,
  Opcode.Binary,
  Opcode.Close,
  Opcode.Ping,
  Opcode.Pong
] as const

/** Where the header changes its form, and one length that needs 17 bits. */
export const edgeLengths = [0, 1, 124, 125, 126, 127, 128, 65_535, 65_536, 70_000] as const

export const role: Arbitrary.Arbitrary<Role> = elementOf<Role>(["client", "server"])
export const maskingKey = integer(0, 0xffff_ffff)
export const shortLength = integer(0, 300)
export const length = oneOf(elementOf(edgeLengths), shortLength)

/** Limits on both sides of the lengths above. */
export const maxFrameSize = elementOf([0, 10, 125, 126, 1000, 65_535, 65_536, 70_000, Number.MAX_SAFE_INTEGER])

/** Bytes of a connection, as the end that reads them knows them. */
export interface Wire {
  readonly role: Role
  readonly rsv1: boolean
  readonly bytes: Uint8Array
  /** Offsets in the bytes where frames begin, so that cuts and damage find their headers. Never empty. */
  readonly starts: ReadonlyArray<number>
}

/** What a peer that keeps all rules has sent. */
export interface ValidWire extends Wire {
  readonly frames: ReadonlyArray<Frame.Frame>
}

/** A frame that any peer may send; RSV1 only where RFC 7692 has it, and only if `rsv1`. */
const frame = (lengths: Arbitrary.Arbitrary<number>, rsv1: boolean): Arbitrary.Arbitrary<Frame.Frame> =>
  Arbitrary.map(
    Arbitrary.all({ opcode: elementOf(opcodes), fin: boolean, bit: boolean, length: lengths, seed: maskingKey }),
    ({ bit, fin, length, opcode, seed }) =>
      Opcode.isControl(opcode)
        ? Frame.make(opcode, noise(Math.min(length, 125), seed))
        : Frame.make(opcode, noise(length, seed), { fin, rsv1: bit && rsv1 && opcode !== Opcode.Continuation })
  )

export const validWire = (lengths: Arbitrary.Arbitrary<number>): Arbitrary.Arbitrary<ValidWire> =>
  Arbitrary.all({ role, rsv1: boolean }).pipe(
    Arbitrary.flatMap(({ role, rsv1 }) =>
      Arbitrary.map(
        Arbitrary.array(Arbitrary.all([frame(lengths, rsv1), maskingKey]), { minLength: 1, maxLength: 6 }),
        (sent) => ({
          role,
          rsv1,
          frames: sent.map(([frame]) => frame),
          ...inOneArray(sent.map(([frame, key]) => Frame.encode(frame, role === "server" ? key : undefined)))
        })
      )
    )
  )

/** A valid wire with one octet changed: in a header or just behind one, where it hurts, or anywhere. */
export const corruptedWire = (lengths: Arbitrary.Arbitrary<number>): Arbitrary.Arbitrary<Wire> =>
  Arbitrary.flatMap(validWire(lengths), (wire) =>
    Arbitrary.map(
      Arbitrary.all({ at: oneOf(nearStarts(wire, wire.bytes.length - 1), within(wire)), flip: integer(1, 255) }),
      ({ at, flip }) => {
        const bytes = wire.bytes.slice()
        bytes[at]! ^= flip
        return { role: wire.role, rsv1: wire.rsv1, starts: wire.starts, bytes }
      }
    ))

/** Headers put together from fields that are mostly right, so that a wrong one is met deep in the stream, too. */
export const headerSoup: Arbitrary.Arbitrary<Wire> = Arbitrary.flatMap(
  Arbitrary.all({ role, rsv1: boolean }),
  ({ role, rsv1 }) =>
    Arbitrary.map(
      Arbitrary.array(rawFrame(role), { minLength: 1, maxLength: 6 }),
      (pieces) => ({ role, rsv1, ...inOneArray(pieces) })
    )
)

export const arbitraryBytes: Arbitrary.Arbitrary<Wire> = Arbitrary.map(
  Arbitrary.all({ role, rsv1: boolean, length, seed: maskingKey }),
  ({ length, role, rsv1, seed }) => ({ role, rsv1, bytes: noise(length, seed), starts: [0] })
)

/** The wire with positions to cut it at: evenly, anywhere, or inside of headers. */
export const withCuts = <W extends Wire>(wires: Arbitrary.Arbitrary<W>): Arbitrary.Arbitrary<{
  readonly wire: W
  readonly cuts: ReadonlyArray<number>
}> =>
  Arbitrary.flatMap(wires, (wire) => {
    const { length } = wire.bytes
    const cuts = oneOf<ReadonlyArray<number>>(
      Arbitrary.map(integer(1, 20), (size) => cutsEvery(size, length)),
      Arbitrary.array(integer(0, length), { maxLength: 8 }),
      Arbitrary.array(nearStarts(wire, length), { maxLength: 8 })
    )
    return Arbitrary.map(cuts, (cuts) => ({ wire, cuts }))
  })

const within = (wire: Wire): Arbitrary.Arbitrary<number> => integer(0, wire.bytes.length - 1)

// A header has up to 14 bytes.
const nearStarts = (wire: Wire, last: number): Arbitrary.Arbitrary<number> =>
  Arbitrary.map(
    Arbitrary.all([elementOf(wire.starts), integer(0, 14)]),
    ([start, offset]) => Math.min(start + offset, last)
  )

const announcedLengths = [
  ...edgeLengths.map(BigInt),
  255n,
  256n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 1n
]

const rawFrame = (role: Role): Arbitrary.Arbitrary<Uint8Array> =>
  Arbitrary.map(
    Arbitrary.all({
      fin: boolean,
      rsv: oneOf(Arbitrary.Constant(0), Arbitrary.Constant(0), Arbitrary.Constant(4), integer(0, 7)),
      opcode: oneOf<number>(elementOf(opcodes), elementOf(opcodes), elementOf(opcodes), integer(0, 15)),
      maskIsRight: Arbitrary.map(integer(0, 9), (n) => n !== 0),
      shortLength: oneOf(integer(0, 125), Arbitrary.Constant(126), Arbitrary.Constant(127)),
      announced: elementOf(announcedLengths),
      seed: maskingKey
    }),
    ({ announced, fin, maskIsRight, opcode, rsv, seed, shortLength }) => {
      const masked = (role === "server") === maskIsRight
      const extended = shortLength < 126 ? [] : bigEndian(announced, shortLength === 126 ? 2 : 8)
      const payloadLength = shortLength < 126 ? shortLength : Math.min(Number(announced), 300)
      return concat([
        [(fin ? 0x80 : 0) | (rsv << 4) | opcode, (masked ? 0x80 : 0) | shortLength],
        extended,
        noise((masked ? 4 : 0) + payloadLength, seed)
      ])
    }
  )

const inOneArray = (pieces: ReadonlyArray<Uint8Array>): Pick<Wire, "bytes" | "starts"> => {
  let at = 0
  const starts = pieces.map((piece) => (at += piece.length) - piece.length)
  return { bytes: concat(pieces), starts }
}

/** Every kind of stream that the laws are about. */
export const wires: { readonly [kind: string]: Arbitrary.Arbitrary<Wire> } = {
  "valid streams": validWire(length),
  "valid streams with a byte changed": corruptedWire(shortLength),
  "large streams with a byte changed": corruptedWire(length),
  "headers put together from fields": headerSoup,
  "arbitrary bytes": arbitraryBytes
}
