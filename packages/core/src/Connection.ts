/**
 * The life of a connection, as a pure state machine: what comes in is judged, and what must be done about it is answered as a
 * value. It sends nothing, and it knows no time: deadlines are the caller's.
 *
 * - Pings are answered, the newest one only if several wait (RFC 6455 5.5.2, 5.5.3): a step's `reply` of opcode Pong may be
 *   replaced by a later one that has not been sent yet.
 * - The closing handshake (RFC 6455 7): a Close frame is answered once, nothing is sent after it, what comes after the peer's
 *   is ignored. A server then ends TCP, a client waits for the server to do so (RFC 6455 7.1.1).
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Close from "./Close.ts"
import * as CloseCode from "./CloseCode.ts"
import { EncodeError } from "./EncodeError.ts"
import * as Frame from "./Frame.ts"
import type { FramePart } from "./FrameDecoder.ts"
import { isWholeMessage } from "./internal/wholeMessage.ts"
import * as Message from "./Message.ts"
import * as MessageDecoder from "./MessageDecoder.ts"
import * as Opcode from "./Opcode.ts"
import type { ProtocolError } from "./ProtocolError.ts"
import type { Role } from "./Role.ts"

/**
 * What a frame brought.
 *
 * @category models
 * @since 0.1.0
 */
export type Event =
  | Message.Message
  /** A whole message that is compressed; its UTF-8 is to be checked once it is inflated. */
  | {
    readonly _tag: "Compressed"
    readonly opcode: typeof Opcode.Text | typeof Opcode.Binary
    readonly payload: Uint8Array
  }
  /** A piece of a message that is not compressed, for those who asked for pieces; it may be empty. */
  | {
    readonly _tag: "Piece"
    readonly opcode: typeof Opcode.Text | typeof Opcode.Binary
    readonly payload: Uint8Array
    readonly last: boolean
  }
  | { readonly _tag: "Ping"; readonly payload: Uint8Array }
  | { readonly _tag: "Pong"; readonly payload: Uint8Array }
  | { readonly _tag: "Close"; readonly close: Close.Close }

/**
 * What is to be done, in this order: send the reply, end our side of TCP, look at the event.
 *
 * @category models
 * @since 0.1.0
 */
export interface Step {
  readonly event: Event | undefined
  readonly reply: Frame.Frame | undefined
  readonly shutdown: boolean
}

/**
 * How a connection ended, or has so far: what each side said in its Close frame.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closing {
  /** Whose Close frame, error or end came first. */
  readonly by: "Peer" | "Us" | undefined
  readonly sent: Close.Close | undefined
  readonly received: Close.Close | undefined
}

/**
 * One connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly closing: Closing
  /** Bytes of an unfinished message that are kept. */
  readonly heldBytes: number
  /**
   * Takes the next part of a frame. A failure is to be answered by `fail`. In pieces, messages are not assembled but passed on
   * as they come, unless they are compressed.
   */
  readonly receive: (part: FramePart, inPieces?: boolean) => Result.Result<Step, ProtocolError>
  /**
   * Takes a whole frame that is a message as it is, and answers that; `undefined` for any other, which nothing has come of yet: it
   * goes by `receive`. The quick way, for those who do not ask for pieces.
   */
  readonly receiveUsual: (frame: Frame.Frame) => Message.Message | undefined
  /** Why no whole message can be sent now, if none can: a Close frame was sent, or a message is in the middle of its fragments. */
  readonly refusal: EncodeError | undefined
  /** The frame of a message, or why it cannot be sent. */
  readonly send: (message: Message.Message) => Result.Result<Frame.Frame, EncodeError>
  /** The frame of a fragment, or why it cannot be sent: the first has the message's opcode, the others continue it. */
  readonly sendFragment: (fragment: Frame.Frame) => Result.Result<Frame.Frame, EncodeError>
  /** The frame of a ping. */
  readonly ping: (payload: Uint8Array) => Result.Result<Frame.Frame, EncodeError>
  /** Begins the closing handshake. */
  readonly close: (close?: Close.Close) => Result.Result<Step, EncodeError>
  /** Fails the connection (RFC 6455 7.1.7): a Close frame that says why, if one can still be sent, and the end. */
  readonly fail: (error: ProtocolError) => Step
  /** The peer's bytes ended. Answers how it closed: what its Close frame said, or 1006. */
  readonly receiveEof: () => Close.Close
}

