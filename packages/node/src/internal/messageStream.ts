/** A `Websocket`: the two halves over one pure connection, pings, and the closing handshake with its deadlines. */
import * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as Connection from "@websocket-stream/core/Connection"
import type { EncodeError } from "@websocket-stream/core/EncodeError"
import type * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Parameters } from "@websocket-stream/core/PermessageDeflate"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Inspectable from "effect/Inspectable"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { Closed, ReceivedStream, Sendable, SendOptions, Websocket } from "../Websocket.ts"
import { Encode, type Io, type ReadError, WriteError } from "../WebsocketError.ts"
import type { EndedBy } from "./closed.ts"
import { connectionOptions } from "./connectionOptions.ts"
import { forEachBatch, forEachItem } from "./consumer.ts"
import { Deflater, Inflater } from "./deflate.ts"
import type { Estate, FrameStream, Successor } from "./frameStream.ts"
import { timedOut } from "./io.ts"
import type { MessageSettings } from "./messageOptions.ts"
import { MessageReader, type Replier } from "./messageReader.ts"
import { MessageWriter, type Shared } from "./messageWriter.ts"
import type { Metered } from "./meter.ts"
import { Milestone } from "./milestone.ts"
import { Pings } from "./pings.ts"
import type { Port } from "./port.ts"
import { receiveStream } from "./receivedStream.ts"
import type { Timepiece } from "./timepiece.ts"

/** What was agreed on. */
export interface Agreed {
  readonly subprotocol: string | undefined
  readonly deflate: Parameters | undefined
}

export class MessageStream extends Inspectable.Class implements Successor, Replier, Metered {
  // First what sending looks at, as in what it leads to: of many connections none is in the cache, and each line of memory that is
  // not fetched counts. With no connection asked, and no young bytes held: 0.2 of some 3 microseconds for a receiver of a broadcast.
  private readonly writer: MessageWriter
  private readonly reader: MessageReader
  readonly port: Port
  readonly settings: MessageSettings
  readonly connection: Connection.Connection
  readonly subprotocol: string | undefined
  private lazyPings: Pings | undefined = undefined
  // Once the end has come behind messages that were not received yet, or nobody waits for the end of a peer that was told to close.
  // Ends with the connection, which its scope does at the latest.
  private concluding: Fiber.Fiber<void> | undefined = undefined
  private lazyFinishing: Milestone | undefined = undefined
  private lazyEnding: Milestone | undefined = undefined

  /** Takes a stream over, and begins with what it has read already. Answers nothing if somebody else has. */
  static over(stream: FrameStream, settings: MessageSettings, agreed: Agreed): MessageStream | undefined {
    const estate = stream.yieldUp()
    if (estate === undefined) return undefined
    const messages = new MessageStream(estate, settings, agreed)
    stream.succeedBy(messages)
    messages.begin(estate)
    return messages
  }

  private constructor(estate: Estate, settings: MessageSettings, { deflate, subprotocol }: Agreed) {
    super()
    const { decoder, limits, port, role, written } = estate
    this.port = port
    this.subprotocol = subprotocol
    this.settings = settings
    this.connection = Connection.make(connectionOptions(role, limits))
    const deflater = deflate === undefined ? undefined : new Deflater(role, deflate, settings.compression)
    const inflater = deflate === undefined ? undefined : new Inflater(role, deflate, limits.maxInflatedSize)
    this.writer = new MessageWriter(port, role === "client", this.connection, deflater, settings.meter, written)
    this.reader = new MessageReader(this, decoder, inflater)
  }

  // Made when they are asked for, as those of a `WebsocketStream` are.

  get receive(): Effect.Effect<Message.Message, ReadError> {
    return this.reader.one
  }

  get receiveAll(): Effect.Effect<NonEmptyReadonlyArray<Message.Message>, ReadError> {
    return this.reader.all
  }

  get runForEachArray(): Websocket["Service"]["runForEachArray"] {
    return (use) => forEachBatch(this.reader, use, voidIfClean)
  }

  get runForEach(): Websocket["Service"]["runForEach"] {
    return (use) => forEachItem(this.reader, use, voidIfClean)
  }

  get messages(): Stream.Stream<Message.Message, ReadError> {
    return Stream.fromPull(Effect.succeed(Effect.catchIf(this.reader.all, isClean, () => Cause.done())))
  }

  get receiveStream(): Effect.Effect<ReceivedStream, ReadError, Scope.Scope> {
    return receiveStream(this.reader)
  }

  // Bound, as handlers keep them for as long as they run: a closure and its context weigh twice the 48 bytes.

  get send(): Websocket["Service"]["send"] {
    return this.sendOne.bind(this)
  }

  get sendAll(): Websocket["Service"]["sendAll"] {
    return this.sendMany.bind(this)
  }

