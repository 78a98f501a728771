/**
 * Bytes to frames (RFC 6455 5.2). The hot path.
 *
 * Pure but for its own state: chunks go in by `push`, frames come out by `next`, in whatever pieces the bytes arrive. Any
 * split of the same bytes gives the same frames and then the same failure, because each check fires at the byte that
 * decides it. Nothing is allocated from an announced length: a payload in progress holds at most about twice the bytes that
 * have arrived. Between frames the decoder holds no bytes and no view of any.
 *
 * **Lifetime of payloads.** An unmasked payload that lies whole in a chunk is a view of that chunk, so a chunk must not be
 * written to once it was pushed. A masked payload is a fresh copy and the chunk is left alone, unless the decoder was
 * made with `ownsChunks`: then it unmasks in place, and every payload may be a view. Either way a payload is never
 * written to again once it was handed out.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Frame from "./Frame.ts"
import { Pieces, view } from "./internal/pieces.ts"
import * as Masking from "./Masking.ts"
import * as Opcode from "./Opcode.ts"
import { ProtocolError, type Reason } from "./ProtocolError.ts"
import type { Role } from "./Role.ts"

/**
 * A decoder of one connection's bytes.
 *
 * @category models
 * @since 0.1.0
 */
export interface FrameDecoder {
  /** Appends bytes. Costs nothing until `next`. Bytes behind a failure are dropped. */
  readonly push: (chunk: Uint8Array) => void
  /**
   * The next whole frame, or `undefined` when more bytes are needed. A failure is sticky: every later call answers the
   * same one.
   */
  readonly next: () => Result.Result<Frame.Frame | undefined, ProtocolError>
  /** How many bytes were pushed and are not yet part of a frame handed out. 0 after a failure. */
  readonly bufferedBytes: number
}

/**
 * How to decode.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Our end. A server takes only masked frames, a client only unmasked ones (RFC 6455 5.1). */
  readonly role: Role
  /** The largest payload of a frame, in bytes; see `Limits.maxFrameSize`. */
  readonly maxFrameSize: number
  /** Whether an extension that gives RSV1 a meaning was negotiated (RFC 7692 6). Default: false. */
  readonly rsv1?: boolean | undefined
  /** Whether chunks are the decoder's to write to from `push` on. Saves a copy of each masked payload. Default: false. */
  readonly ownsChunks?: boolean | undefined
}

