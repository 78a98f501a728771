/**
 * RFC 6455 section 5.2 read literally: the whole of the bytes, field by field, every rule looked at again for every byte.
 * What the decoder does is measured against it.
 */
import type { Frame } from "@websocket-stream/core/Frame"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"

const opcodes = [0, 1, 2, 8, 9, 10] as const

type Rule = ProtocolError.Reason["_tag"]

export interface Options {
  readonly role: Role
  readonly rsv1: boolean
  readonly maxFrameSize: number
}

export interface Decoded {
  readonly frames: ReadonlyArray<Frame>
  /** The rules that the stream breaks, more than one where one byte breaks several; empty if it breaks none. */
  readonly broken: ReadonlyArray<Rule>
  /** Offset of the byte that decides it. */
  readonly brokenAt: number | undefined
  /** The least that the header up to that byte announces. */
  readonly announcedAtLeast: bigint
  /** How many bytes behind the last whole frame wait for more. */
  readonly rest: number
}

export const decode = (bytes: Uint8Array, options: Options): Decoded => {
  const frames: Array<Frame> = []
  let at = 0
  while (true) {
    for (let known = 1; known <= Math.min(14, bytes.length - at); known++) {
      const header = readHeader(bytes.slice(at, at + known))
      const broken = brokenRules(header, options)
      if (broken.length > 0) {
        return { frames, broken, brokenAt: at + known - 1, announcedAtLeast: header.atLeast, rest: 0 }
      }
      if (header.size === known) break
    }
    const header = readHeader(bytes.slice(at, at + 14))
    const end = at + header.size + Number(header.atLeast)
    if (header.known < header.size || end > bytes.length) {
      return { frames, broken: [], brokenAt: undefined, announcedAtLeast: 0n, rest: bytes.length - at }
    }
    const payload = new Uint8Array(end - at - header.size)
    for (let i = 0; i < payload.length; i++) {
      // "transformed-octet-i = original-octet-i XOR masking-key-octet-j", j = i MOD 4
      const octet = bytes[at + header.size + i]!
      payload[i] = header.mask === 1 ? octet ^ bytes[at + header.size - 4 + (i % 4)]! : octet
    }
    const opcode = opcodes.find((opcode) => opcode === header.opcode)!
    frames.push({ opcode, fin: header.fin === 1, rsv1: header.rsv1 === 1, payload })
    at = end
  }
}

interface Header {
  /** How many bytes of it there are, and how many there will be as far as one can tell. */
  readonly known: number
  readonly size: number
  readonly fin: number
  readonly rsv1: number
  readonly rsv2: number
  readonly rsv3: number
  readonly opcode: number
  readonly mask: number | undefined
  readonly payloadLen: number | undefined
  /** The most significant bit of a 64-bit length. */
  readonly topBit: number | undefined
  /** The length announced, with all unknown bits clear, and with all of them set. */
  readonly atLeast: bigint
  readonly atMost: bigint
}

const readHeader = (bytes: Uint8Array): Header => {
  const bit = (i: number): number | undefined => {
    const octet = bytes[Math.floor(i / 8)]
    return octet === undefined ? undefined : Math.floor(octet / 2 ** (7 - (i % 8))) % 2
  }
  const field = (start: number, count: number, unknown: number): bigint => {
    let value = 0n
    for (let i = start; i < start + count; i++) value = value * 2n + BigInt(bit(i) ?? unknown)
    return value
  }
  const mask = bit(8)
  const payloadLen = mask === undefined ? undefined : Number(field(9, 7, 0))
  const extendedBits = payloadLen === 126 ? 16 : payloadLen === 127 ? 64 : 0
  const length = (unknown: number): bigint =>
    extendedBits === 0 ? field(9, 7, unknown) : field(16, extendedBits, unknown)
  return {
    known: bytes.length,
    size: 2 + extendedBits / 8 + (mask === 1 ? 4 : 0),
    fin: bit(0) ?? 0,
    rsv1: bit(1) ?? 0,
    rsv2: bit(2) ?? 0,
    rsv3: bit(3) ?? 0,
    opcode: Number(field(4, 4, 0)),
    mask,
    payloadLen,
    topBit: extendedBits === 64 ? bit(16) : undefined,
    atLeast: length(0),
    atMost: length(1)
  }
}

const brokenRules = (header: Header, { maxFrameSize, role, rsv1 }: Options): ReadonlyArray<Rule> => {
  const { atLeast, atMost, fin, mask, opcode, payloadLen, topBit } = header
  const isControl = opcode >= 8
  const rsv1HasMeaning = rsv1 && (opcode === 1 || opcode === 2)
  const rules: ReadonlyArray<readonly [Rule, boolean]> = [
    ["ReservedBits", header.rsv2 === 1 || header.rsv3 === 1 || (header.rsv1 === 1 && !rsv1HasMeaning)],
    ["UnknownOpcode", opcodes.every((known) => known !== opcode)],
    ["FragmentedControl", isControl && fin === 0],
    ["MaskMissing", role === "server" && mask === 0],
    ["MaskForbidden", role === "client" && mask === 1],
    ["ControlTooLong", isControl && payloadLen !== undefined && payloadLen > 125],
    ["LengthTopBit", topBit === 1],
    ["LengthNotMinimal", payloadLen === 126 && atMost < 126n || payloadLen === 127 && atMost < 65_536n],
    ["FrameTooLarge", payloadLen !== undefined && atLeast > BigInt(maxFrameSize)]
  ]
  return rules.filter(([, isBroken]) => isBroken).map(([rule]) => rule)
}