  get sendStream(): Websocket["Service"]["sendStream"] {
    return (type, pieces) =>
      this.writer.sendStream(
        type === "text" ? Opcode.Text : Opcode.Binary,
        pieces,
        Effect.sync(() => {
          const { isClosing } = this
          this.beginClosing(Close.make(CloseCode.InternalError))
          // Who has closed before waits for the peer.
          if (!isClosing) this.insist()
        })
      )
  }

  get ping(): Websocket["Service"]["ping"] {
    return (payload) => this.pings.ping(payload)
  }

  get close(): Websocket["Service"]["close"] {
    return (code = CloseCode.Normal, reason = "") => this.closeBy(Close.make(code, reason))
  }

  get closed(): Effect.Effect<Closed> {
    return Effect.map(this.finishing.reached, () => {
      const { received = Close.abnormal, sent } = this.connection.closing
      return { sent, received, clean: sent !== undefined && received.code !== CloseCode.AbnormalClosure }
    })
  }

  get roundTrip(): Effect.Effect<Option.Option<Duration.Duration>> {
    return Effect.sync(() => Option.fromUndefinedOr(this.lazyPings?.roundTrip))
  }

  // What a log shows: without it a megabyte, and in that the memory that is read into for all connections.
  override toJSON(): unknown {
    const { closing, subprotocol } = this
    return { _id: "@websocket-stream/node/Websocket", subprotocol, closing }
  }

  // Of the port, or before it was ours.
  private end(by: EndedBy): void {
    this.reader.end(by)
    // No answer can come any more, and whoever sends is told of a Close frame among what was read.
    if (!this.port.isWritable) this.reader.conclude()
    // Nothing comes any more, and nothing can be sent: our side has no use, either.
    if (this.connection.closing.sent !== undefined) this.port.shutdown()
    this.ending.reach()
  }

  private begin({ ahead, ended }: Pick<Estate, "ahead" | "ended">): void {
    this.settings.meter?.opened(this)
    if (ended !== undefined) this.ending.reach()
    this.reader.begin(ahead, ended)
  }

  /** Closes with a code, unless that was done, and waits for nothing: whoever waits for the peer is told so. */
  leave(code: number): void {
    this.beginClosing(Close.make(code))
    this.reader.giveUp()
  }

