/**
 * A message, as an application sends and receives it (RFC 6455 5.6): a text or some bytes.
 *
 * @since 0.1.0
 */
import * as Opcode from "./Opcode.ts"

/**
 * A text or a binary message. Both hold their bytes: a text is decoded when it is asked for, so that one which is only passed
 * on is never turned into a string and back.
 *
 * @category models
 * @since 0.1.0
 */
export type Message = Text | Binary

/**
 * A text message.
 *
 * @category models
 * @since 0.1.0
 */
export class Text {
  readonly _tag = "Text"
  /** The text in UTF-8, whole and valid. */
  readonly payload: Uint8Array
  private decoded: string | undefined = undefined

  constructor(payload: Uint8Array) {
    this.payload = payload
  }

  get opcode(): typeof Opcode.Text {
    return Opcode.Text
  }

  /** The text. Decoded the first time, and kept. */
  get text(): string {
    return this.decoded ??= utf8.decode(this.payload)
  }
}

/**
 * A binary message.
 *
 * @category models
 * @since 0.1.0
 */
export class Binary {
  readonly _tag = "Binary"
  readonly payload: Uint8Array

  constructor(payload: Uint8Array) {
    this.payload = payload
  }

  get opcode(): typeof Opcode.Binary {
    return Opcode.Binary
  }
}

/**
 * A text message of a string. Lone surrogates, which UTF-8 cannot express, become U+FFFD.
 *
 * **Example** (A text and its bytes)
 *
 * ```ts
 * import { Message } from "@websocket-stream/core"
 *
 * const message = Message.text("h\u00e9")
 * message.payload // => new Uint8Array([0x68, 0xc3, 0xa9])
 * message.text // => "h\u00e9"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (text: string): Text => new Text(new TextEncoder().encode(text))

/**
 * A binary message of bytes, which are kept as they are, not copied.
 *
 * @category constructors
 * @since 0.1.0
 */
export const binary = (payload: Uint8Array): Binary => new Binary(payload)

/**
 * A message of either kind, from the bytes that a decoder has found to be whole and, if they are text, valid.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromPayload = (opcode: typeof Opcode.Text | typeof Opcode.Binary, payload: Uint8Array): Message =>
  opcode === Opcode.Text ? new Text(payload) : new Binary(payload)

/**
 * Whether a value is a message.
 *
 * @category guards
 * @since 0.1.0
 */
export const isMessage = (value: unknown): value is Message => value instanceof Text || value instanceof Binary

// A byte order mark is part of the text: RFC 6455 5.6 gives it no meaning.
const utf8 = new TextDecoder("utf-8", { ignoreBOM: true })