/**
 * A decoder at the start of a connection.
 *
 * **Example** (A frame in two pieces)
 *
 * ```ts
 * import { FrameDecoder } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1024 })
 * decoder.push(new Uint8Array([0x82, 0x02, 0x07]))
 * Result.getOrThrow(decoder.next()) // => undefined
 * decoder.push(new Uint8Array([0x08]))
 * Result.getOrThrow(decoder.next()) // => { opcode: 2, fin: true, rsv1: false, payload: new Uint8Array([7, 8]) }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): FrameDecoder => new Decoder(options)

/**
 * All that the chunks hold, for laws and for reading a capture: the whole frames, then the failure if there was one, then
 * how many bytes wait for more.
 *
 * **Example** (A frame, then a reserved opcode)
 *
 * ```ts
 * import { FrameDecoder } from "@websocket-stream/core"
 *
 * const { frames, failure, bufferedBytes } = FrameDecoder.decodeAll(
 *   [new Uint8Array([0x89, 0x00]), new Uint8Array([0x83, 0x00])],
 *   { role: "client", maxFrameSize: 1024 }
 * )
 * frames.length // => 1
 * failure?.reason // => { _tag: "UnknownOpcode", opcode: 3 }
 * bufferedBytes // => 0
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const decodeAll = (chunks: Iterable<Uint8Array>, options: Options): {
  readonly frames: ReadonlyArray<Frame.Frame>
  readonly failure: ProtocolError | undefined
  readonly bufferedBytes: number
} => {
  const decoder = make(options)
  const frames: Array<Frame.Frame> = []
  for (const chunk of chunks) {
    decoder.push(chunk)
    while (true) {
      const next = decoder.next()
      if (Result.isFailure(next)) return { frames, failure: next.failure, bufferedBytes: decoder.bufferedBytes }
      if (next.success === undefined) break
      frames.push(next.success)
    }
  }
  return { frames, failure: undefined, bufferedBytes: decoder.bufferedBytes }
}

const noBytes: Uint8Array = new Uint8Array(0)
const noChunks: ReadonlyArray<Uint8Array> = []
const needsMore = Result.succeed(undefined)

// The part of a frame that the next byte belongs to: a number, because it is asked for every byte of a header.
const firstByte = 0
const secondByte = 1
const extendedLength = 2
const maskingKey = 3
const payload = 4

class Decoder implements FrameDecoder {
  private readonly masked: boolean
  private readonly maxFrameSize: number
  private readonly rsv1: boolean
  private readonly ownsChunks: boolean

  bufferedBytes = 0
  private failed: Result.Result<never, ProtocolError> | undefined = undefined

  // The chunk being read, and those behind it.
  private chunk = noBytes
  private chunkIsOurs = false
  private cursor = 0
  private waiting = noChunks

  // The frame being read, as far as it is known.
  private part = firstByte
  private fin = false
  private rsv1Set = false
  private opcode: Opcode.Opcode = Opcode.Continuation
  private lengthBytes: 2 | 8 = 2
  private length = 0
  private key = 0
  // How many bytes are still to come of the extended length, and of the masking key.
  private bytesLeft = 0
  private readonly pieces = new Pieces()

  constructor(options: Options) {
    this.masked = options.role === "server"
    this.maxFrameSize = options.maxFrameSize
    this.rsv1 = options.rsv1 ?? false
    this.ownsChunks = options.ownsChunks ?? false
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0 || this.failed !== undefined) return
    this.bufferedBytes += chunk.length
    if (this.chunk === noBytes) this.startChunk(chunk)
    else this.waiting = [...this.waiting, chunk]
  }

  next(): Result.Result<Frame.Frame | undefined, ProtocolError> {
    while (this.chunk !== noBytes) {
      const frame = this.readFrame()
      if (this.cursor === this.chunk.length) this.nextChunk()
      if (frame !== undefined) return Result.succeed(frame)
    }
    return this.failed ?? needsMore
  }

  private startChunk(chunk: Uint8Array): void {
    this.chunk = chunk
    this.chunkIsOurs = this.ownsChunks
    this.cursor = 0
  }

  private nextChunk(): void {
    this.startChunk(this.waiting[0] ?? noBytes)
    this.waiting = this.waiting.length > 1 ? this.waiting.slice(1) : noChunks
  }

  /** Reads on, to the end of a frame or of the chunk, whichever comes first. */
  private readFrame(): Frame.Frame | undefined {
    const chunk = this.chunk
    while (this.part !== payload) {
      if (this.cursor === chunk.length) return undefined
      const wrong = this.readHeaderByte(chunk[this.cursor++]!)
      if (wrong !== undefined) return this.fail(wrong)
    }
    const bytes = this.readPayload()
    if (bytes === undefined) return undefined
    const frame = { opcode: this.opcode, fin: this.fin, rsv1: this.rsv1Set, payload: bytes }
    this.bufferedBytes -= Frame.headerLength(bytes.length, this.masked) + bytes.length
    this.part = firstByte
    return frame
  }

  private readHeaderByte(byte: number): Reason | undefined {
    switch (this.part) {
      case firstByte:
        return this.readFirstByte(byte)
      case secondByte:
        return this.readSecondByte(byte)
      case extendedLength:
        return this.readLengthByte(byte)
      default:
        this.key = (this.key << 8) | byte
        if (--this.bytesLeft === 0) this.part = payload
        return undefined
    }
  }

  private readFirstByte(byte: number): Reason | undefined {
    const opcode = byte & 0x0f
    const reserved = byte & 0x70
    // RFC 6455 5.2: a reserved bit "MUST be 0 unless an extension is negotiated that defines meanings". The one that we
    // know, RFC 7692, uses RSV1, and section 6.1 there keeps it off control frames and off all fragments but the first.
    if (reserved !== 0 && !(reserved === 0x40 && this.rsv1 && (opcode === Opcode.Text || opcode === Opcode.Binary))) {
      return { _tag: "ReservedBits", bits: reserved }
    }
    // RFC 6455 5.2: "If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."
    if (!Opcode.isOpcode(opcode)) return { _tag: "UnknownOpcode", opcode }
    const fin = byte >= 0x80
    // RFC 6455 5.5: control frames "MUST NOT be fragmented".
    if (!fin && Opcode.isControl(opcode)) return { _tag: "FragmentedControl", opcode }
    this.fin = fin
    this.rsv1Set = reserved !== 0
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
    // Products, because bitwise operators see 32 bits. Exact as long as they matter: the limit is below 2^53.
    const announcedAtLeast = this.length * 0x100 ** this.bytesLeft
    if (announcedAtLeast > this.maxFrameSize) return this.tooLarge(announcedAtLeast)
    return this.bytesLeft === 0 ? this.endLength() : undefined
  }

  private endLength(): Reason | undefined {
    if (this.length > this.maxFrameSize) return this.tooLarge(this.length)
    this.part = this.masked ? maskingKey : payload
    this.bytesLeft = 4
    return undefined
  }

  private tooLarge(announcedAtLeast: number): Reason {
    return { _tag: "FrameTooLarge", limit: this.maxFrameSize, announcedAtLeast }
  }

  private readPayload(): Uint8Array | undefined {
    // Not `noBytes`: a holder may give its payload away to a worker, and that detaches the buffer.
    if (this.length === 0) return new Uint8Array(0)
    if (this.pieces.length === 0 && this.chunk.length - this.cursor >= this.length) return this.takeWhole()
    return this.takePiece()
  }

  private takeWhole(): Uint8Array {
    if (this.masked && !this.chunkIsOurs) {
      // One copy of the chunk serves all its frames: 125-byte payloads cost 880 ns with a copy each, 120 with this one.
      this.startChunk(new Uint8Array(view(this.chunk, this.cursor, this.chunk.length)))
      this.chunkIsOurs = true
    }
    const start = this.cursor
    this.cursor = start + this.length
    if (this.masked) Masking.applyInPlace(this.chunk, this.key, 0, start, this.cursor)
    return view(this.chunk, start, this.cursor)
  }

  /** Keeps what the chunk has of the payload, and answers the payload if it is whole by that. */
  private takePiece(): Uint8Array | undefined {
    const start = this.cursor
    this.cursor = Math.min(this.chunk.length, start + this.length - this.pieces.length)
    this.pieces.append(view(this.chunk, start, this.cursor), this.length)
    if (this.pieces.length < this.length) return undefined
    const whole = this.pieces.join()
    if (this.masked) Masking.applyInPlace(whole, this.key)
    return whole
  }

  private fail(reason: Reason): undefined {
    this.failed = Result.fail(new ProtocolError({ reason }))
    this.bufferedBytes = 0
    this.chunk = noBytes
    this.cursor = 0
    this.waiting = noChunks
    this.pieces.clear()
  }
}
