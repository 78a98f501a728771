/** The header of a frame (RFC 6455 5.2), read byte by byte: each check fires at the byte that decides it. */
import * as Frame from "../Frame.ts"
import * as Opcode from "../Opcode.ts"
import type { Reason } from "../ProtocolError.ts"

export interface HeaderOptions {
  readonly masked: boolean
  readonly maxFrameSize: number
  readonly rsv1: boolean
}

// The part of a header that the next byte belongs to: a number, because it is asked for with every byte.
const firstByte = 0
const secondByte = 1
const extendedLength = 2
const maskingKey = 3
const whole = 4

// RFC 6455 5.2: FIN and the opcode, with the reserved bits clear.
const finalText = 0x81
const finalBinary = 0x82

/** Bytes: two, two of extended length, four of the key. */
const longestUsual = 8

/** Bytes of a masking key. */
export const keyBytes = 4

export class FrameHeader {
  fin = false
  rsv1 = false
  opcode: Opcode.Opcode = Opcode.Continuation
  /** Bytes of payload. */
  length = 0
  /** The masking key, of a masked frame. */
  key = 0

  private readonly masked: boolean
  private readonly maxFrameSize: number
  private readonly takesRsv1: boolean
  private part = firstByte
  private lengthBytes: 2 | 8 = 2
  // How many bytes are still to come of the extended length, or of the masking key.
  private bytesLeft = 0

  constructor({ masked, maxFrameSize, rsv1 }: HeaderOptions) {
    this.masked = masked
    this.maxFrameSize = maxFrameSize
    this.takesRsv1 = rsv1
  }

  /** Whether all of the header was read: the payload is next. */
  get isWhole(): boolean {
    return this.part === whole
  }

  /** Turns to the next frame. */
  begin(): void {
    this.part = firstByte
  }

  /**
   * Reads all of a header at once where there is nothing about it to look at twice: of a final frame of text or bytes, below
   * 64 KiB, with room behind it. Answers how many bytes it took: none of any other, which goes byte by byte.
   */
  readUsual(chunk: Uint8Array, at: number): number {
    const length = this.findUsual(chunk, at)
    if (length === 0) return 0
    if (this.masked) this.readKey(chunk, at + length - keyBytes)
    this.fin = true
    this.rsv1 = false
    this.part = whole
    return length
  }

  /**
   * The same, and nothing is read by it: opcode and length are known, and the next header is still this one. Whoever takes
   * frames whole need not turn to the next with each, 2 ns of 62. Nor need the key be read, which is behind all else.
   */
  findUsual(chunk: Uint8Array, at: number): number {
    const { masked, maxFrameSize } = this
    if (this.part !== firstByte || chunk.length - at < longestUsual) return 0
    const first = chunk[at]!
    const second = chunk[at + 1]!
    if ((first !== finalText && first !== finalBinary) || second >= 0x80 !== masked) return 0
    const short = second & 0x7f
    let end = at + 2
    if (short === 127) return 0
    if (short === 126) end += 2
    const length = short === 126 ? (chunk[at + 2]! << 8) | chunk[at + 3]! : short
    if ((short === 126 && length < 126) || !(length <= maxFrameSize)) return 0
    if (masked) end += keyBytes
    this.opcode = first === finalText ? Opcode.Text : Opcode.Binary
    this.length = length
    return end - at
  }

  /** Reads the masking key, all of which is there. */
  readKey(chunk: Uint8Array, at: number): void {
    this.key = (chunk[at]! << 24) | (chunk[at + 1]! << 16) | (chunk[at + 2]! << 8) | chunk[at + 3]!
  }

  /** Reads the next byte, and answers what is wrong with it. */
  read(byte: number): Reason | undefined {
    switch (this.part) {
      case firstByte:
        return this.readFirstByte(byte)
      case secondByte:
        return this.readSecondByte(byte)
      case extendedLength:
        return this.readLengthByte(byte)
      default:
        this.key = (this.key << 8) | byte
        if (--this.bytesLeft === 0) this.part = whole
        return undefined
    }
  }

  private readFirstByte(byte: number): Reason | undefined {
    const opcode = byte & 0x0f
    const reserved = byte & 0x70
    // RFC 6455 5.2: a reserved bit "MUST be 0 unless an extension is negotiated that defines meanings". The one that we
    // know, RFC 7692, uses RSV1, and section 6.1 there keeps it off control frames and off all fragments but the first.
    if (
      reserved !== 0 &&
      !(reserved === 0x40 && this.takesRsv1 && (opcode === Opcode.Text || opcode === Opcode.Binary))
    ) {
      return { _tag: "ReservedBits", bits: reserved }
    }
    // RFC 6455 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
    if (!Opcode.isOpcode(opcode)) return { _tag: "UnknownOpcode", opcode }
    const fin = byte >= 0x80
    // RFC 6455 5.5: control frames "MUST NOT be fragmented".
    if (!fin && Opcode.isControl(opcode)) return { _tag: "FragmentedControl", opcode }
    this.fin = fin
    this.rsv1 = reserved !== 0
    this.opcode = opcode
    this.part = secondByte
    return undefined
  }

  private readSecondByte(byte: number): Reason | undefined {
    // RFC 6455 5.1: "The server MUST close the connection upon receiving a frame that is not masked", and a client "if it
    // detects a masked frame".
    if (byte >= 0x80 !== this.masked) return { _tag: this.masked ? "MaskMissing" : "MaskForbidden" }
    const length = byte & 0x7f
    // RFC 6455 5.5: "All control frames MUST have a payload length of 125 bytes or less".
    if (length > Frame.maxControlPayload && Opcode.isControl(this.opcode)) {
      return { _tag: "ControlTooLong", opcode: this.opcode }
    }
    if (length < 126) {
      this.length = length
      return this.endLength()
    }
    this.length = 0
    this.lengthBytes = length === 126 ? 2 : 8
    this.bytesLeft = this.lengthBytes
    this.part = extendedLength
    return undefined
  }

  private readLengthByte(byte: number): Reason | undefined {
    // RFC 6455 5.2: "a 64-bit unsigned integer (the most significant bit MUST be 0)".
    if (this.lengthBytes === 8 && this.bytesLeft === 8 && byte >= 0x80) return { _tag: "LengthTopBit" }
    this.length = this.length * 0x100 + byte
    this.bytesLeft--
    // RFC 6455 5.2: "the minimal number of bytes MUST be used to encode the length". Six zeros decide it of eight bytes.
    if (
      this.lengthBytes === 8
        ? this.bytesLeft === 2 && this.length === 0
        : this.bytesLeft === 0 && this.length < 126
    ) {
      return { _tag: "LengthNotMinimal", lengthBytes: this.lengthBytes }
    }
    // Products, because bitwise operators see 32 bits. Exact as long as they matter: the limit is below 2^53. And asked so
    // that a limit which is no number lets nothing pass.
    const announcedAtLeast = this.length * 0x100 ** this.bytesLeft
    if (!(announcedAtLeast <= this.maxFrameSize)) return this.tooLarge(announcedAtLeast)
    return this.bytesLeft === 0 ? this.endLength() : undefined
  }

  private endLength(): Reason | undefined {
    if (!(this.length <= this.maxFrameSize)) return this.tooLarge(this.length)
    this.part = this.masked ? maskingKey : whole
    this.bytesLeft = keyBytes
    return undefined
  }

  private tooLarge(announcedAtLeast: number): Reason {
    return { _tag: "FrameTooLarge", limit: this.maxFrameSize, announcedAtLeast }
  }
}