/**
 * How to speak.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends MessageDecoder.Options {
  readonly role: Role
}

/**
 * A connection whose opening handshake is done.
 *
 * **Example** (A ping and its answer)
 *
 * ```ts
 * import { Budget, Connection, FrameDecoder, Opcode } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const decoder = FrameDecoder.make({ role: "client", maxFrameSize: 1024 })
 * const connection = Connection.make({
 *   role: "client",
 *   maxMessageSize: 1024,
 *   maxFragments: 16,
 *   maxHeldBytes: 1024,
 *   budget: Budget.make()
 * })
 * decoder.push(new Uint8Array([0x89, 0x01, 0x2a]))
 * const step = Result.getOrThrow(connection.receive(Result.getOrThrow(decoder.nextPart())!))
 * step.event // => { _tag: "Ping", payload: new Uint8Array([0x2a]) }
 * step.reply // => { opcode: Opcode.Pong, fin: true, rsv1: false, payload: new Uint8Array([0x2a]) }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Connection => new Machine(options)

class Machine implements Connection {
  private readonly options: Options
  // Made for the first message that is not a whole frame: most connections have none, and weigh 40 bytes less.
  private messages: MessageDecoder.MessageDecoder | undefined = undefined
  private fragmenting = false
  closing: Closing = notClosing

  constructor(options: Options) {
    this.options = options
  }

  get heldBytes(): number {
    return this.messages?.heldBytes ?? 0
  }

  receive(part: FramePart, inPieces = false): Result.Result<Step, ProtocolError> {
    // RFC 6455 1.4: after a Close frame "a peer discards any further data received".
    if (this.closing.received !== undefined) return Result.succeed(nothing)
    switch (part.opcode) {
      case Opcode.Close:
        return this.receiveClose(part.payload)
      case Opcode.Ping:
        return Result.succeed(this.receivePing(part.payload))
      case Opcode.Pong:
        return Result.succeed(event({ _tag: "Pong", payload: part.payload }))
      default:
        return this.receiveData(part, inPieces)
    }
  }

  receiveUsual(frame: Frame.Frame): Message.Message | undefined {
    if (this.closing.received !== undefined || !this.isMessage(frame)) return undefined
    return Message.fromPayload(frame.opcode === Opcode.Text ? Opcode.Text : Opcode.Binary, frame.payload)
  }

  get refusal(): EncodeError | undefined {
    if (this.closing.sent !== undefined) return afterClose
    return this.fragmenting ? outOfOrder : undefined
  }

  send(message: Message.Message): Result.Result<Frame.Frame, EncodeError> {
    return this.sendFragment(Frame.make(message.opcode, message.payload))
  }

  sendFragment(fragment: Frame.Frame): Result.Result<Frame.Frame, EncodeError> {
    const wrong = this.closing.sent === undefined ? Frame.check(fragment) : afterClose
    if (wrong !== undefined) return Result.fail(wrong)
    // RFC 6455 5.4: fragments follow each other, with nothing but control frames between; those have ways of their own.
    const continues = fragment.opcode === Opcode.Continuation
    if (continues !== this.fragmenting || Opcode.isControl(fragment.opcode)) return Result.fail(outOfOrder)
    this.fragmenting = !fragment.fin
    return Result.succeed(fragment)
  }

  ping(payload: Uint8Array): Result.Result<Frame.Frame, EncodeError> {
    const frame = Frame.make(Opcode.Ping, payload)
    const wrong = this.closing.sent === undefined ? Frame.check(frame) : afterClose
    return wrong === undefined ? Result.succeed(frame) : Result.fail(wrong)
  }

  close(close: Close.Close = Close.make(CloseCode.Normal)): Result.Result<Step, EncodeError> {
    if (this.closing.sent !== undefined) return Result.fail(afterClose)
    return Result.map(Close.encode(close), (payload) => {
      this.closing = { ...this.closing, by: this.closing.by ?? "Us", sent: close }
      return { event: undefined, reply: Frame.make(Opcode.Close, payload), shutdown: false }
    })
  }

  fail(error: ProtocolError): Step {
    this.messages?.clear()
    const { by = "Peer", received, sent } = this.closing
    const reply = sent === undefined ? Frame.make(Opcode.Close, Close.encodeError(error)) : undefined
    // RFC 6455 7.1.7: "An endpoint MUST NOT continue to attempt to process data (including a responding Close frame)".
    this.closing = { by, sent: sent ?? Close.fromError(error), received: received ?? Close.abnormal }
    return { event: undefined, reply, shutdown: true }
  }

  receiveEof(): Close.Close {
    this.messages?.clear()
    const { by = "Peer", received = Close.abnormal, sent } = this.closing
    this.closing = { by, sent, received }
    return received
  }

  private isMessage(frame: Frame.Frame): boolean {
    const { messages, options } = this
    return messages === undefined ? isWholeMessage(frame, options) : messages.isMessage(frame)
  }

  private receiveData(part: FramePart, inPieces: boolean): Result.Result<Step, ProtocolError> {
    this.messages ??= MessageDecoder.make(this.options)
    const received = this.messages.receive(part, inPieces)
    if (Result.isFailure(received)) return Result.fail(received.failure)
    if (received.success === undefined) return Result.succeed(nothing)
    const { compressed, last, opcode, payload } = received.success
    if (compressed) return Result.succeed(event({ _tag: "Compressed", opcode, payload }))
    return Result.succeed(
      event(inPieces ? { _tag: "Piece", opcode, payload, last } : Message.fromPayload(opcode, payload))
    )
  }

  private receivePing(payload: Uint8Array): Step {
    // RFC 6455 5.5.2: a Pong in response, "unless it already received a Close frame"; and after our own nothing is sent.
    const reply = this.closing.sent === undefined ? Frame.make(Opcode.Pong, payload) : undefined
    return { event: { _tag: "Ping", payload }, reply, shutdown: false }
  }

  private receiveClose(payload: Uint8Array): Result.Result<Step, ProtocolError> {
    return Result.map(Close.decode(payload), (close) => {
      const { by = "Peer", sent } = this.closing
      this.messages?.clear()
      // RFC 6455 5.5.1: an endpoint that has not sent a Close frame "MUST send a Close frame in response".
      const reply = sent === undefined ? Frame.make(Opcode.Close, payload) : undefined
      this.closing = { by, sent: sent ?? close, received: close }
      // RFC 6455 7.1.1: the server closes TCP "immediately", the client waits for it.
      return { event: { _tag: "Close", close }, reply, shutdown: this.options.role === "server" }
    })
  }
}

// Shared by all that are open.
const notClosing: Closing = { by: undefined, sent: undefined, received: undefined }

const nothing: Step = { event: undefined, reply: undefined, shutdown: false }

const event = (event: Event): Step => ({ event, reply: undefined, shutdown: false })

const afterClose = new EncodeError({ reason: { _tag: "AfterClose" } })
const outOfOrder = new EncodeError({ reason: { _tag: "FragmentOutOfOrder" } })
