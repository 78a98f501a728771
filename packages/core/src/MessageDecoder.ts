/**
 * Frames to messages (RFC 6455 5.4): the order of fragments, their number and size, and UTF-8.
 *
 * It takes the parts of frames as they arrive, so that a text fails at the byte that is no UTF-8, and a message that is too
 * large fails at the header that says so, before a byte of it is kept. What is kept of an unfinished message is at most about
 * twice its bytes, whatever its fragments.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Budget } from "./Budget.ts"
import type { Frame } from "./Frame.ts"
import type { FramePart } from "./FrameDecoder.ts"
import * as Characters from "./internal/characters.ts"
import { type Allocate, copyOf, Pieces, zeroed } from "./internal/pieces.ts"
import { isWholeMessage } from "./internal/wholeMessage.ts"
import * as Opcode from "./Opcode.ts"
import { ProtocolError, type Reason } from "./ProtocolError.ts"
import * as Utf8 from "./Utf8.ts"

/**
 * A whole message as it travelled, the payloads of its frames joined; or a piece of one, for those who asked for pieces.
 *
 * @category models
 * @since 0.1.0
 */
export interface Assembled {
  readonly opcode: typeof Opcode.Text | typeof Opcode.Binary
  /** Whether the payload is compressed (RFC 7692 6.2). If it is, its UTF-8 is still to be checked. */
  readonly compressed: boolean
  readonly payload: Uint8Array
  /** Whether the message ends with this: always true of a whole one. */
  readonly last: boolean
}

/**
 * A decoder of one connection's data frames.
 *
 * @category models
 * @since 0.1.0
 */
export interface MessageDecoder {
  /**
   * Takes the next part of a data frame; answers the message if it is whole by that. In pieces it answers what there is of the
   * message so far, and keeps nothing, unless the message is compressed. Not to be called after a failure.
   */
  readonly receive: (part: FramePart, inPieces?: boolean) => Result.Result<Assembled | undefined, ProtocolError>
  /**
   * Whether a whole frame is a message as it is, so that it need not be received: final, of text or bytes, not compressed, within the
   * limits, and between two messages. The quick way; what it says no to goes by `receive`, which knows why.
   */
  readonly isMessage: (frame: Frame) => boolean
  /** Bytes of the unfinished message that are kept. */
  readonly heldBytes: number
  /** Drops what is kept of an unfinished message. */
  readonly clear: () => void
}

/**
 * How to decode; see `Limits` for the numbers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Bytes. */
  readonly maxMessageSize: number
  readonly maxFragments: number
  /** Bytes that all unfinished messages on the budget may hold together. */
  readonly maxHeldBytes: number
  readonly budget: Budget
  /** Memory for a message, as `FrameDecoder.Options` has it for a payload. Default: `new Uint8Array(length)`. */
  readonly allocate?: ((length: number) => Uint8Array) | undefined
  /** Whether bytes are UTF-8, where the platform knows a faster way. Default: `Utf8`. */
  readonly isUtf8?: ((bytes: Uint8Array) => boolean) | undefined
}

