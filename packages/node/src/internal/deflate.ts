/**
 * Compression of messages (RFC 7692 section 7.2) by Node's zlib.
 *
 * A context that is taken over from message to message is kept as what it is, the last bytes of the plain text, and handed to
 * zlib as a preset dictionary: a few KiB between messages instead of zlib's 256, and no stream that could fail late.
 */
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import { ProtocolError } from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { constants } from "node:buffer"
import * as Zlib from "node:zlib"
import { allocate } from "./allocate.ts"

/** How hard to compress, and what. */
export interface CompressionSettings {
  /** Messages of fewer bytes are sent as they are: compressing them costs more than it saves. */
  readonly threshold: number
  /** 0 to 9, as zlib has it. */
  readonly level: number
  /** 1 to 9: what zlib may use while it compresses. */
  readonly memLevel: number
}

/** What one message became, and how the window changes by it once it is on its way. */
export interface Compressed {
  readonly payload: Uint8Array
  readonly commit: () => void
}

export type Inflated = { readonly payload: Uint8Array } | { readonly error: ProtocolError }

/** What to negotiate, by what a user said: nothing, the defaults, or parameters. */
export const deflateOptions = (
  option: boolean | PermessageDeflate.Options | undefined
): Result.Result<PermessageDeflate.Parameters | undefined, OptionError> =>
  option === undefined || option === false
    ? Result.succeed(undefined)
    : PermessageDeflate.make(option === true ? undefined : option)

export class Deflater {
  readonly threshold: number
  readonly takesOver: boolean
  private readonly window: Window
  private readonly options: Zlib.ZlibOptions

  constructor(role: Role, parameters: PermessageDeflate.Parameters, settings: CompressionSettings) {
    const { bits, takesOver } = outgoing(role, parameters)
    this.threshold = settings.threshold
    this.takesOver = takesOver
    this.window = new Window(bits, takesOver)
    this.options = {
      level: settings.level,
      memLevel: settings.memLevel,
      finishFlush: Zlib.constants.Z_SYNC_FLUSH,
      // zlib has no window of 8 bits for raw deflate and takes 9 instead. Without matches no window is needed at all.
      windowBits: Math.max(bits, 9),
      strategy: bits === 8 ? Zlib.constants.Z_HUFFMAN_ONLY : Zlib.constants.Z_DEFAULT_STRATEGY
    }
  }

  /** Compresses, at once if it is quick and otherwise off the event loop; answers by the callback, once. */
  compress(payload: Uint8Array, callback: (compressed: Compressed) => void): void {
    const finish = (deflated: Uint8Array) =>
      callback({ payload: withoutTail(deflated), commit: () => this.window.slide(payload) })
    const options = { ...this.options, ...this.window.dictionary }
    if (payload.length <= synchronousBytes) return finish(Zlib.deflateRawSync(payload, options))
    Zlib.deflateRaw(payload, options, (error, deflated) => {
      if (error !== null) throw error
      finish(deflated)
    })
  }
}

export class Inflater {
  private readonly window: Window
  private readonly limit: number
  // At once, since others had their turn.
  private inRow = 0

  /** @param limit bytes of the largest message, inflated */
  constructor(role: Role, parameters: PermessageDeflate.Parameters, limit: number) {
    const { bits, takesOver } = outgoing(role === "server" ? "client" : "server", parameters)
    this.window = new Window(bits, takesOver)
    this.limit = limit
  }

  /** Others have had their turn. */
  renew(): void {
    this.inRow = 0
  }

  /** Inflates, at once if it is quick and otherwise off the event loop; answers by the callback, once. */
  inflate(payload: Uint8Array, callback: (inflated: Inflated) => void): void {
    const isQuick = payload.length <= synchronousBytes && this.inRow < mostInRow
    const quick = isQuick ? this.inflateNow(payload) : undefined
    this.inRow++
    if (quick === undefined) this.inflateLater(new Streams(payload), callback)
    else callback(quick)
  }

  /** Answers nothing for what inflates to so much that it is not quick. */
  private inflateNow(payload: Uint8Array): Inflated | undefined {
    const quick = Math.min(this.limit, synchronousBytes * 4)
    const streams = new Streams(payload)
    try {
      while (!streams.areDone) {
        // One byte too many is within what zlib was allowed, and what is left then may be no number that it takes.
        if (streams.said.length > quick) return quick < this.limit ? undefined : this.finish(streams)
        streams.next(Zlib.inflateRawSync(streams.rest, this.options(streams, quick)))
      }
    } catch (error) {
      return isTooLarge(error) && quick < this.limit ? undefined : { error: this.reason(error) }
    }
    return this.finish(streams)
  }

  private inflateLater(streams: Streams, callback: (inflated: Inflated) => void): void {
    if (streams.areDone || streams.said.length > this.limit) return callback(this.finish(streams))
    Zlib.inflateRaw(streams.rest, this.options(streams, this.limit), (error, inflated) => {
      if (error !== null) return callback({ error: this.reason(error) })
      streams.next(inflated)
      this.inflateLater(streams, callback)
    })
  }

  private options(streams: Streams, limit: number): Zlib.ZlibOptions {
    // One byte more than the limit tells a message that is too large; zlib takes no 0, and no more than a buffer can have.
    return {
      info: true,
      maxOutputLength: Math.min(limit - streams.said.length + 1, constants.MAX_LENGTH),
      ...this.window.dictionaryBehind(streams.said)
    }
  }

