/**
 * Frames as bytes, and bytes as frames, by the picture of RFC 6455 5.2 alone: nothing here is ours, and nothing is refused,
 * because a peer must be able to say what no endpoint may say.
 */

/** The six opcodes. */
export const continuation = 0
export const text = 1
export const binary = 2
export const close = 8
export const ping = 9
export const pong = 10

/** RSV1 of RFC 7692, as one of the three reserved bits. */
export const rsv1 = 4

/** A frame to send. */
export interface Shape {
  readonly opcode: number
  /** Default: true. */
  readonly fin?: boolean
  /** The three reserved bits as a number. Default: 0. */
  readonly rsv?: number
  /** A string is sent as UTF-8. Default: none. */
  readonly payload?: string | Uint8Array
  /** Default: as the role of the sender asks for. */
  readonly masked?: boolean
  /** The length that the header announces. Default: that of the payload. */
  readonly announced?: bigint
  /** In how many extra bytes the length is written. Default: as few as it needs. */
  readonly lengthBytes?: 0 | 2 | 8
}

/** A frame that came, whatever it was. */
export interface Received {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv: number
  readonly masked: boolean
  /** Unmasked. */
  readonly payload: Buffer
}

const key = [0x37, 0xfa, 0x21, 0x3d]

export const encode = (shape: Shape, masks: boolean): Buffer => {
  const { fin = true, masked = masks, opcode, rsv = 0 } = shape
  const payload = Buffer.from(shape.payload ?? "")
  const { announced = BigInt(payload.length) } = shape
  const { lengthBytes = announced < 126n ? 0 : announced < 65_536n ? 2 : 8 } = shape
  const header = Buffer.alloc(2 + lengthBytes)
  header[0] = (fin ? 0x80 : 0) | (rsv << 4) | opcode
  header[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? Number(announced) : lengthBytes === 2 ? 126 : 127)
  if (lengthBytes === 2) header.writeUInt16BE(Number(announced), 2)
  if (lengthBytes === 8) header.writeBigUInt64BE(announced, 2)
  return masked ? Buffer.concat([header, Buffer.from(key), mask(payload, key)]) : Buffer.concat([header, payload])
}

// XOR with the key again and again. By whole words where the payload is long: the suite masks hundreds of MiB.
const mask = (payload: Buffer, key: ArrayLike<number>): Buffer => {
  const masked = Buffer.alloc(payload.length, payload)
  const words = new Uint32Array(masked.buffer, masked.byteOffset, masked.byteOffset % 4 === 0 ? masked.length >> 2 : 0)
  const word = new Uint32Array(Uint8Array.from(key).buffer)[0]!
  for (let i = 0; i < words.length; i++) words[i]! ^= word
  for (let i = words.length * 4; i < masked.length; i++) masked[i]! ^= key[i % 4]!
  return masked
}

/** Reads frames out of bytes that come in whatever pieces. */
export class Parser {
  private pieces: Array<Buffer> = []
  private length = 0
  // What the next frame takes, as far as one can tell.
  private needed = 2

  push(bytes: Buffer): ReadonlyArray<Received> {
    this.pieces.push(bytes)
    this.length += bytes.length
    const frames: Array<Received> = []
    while (this.length >= this.needed) {
      const all = this.pieces.length === 1 ? this.pieces[0]! : Buffer.concat(this.pieces)
      this.pieces = [all]
      const size = sizeOf(all)
      this.needed = size.whole
      if (all.length < size.whole) continue
      frames.push(read(all.subarray(0, size.whole), size.header))
      this.pieces = [all.subarray(size.whole)]
      this.length -= size.whole
      this.needed = 2
    }
    return frames
  }

  /** Bytes of a frame that is not whole. */
  get rest(): number {
    return this.length
  }
}

const sizeOf = (bytes: Buffer): { readonly header: number; readonly whole: number } => {
  const length = bytes[1]! & 0x7f
  const lengthBytes = length < 126 ? 0 : length === 126 ? 2 : 8
  const header = 2 + lengthBytes + (bytes[1]! >= 0x80 ? 4 : 0)
  if (bytes.length < header) return { header, whole: header }
  const announced = lengthBytes === 0
    ? length
    : lengthBytes === 2
    ? bytes.readUInt16BE(2)
    : Number(bytes.readBigUInt64BE(2))
  return { header, whole: header + announced }
}

const read = (bytes: Buffer, header: number): Received => {
  const masked = bytes[1]! >= 0x80
  const payload = bytes.subarray(header)
  return {
    opcode: bytes[0]! & 0x0f,
    fin: bytes[0]! >= 0x80,
    rsv: (bytes[0]! >> 4) & 7,
    masked,
    payload: masked ? mask(payload, bytes.subarray(header - 4, header)) : payload
  }
}

/** The body of a Close frame. */
export const closeBody = (code: number, reason: string | Uint8Array = ""): Buffer => {
  const body = Buffer.concat([Buffer.alloc(2), Buffer.from(reason)])
  body.writeUInt16BE(code)
  return body
}

/** What a Close frame says: no code for an empty body. */
export const readClose = ({ payload }: Received): { readonly code: number | undefined; readonly reason: string } => ({
  code: payload.length === 0 ? undefined : payload.readUInt16BE(0),
  reason: payload.toString("utf8", 2)
})