/**
 * A decoder at the start of a connection.
 *
 * **Example** (A text in two fragments)
 *
 * ```ts
 * import { Budget, FrameDecoder, MessageDecoder, Opcode } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const frames = FrameDecoder.make({ role: "client", maxFrameSize: 1024 })
 * const messages = MessageDecoder.make({
 *   maxMessageSize: 1024,
 *   maxFragments: 16,
 *   maxHeldBytes: 1024,
 *   budget: Budget.make()
 * })
 * const next = () => Result.getOrThrow(messages.receive(Result.getOrThrow(frames.nextPart())!))
 *
 * frames.push(new Uint8Array([0x01, 0x01, 0x68, 0x80, 0x01, 0x69]))
 * next() // => undefined
 * next() // => { opcode: Opcode.Text, compressed: false, payload: new Uint8Array([0x68, 0x69]), last: true }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): MessageDecoder => new Decoder(options)

class Decoder implements MessageDecoder {
  // Kept as it is: connections that share it weigh 40 bytes less each.
  private readonly options: Options
  private begun: Begun | undefined = undefined

  constructor(options: Options) {
    this.options = options
  }

  get heldBytes(): number {
    return this.begun?.pieces?.length ?? 0
  }

  isMessage(frame: Frame): boolean {
    return this.begun === undefined && isWholeMessage(frame, this.options)
  }

  receive(part: FramePart, inPieces = false): Result.Result<Assembled | undefined, ProtocolError> {
    const begun = part.first || this.begun === undefined ? this.beginFrame(part) : Result.succeed(this.begun)
    if (Result.isFailure(begun)) return this.fail(begun.failure)
    const message = begun.success
    if (!this.isStillText(part, message)) return this.fail({ _tag: "InvalidUtf8" })
    const ends = part.last && part.fin
    // RFC 6455 8.1 speaks of the whole text: a character must not be cut by its end.
    if (ends && message.utf8 !== Utf8.start) return this.fail({ _tag: "InvalidUtf8" })
    const answers = ends || (inPieces && !message.compressed)
    if (answers && this.heldBytes === 0) return Result.succeed(this.answer(message, this.owned(part), ends))
    const refused = this.keep(part, message)
    if (refused !== undefined) return this.fail(refused)
    return Result.succeed(answers ? this.answer(message, this.join(message), ends) : undefined)
  }

  // All that is known of a message goes with it, so that nothing of it meets the next one.
  clear(): void {
    this.options.budget.held -= this.heldBytes
    this.begun = undefined
  }

  private beginFrame({ frameLength, opcode, rsv1 }: FramePart): Result.Result<Begun, Reason> {
    // RFC 6455 5.4: a fragmented message begins with "a single frame with the FIN bit clear and an opcode other than 0".
    if (opcode === Opcode.Continuation && this.begun === undefined) {
      return Result.fail({ _tag: "UnexpectedContinuation" })
    }
    // RFC 6455 5.4: "The fragments of one message MUST NOT be interleaved between the fragments of another message".
    if (opcode !== Opcode.Continuation && this.begun !== undefined) {
      return Result.fail({ _tag: "ExpectedContinuation", opcode })
    }
    // RFC 7692 6.2: RSV1 of the first frame speaks for the whole message.
    const begun = this.begun ??= new Begun(opcode === Opcode.Text ? Opcode.Text : Opcode.Binary, rsv1)
    // RFC 6455 10.4: limits on the "total message size after reassembly from multiple frames", told by headers alone.
    begun.announced += frameLength
    const { maxFragments, maxMessageSize } = this.options
    // Asked so that a limit which is no number lets nothing pass.
    if (!(begun.announced <= maxMessageSize)) {
      return Result.fail({ _tag: "MessageTooLarge", limit: maxMessageSize, announcedAtLeast: begun.announced })
    }
    if (!(++begun.fragments <= maxFragments)) return Result.fail({ _tag: "TooManyFragments", limit: maxFragments })
    return Result.succeed(begun)
  }

  private isStillText({ fin, last, payload }: FramePart, begun: Begun): boolean {
    if (begun.opcode !== Opcode.Text || begun.compressed) return true
    // Between two characters, and with nothing behind: the rest is a text of its own.
    begun.utf8 = fin && last && begun.utf8 === Utf8.start
      ? this.isUtf8(payload) ? Utf8.start : Utf8.invalid
      : Characters.advance(begun.utf8, payload, this.isUtf8)
    // RFC 6455 8.1: "that endpoint MUST _Fail the WebSocket Connection_", and nothing says to wait for the rest.
    return begun.utf8 !== Utf8.invalid
  }

  private keep({ fin, lent, payload }: FramePart, begun: Begun): Reason | undefined {
    const { budget, maxHeldBytes } = this.options
    if (!(budget.held + payload.length <= maxHeldBytes)) return { _tag: "TooMuchHeld", limit: maxHeldBytes }
    const pieces = begun.pieces ??= new Pieces(this.allocate)
    // How much more there will be is known of the last frame only.
    pieces.append(payload, fin ? begun.announced : Infinity, lent)
    // Behind it: what there was no memory for is not held.
    budget.held += payload.length
    return undefined
  }

  private get isUtf8(): (bytes: Uint8Array) => boolean {
    return this.options.isUtf8 ?? Characters.isText
  }

  private get allocate(): Allocate {
    return this.options.allocate ?? zeroed
  }

  private owned({ lent, payload }: FramePart): Uint8Array {
    return lent ? copyOf(payload, this.allocate) : payload
  }

  private join({ pieces }: Begun): Uint8Array {
    this.options.budget.held -= this.heldBytes
    return pieces!.join()
  }

  private answer({ compressed, opcode }: Begun, payload: Uint8Array, last: boolean): Assembled {
    if (last) this.clear()
    return { opcode, compressed, payload, last }
  }

  private fail(reason: Reason): Result.Result<never, ProtocolError> {
    this.clear()
    return Result.fail(new ProtocolError({ reason }))
  }
}

/** A message in progress. Most connections have none, and weigh the less. */
class Begun {
  announced = 0
  fragments = 0
  utf8 = Utf8.start
  /** Made when there is something to keep. */
  pieces: Pieces | undefined = undefined
  readonly opcode: Assembled["opcode"]
  readonly compressed: boolean

  constructor(opcode: Assembled["opcode"], compressed: boolean) {
    this.opcode = opcode
    this.compressed = compressed
  }
}