  private finish({ areTooMany, isCut, said }: Streams): Inflated {
    if (areTooMany || isCut) return { error: invalidData() }
    if (said.length > this.limit) return { error: this.tooLarge() }
    this.window.slide(said)
    return { payload: ownOf(said) }
  }

  private reason(error: unknown): ProtocolError {
    return isTooLarge(error) ? this.tooLarge() : invalidData()
  }

  private tooLarge(): ProtocolError {
    return new ProtocolError({ reason: { _tag: "InflatedTooLarge", limit: this.limit } })
  }
}

/**
 * The compressed payload of one message, which may be several streams behind each other: RFC 7692 7.2.1 lets a block with
 * BFINAL end one, and the next block follow.
 */
class Streams {
  /** What they inflated to so far. */
  said: Uint8Array = Buffer.alloc(0)
  private readonly bytes: Uint8Array
  private readonly length: number
  private at = 0
  private count = 0

  constructor(payload: Uint8Array) {
    this.bytes = Buffer.concat([payload, tail, finalBlock])
    this.length = payload.length
  }

  get rest(): Uint8Array {
    return this.bytes.subarray(this.at)
  }

  get areDone(): boolean {
    return this.at >= this.length || this.areTooMany
  }

  /** A stream costs zlib's setting up, and may say nothing in two bytes. */
  get areTooMany(): boolean {
    return this.count > 16
  }

  /** Whether the last block of the payload has no end of its own, and took what we put behind it for its data. */
  get isCut(): boolean {
    // RFC 7692 7.2.1: the empty block whose last four octets were not sent may be one with BFINAL.
    const endsAtTail = this.at === this.length + tail.length
    return this.at > this.length && !endsAtTail && this.at < this.bytes.length
  }

  next(inflated: object): void {
    this.count++
    if (!hasInfo(inflated)) return
    const { buffer, engine } = inflated
    this.said = this.said.length === 0 ? buffer : Buffer.concat([this.said, buffer])
    this.at += engine.bytesWritten
  }
}

/** The last bytes of what was said, as far as a side may refer back to it. */
class Window {
  private readonly size: number
  private bytes: Uint8Array = Buffer.alloc(0)

  constructor(bits: PermessageDeflate.WindowBits, takesOver: boolean) {
    this.size = takesOver ? 1 << bits : 0
  }

  get dictionary(): { readonly dictionary: Uint8Array } | undefined {
    return this.bytes.length === 0 ? undefined : { dictionary: this.bytes }
  }

  /** The dictionary in the middle of a message. There the window slides whether it is taken over or not. */
  dictionaryBehind(said: Uint8Array): { readonly dictionary: Uint8Array } | undefined {
    return said.length === 0
      ? this.dictionary
      : { dictionary: Buffer.concat([this.bytes, said]).subarray(-largestWindow) }
  }

  slide(said: Uint8Array): void {
    if (this.size === 0) return
    const before = this.bytes.subarray(Math.max(0, this.bytes.length + said.length - this.size))
    // A copy, because what was said belongs to others.
    this.bytes = Buffer.concat(said.length < this.size ? [before, said] : [said.subarray(said.length - this.size)])
  }
}

// RFC 7692 7.1: a server's messages keep to the server's parameters, a client's to the client's.
const outgoing = (
  role: Role,
  parameters: PermessageDeflate.Parameters
): { readonly bits: PermessageDeflate.WindowBits; readonly takesOver: boolean } =>
  role === "server"
    ? { bits: parameters.serverMaxWindowBits, takesOver: !parameters.serverNoContextTakeover }
    : { bits: parameters.clientMaxWindowBits, takesOver: !parameters.clientNoContextTakeover }

/** Bytes. What zlib does with so many in well under a millisecond is not worth the way to another thread. */
const synchronousBytes = 16 * 1024

/**
 * Messages of one chunk. zlib takes five microseconds and more to begin with each, and a chunk may hold 7,000: the way to another
 * thread behind so many is a turn for everybody else. Counted over chunks, it cost an echo of 16 in flight a tenth.
 */
const mostInRow = 256

// RFC 7692 7.2.1 and 7.2.2: the four octets that end a flush are not sent.
const tail = Uint8Array.of(0x00, 0x00, 0xff, 0xff)

// A last and empty block: zlib takes a stream that is cut in the middle of a block for one that goes on later, unless it is
// told where the end is to be.
const finalBlock = Uint8Array.of(0x01, 0x00, 0x00, 0xff, 0xff)

const largestWindow = 1 << 15

// zlib answers a part of what it wrote to, 64 KiB for some bytes: whoever keeps the message must not keep that.
const ownOf = (said: Uint8Array): Uint8Array => {
  if (said.buffer.byteLength <= 2 * said.length) return said
  const own = allocate(said.length)
  own.set(said)
  return own
}

const withoutTail = (deflated: Uint8Array): Uint8Array => deflated.subarray(0, -tail.length)

// What the option `info` makes of zlib's answer; the types do not know of it.
const hasInfo = (
  inflated: object
): inflated is { readonly buffer: Uint8Array; readonly engine: { readonly bytesWritten: number } } =>
  "engine" in inflated

const invalidData = () => new ProtocolError({ reason: { _tag: "InvalidCompressedData" } })

const isTooLarge = (error: unknown): boolean =>
  error instanceof RangeError && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