  /** Leaves, and waits for the peer to agree and to end its side of TCP. */
  release(code: number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.leave(code)
      // RFC 6455 7.1.1: a client waits for the server to end TCP, and a server that has ended its side reads on until the
      // client has done so, too. A socket that is closed while the peer still sends resets the connection, and the peer may
      // never see our Close frame.
      return this.inTime(this.ending.reached)
    })
  }

  get released(): Effect.Effect<void> {
    return this.lazyEnding?.isAwaited === true ? this.inTime(this.ending.reached) : Effect.void
  }

  onChunk(chunk: Uint8Array, lent: boolean): boolean {
    return this.reader.push(chunk, lent)
  }

  onEnd(): void {
    this.end("Peer")
    // Unless our side stays open, there will be no event `drain` for those who wait for room.
    this.writer.drain()
  }

  onDrain(): void {
    this.writer.drain()
  }

  onClose(reason: Io | undefined): void {
    this.end(reason ?? "Peer")
    this.writer.end(reason ?? "Peer")
    // There is nobody left to wait for.
    this.reader.conclude()
  }

  abandon(): void {
    this.writer.end("Us")
    this.reader.abandon()
    this.finish()
  }

  /** Gives the port up: what is queued is sent, our side ended, and the stream destroyed, after `linger` at the latest. */
  relinquish(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.abandon()
      return this.port.close(linger)
    })
  }

  reply({ reply, shutdown }: Connection.Step): void {
    if (reply?.opcode === Opcode.Close) this.writer.close(reply)
    else if (reply !== undefined) this.writer.pong(reply)
    // Where the Close frame comes behind the end of the peer's bytes, `end` was too early for it.
    if (shutdown || (this.hasEnded && this.connection.closing.sent !== undefined)) this.port.shutdown()
  }

  receivePong(payload: Uint8Array): void {
    this.lazyPings?.receivePong(payload)
  }

  nearEnd(): void {
    // What nobody receives can still be received then, and the peer is not kept waiting for that.
    this.concludeInTime(() => this.reader.conclude())
  }

  finish(): void {
    this.concluding?.interruptUnsafe()
    this.settings.meter?.ended(this, this.connection.closing)
    this.lazyPings?.end()
    this.finishing.reach()
  }

  get bufferedBytes(): number {
    return this.port.queuedBytes + this.reader.bufferedBytes
  }

  /** What each side has said so far. */
  get closing(): Connection.Closing {
    return this.connection.closing
  }

  /** Whether a closing handshake has begun, or the connection has ended. */
  get isClosing(): boolean {
    return this.isFinished || this.connection.closing.sent !== undefined
  }

  /** Whether it has ended or is about to, as far as those see it who send, or receive. */
  get isOver(): boolean {
    // Who waits for a pong or a piece is told of the end before it is reached, and may be done by then.
    return this.isClosing || this.connection.closing.received !== undefined || this.writer.closed !== undefined
  }

  /** Whether the connection has come to its end, but for messages that were not received yet. */
  get nearsEnd(): boolean {
    return this.reader.nearsEnd
  }

  /** Whether the peer was heard since this was last asked, or could not be. */
  takeHeard(): boolean {
    return this.port.takeHeard()
  }

  /** Whether the peer took something since this was last asked, or need not. */
  takeTaken(): boolean {
    return this.port.takeTaken()
  }

  /** Whether as much waits for the peer as its stream holds. */
  get isFull(): boolean {
    return this.port.isFull
  }

  /** Pings, if there is room, for a heartbeat that measures the round trip. */
  beat(timepiece: Timepiece): void {
    this.pings.beat(timepiece)
  }

  /** Sends a Close frame, unless one was sent, and waits for nothing. */
  begone(close: Close.Close): void {
    this.beginClosing(close)
    // Its watch minds how long a closing takes, and this is none where nobody could be told.
    if (!this.isClosing) this.insist()
  }

  /** Ends the connection without a word. */
  cut(error: Error): void {
    this.port.destroy(error)
  }

  /** Queues what many get: whether it did. Otherwise it is to be sent. */
  trySend(shared: Shared): boolean {
    return this.writer.trySend(shared)
  }

  /** Sends what many get, as any message. */
  sendShared(shared: Shared): Effect.Effect<void, WriteError> {
    return this.writer.sendShared(shared)
  }

  private sendOne(message: Sendable, options?: SendOptions): Effect.Effect<void, WriteError> {
    return this.sendMany([message], options)
  }

  private sendMany(messages: NonEmptyReadonlyArray<Sendable>, options?: SendOptions): Effect.Effect<void, WriteError> {
    return this.writer.sendAll(messages, options?.compress ?? true)
  }

  private closeBy(close: Close.Close): Effect.Effect<Close.Close, WriteError> {
    const closing = Effect.suspend(() => {
      const error = this.beginClosing(close)
      if (error !== undefined) return Effect.fail(new WriteError({ reason: new Encode({ error }) }))
      return Effect.map(this.inTime(this.finishing.reached), () => this.connection.receiveEof())
    })
    return Effect.onInterrupt(closing, () => Effect.sync(() => this.insist()))
  }

  /** Sends a Close frame, unless one was sent or nothing can be; answers why it is none. */
  private beginClosing(close: Close.Close): EncodeError | undefined {
    // Nobody would be told so, and what the connection has ended of is no Close frame of ours.
    const step = this.port.isWritable ? this.connection.close(close) : Result.map(Close.encode(close), () => unsaid)
    if (Result.isFailure(step)) return step.failure.reason._tag === "AfterClose" ? undefined : step.failure
    this.reply(step.success)
    this.reader.dropUnawaited()
    return undefined
  }

  /** Has a peer that was told to close, or cannot be, do so in time, though nobody waits for it. */
  private insist(): void {
    if (this.isClosing || !this.port.isWritable) this.concludeInTime(() => this.cutUnclosed())
  }

  private concludeInTime(conclude: () => void): void {
    if (this.isFinished || this.concluding !== undefined) return
    const { clock, closeDeadline } = this.settings
    const concluding = Effect.andThen(Effect.sleep(closeDeadline), Effect.sync(conclude))
    this.concluding = Effect.runFork(Effect.provideService(concluding, Clock.Clock, clock))
  }

  // What most connections never need, or only in the end, is made then.

  private get pings(): Pings {
    return this.lazyPings ??= new Pings(this.reader, this.writer, this.settings.meter, this.isFinished)
  }

  /** The peer has sent its last: a Close frame, or the end of its bytes. */
  private get finishing(): Milestone {
    return this.lazyFinishing ??= new Milestone()
  }

  /** Its bytes have ended. */
  private get ending(): Milestone {
    return this.lazyEnding ??= new Milestone()
  }

  private get hasEnded(): boolean {
    return this.lazyEnding?.isReached === true
  }

  private get isFinished(): boolean {
    return this.lazyFinishing?.isReached === true
  }

  // A peer that takes longer is not waited for: the connection is cut.
  private inTime(effect: Effect.Effect<void>): Effect.Effect<void> {
    return effect.pipe(
      Effect.interruptible,
      Effect.timeoutOption(this.settings.closeDeadline),
      Effect.map(Option.match({ onNone: () => this.cutUnclosed(), onSome: () => {} }))
    )
  }

  private cutUnclosed(): void {
    this.cut(timedOut("did not close", this.settings.closeDeadline))
  }
}

const unsaid: Connection.Step = { event: undefined, reply: undefined, shutdown: false }

const isClean = ({ reason }: ReadError): boolean => reason._tag === "Closed" && reason.clean

const voidIfClean = (failure: Exit.Exit<never, ReadError>): Effect.Effect<void, ReadError> =>
  Effect.catchIf(failure, isClean, () => Effect.void)
