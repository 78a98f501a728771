/**
 * The receiving half of a `Websocket`. Chunks are parsed as they come, so that pings are answered whether anybody receives or
 * not, until as much as `receiveBuffer` waits to be received; then the socket is not read any more, and the peer has to wait.
 */
import type { Connection, Event, Step } from "@websocket-stream/core/Connection"
import type { Frame } from "@websocket-stream/core/Frame"
import type { FrameDecoder, FramePart } from "@websocket-stream/core/FrameDecoder"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import { ProtocolError } from "@websocket-stream/core/ProtocolError"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { isUtf8 } from "node:buffer"
import { Protocol, type ReadError } from "../WebsocketError.ts"
import { abnormal, closedAs, type EndedBy, endReason } from "./closed.ts"
import type { Inflated, Inflater } from "./deflate.ts"
import { type Dropping, isDropped } from "./dropping.ts"
import { failedRead } from "./failures.ts"
import type { MessageSettings } from "./messageOptions.ts"
import type { Piece, PieceReader, PieceSource } from "./pieceReader.ts"
import { PieceRouting } from "./pieceRouting.ts"
import type { Port } from "./port.ts"
import { ReceivedQueue } from "./receivedQueue.ts"

/** What the receiving half asks of the rest, and what it has in common with it: a second time it would weigh 24 bytes. */
export interface Replier {
  readonly port: Port
  readonly connection: Connection
  readonly settings: MessageSettings
  /** Sends what a step asks for: a reply, the end of our side of TCP. */
  readonly reply: (step: Step) => void
  readonly receivePong: (payload: Uint8Array) => void
  /** The end has come: as `finish`, unless there are messages before it. */
  readonly nearEnd: () => void
  /** The peer has sent its last: a Close frame, or the end of its bytes. */
  readonly finish: () => void
}

export class MessageReader extends ReceivedQueue<Message.Message> implements PieceSource {
  private readonly replier: Replier
  private readonly decoder: FrameDecoder
  private readonly inflater: Inflater | undefined

  // Once somebody has received in pieces.
  private pieces: PieceRouting | undefined = undefined
  // What was parsed of a frame that is not whole yet. The decoder counts it until its end.
  private given = 0
  private isInflating = false
  private isParsing = false
  private dropping: Dropping = "Nothing"
  // There is no more than what was read, and that is looked at whoever may receive it.
  private isConcluding = false
  // A Close frame or an error behind messages that nobody has answered yet.
  private verdict: FramePart | ProtocolError | undefined = undefined
  private isTaking = false
  private isOver = false
  private ended: EndedBy | undefined = undefined

  constructor(replier: Replier, decoder: FrameDecoder, inflater: Inflater | undefined) {
    super()
    this.replier = replier
    this.decoder = decoder
    this.inflater = inflater
  }

  /** Begins with a frame that was parsed already, and with the bytes behind it. */
  begin(ahead: Frame | undefined, ended: EndedBy | undefined): void {
    if (ahead !== undefined) this.receivePart(wholePart(ahead))
    this.parse()
    if (ended !== undefined) this.end(ended)
    else this.pullPort()
  }

  push(chunk: Uint8Array, lent: boolean): boolean {
    if (this.isDiscarding) return true
    this.decoder.push(chunk, lent)
    this.parse()
    if (lent) this.decoder.keep()
    return this.isDiscarding || this.wantsMore
  }

  end(by: EndedBy): void {
    this.ended ??= by
    this.parse()
    this.replier.nearEnd()
  }

  /** Whether the end has come, maybe with messages before it. */
  get nearsEnd(): boolean {
    return this.isDiscarding || this.ended !== undefined
  }

  /** What a wait fails of whose end no message is: messages may still be there before it. */
  get outcome(): Exit.Exit<never, ReadError> {
    return this.failure ?? failedRead(endReason(this.ended ?? "Us"))
  }

  /** Ends the connection where its end has come, and waits no longer for the messages before it, which can still be received. */
  conclude(): void {
    if (this.ended !== undefined) {
      // A Close frame may be among what was read.
      this.isConcluding = true
      this.parse()
    }
    // A Close frame that is malformed is an error in its turn.
    while (this.verdict !== undefined) this.judge(this.verdict)
    // Nor is one overlooked behind a message that is still being inflated.
    if (this.ended !== undefined && !this.isInflating) this.replier.finish()
  }

  abandon(): void {
    this.forgetQueue()
    this.failWith(abnormal("Us"))
    this.replier.connection.receiveEof()
    this.wake()
  }

  /** Receives the next message in pieces, unless one is there already, or there will be none, or somebody else does. */
  beginPieces(): PieceReader | undefined {
    return this.isReady ? undefined : (this.pieces ??= new PieceRouting()).begin(this)
  }

  /** Waits until somebody else may receive in pieces. */
  get turn(): Effect.Effect<void> {
    return this.pieces?.turn ?? Effect.void
  }

  /** Ends the receiving in pieces: what was not taken of the message is dropped. */
  endPieces(pieces: PieceReader): void {
    this.pieces!.end(pieces, this.failure ?? failedByUs)
    this.letAnswer()
  }

  /** Nobody is to receive any more: whoever waits is told so now. Frames are still read, for the closing handshake. */
  giveUp(): void {
    this.forgetQueue()
    this.failTakers(abnormal("Us"))
    this.pieces?.endAll(this.failure!)
    this.dropUnawaited()
  }

  /** We have closed: from the first message on that nobody waits for all are dropped, so that the peer's Close frame is reached. */
  dropUnawaited(): void {
    if (!this.drops) this.dropping = "Unawaited"
    this.settle()
    this.parse()
    this.pullPort()
  }

  get blocks(): boolean {
    return true
  }

  // There is room for those that wait in bytes.
  protected emptied(): void {
    this.letAnswer()
  }

  // Whoever took the last message has this turn to answer it.
  private letAnswer(): void {
    // Who is woken by it may take the last of what comes now.
    const { isTaking } = this
    this.isTaking = true
    this.pull()
    this.isTaking = isTaking
    if (this.verdict !== undefined) setImmediate(() => this.settle())
  }

  pull(): void {
    if (this.isAwaited) this.settle()
    this.parse()
    this.pullPort()
  }

  private pullPort(): void {
    if (this.isDiscarding || this.wantsMore) this.replier.port.pull()
  }

  // RFC 6455 1.4: what comes after the end is read and discarded. Unread, it would reset the connection when that is closed, and
  // the end of TCP is still to be seen.
  private get isDiscarding(): boolean {
    return this.isOver || this.verdict !== undefined
  }

  /** What came and was not taken yet. */
  get bufferedBytes(): number {
    const unparsed = this.decoder.bufferedBytes - this.given
    return unparsed + this.replier.connection.heldBytes + this.queuedBytes + (this.pieces?.queuedBytes ?? 0)
  }

  // What is kept of an unfinished message counts, too, unless somebody waits for just that message.
  private get wantsMore(): boolean {
    if (this.isInflating || this.isDiscarding) return false
    if (this.isConcluding) return true
    const { pieces, replier: { connection, settings: { receiveBuffer } } } = this
    if (pieces?.isActive === true) return pieces.currentBytes < receiveBuffer
    if (this.drops) return true
    return this.queuedBytes < receiveBuffer && (connection.heldBytes < receiveBuffer || this.isAwaited)
  }

  private parse(): void {
    // Whoever is woken may ask for more before this has ended.
    if (this.isParsing) return
    this.isParsing = true
    this.inflater?.renew()
    while (this.wantsMore) {
      if (!this.isByPieces && this.receiveUsual()) continue
      const next = this.decoder.nextPart()
      if (Result.isFailure(next)) this.endBy(next.failure)
      else if (next.success !== undefined) this.receivePart(next.success)
      else break
    }
    this.isParsing = false
    if (this.ended !== undefined && this.wantsMore) this.receiveEnd(this.ended)
    this.wake()
  }

  // Frames that are messages by themselves, as many as there are behind each other: but for the room nothing changes by them that
  // would have to be asked again. Answers whether there was one.
  private receiveUsual(): boolean {
    const { decoder, replier: { connection, settings: { meter, receiveBuffer } } } = this
    let frame = decoder.nextUsual()
    if (frame === undefined) return false
    do {
      const message = connection.receiveUsual(frame)
      if (message === undefined) {
        this.receivePart(wholePart(frame))
        return true
      }
      if (meter !== undefined) meter.bytesReceived += message.payload.length
      this.enqueue(message)
      frame = this.queuedBytes < receiveBuffer ? decoder.nextUsual() : undefined
    } while (frame !== undefined)
    return true
  }

  private receivePart(part: FramePart): void {
    if (part.opcode === Opcode.Close) this.endBy(part)
    else this.handlePart(part)
  }

  // RFC 6455 5.5.1: "An endpoint MAY delay sending a Close frame until its current message is sent". Sent at once, it would
  // come before the answers to the messages that the peer sent ahead of its own, or ahead of its error.
  private endBy(verdict: FramePart | ProtocolError): void {
    this.verdict = verdict
    this.settle()
    this.replier.nearEnd()
  }

  private settle(): void {
    if (this.verdict !== undefined && (this.drops || !this.isUnanswered)) this.judge(this.verdict)
  }

  private get isUnanswered(): boolean {
    return this.hasItem || this.isTaking || this.pieces?.isUntaken === true
  }

  private get drops(): boolean {
    return this.dropping !== "Nothing"
  }

  private get isByPieces(): boolean {
    return this.pieces?.isActive === true
  }

  private judge(verdict: FramePart | ProtocolError): void {
    this.verdict = undefined
    if (this.isOver) return
    // Who is told by the reply that nothing can be sent may receive at once, and is not to come upon the end of TCP before this one.
    const { isParsing } = this
    this.isParsing = true
    if (verdict instanceof ProtocolError) this.failConnection(verdict)
    else this.handlePart(verdict)
    this.isParsing = isParsing
    this.wake()
  }

  private handlePart(part: FramePart): void {
    const { meter } = this.replier.settings
    if (meter !== undefined && Opcode.isData(part.opcode)) meter.bytesReceived += part.payload.length
    this.given = part.last ? 0 : this.given + part.payload.length
    const step = this.replier.connection.receive(part, this.isByPieces)
    if (Result.isFailure(step)) return this.endBy(step.failure)
    const { event, reply } = step.success
    if (reply !== undefined || step.success.shutdown) this.replier.reply(step.success)
    if (event !== undefined) this.receiveEvent(event)
  }

  private receiveEvent(event: Event): void {
    switch (event._tag) {
      // Nearly all are of these.
      case "Binary":
      case "Text":
        return this.enqueue(event)
      case "Compressed":
        return this.inflate(event.opcode, event.payload)
      case "Pong":
        return this.replier.receivePong(event.payload)
      case "Ping":
        return undefined
      case "Piece":
        return this.receivePiece(event)
      case "Close":
        this.failWith(closedAs(this.replier.connection.closing))
        return this.replier.finish()
    }
  }

  private receivePiece(piece: Piece): void {
    if (piece.last) this.count()
    if (this.pieces!.receive(piece, this.dropping)) this.dropping = "All"
  }

  private enqueue(message: Message.Message): void {
    // A compressed message comes whole, to those as well who asked for pieces.
    if (this.isByPieces) {
      return this.receivePiece({ opcode: message.opcode, payload: message.payload, last: true })
    }
    this.count()
    if (isDropped(this.dropping, this.isAwaited)) this.dropping = "All"
    else this.add(message)
  }

  private count(): void {
    const { meter } = this.replier.settings
    if (meter !== undefined) meter.messagesReceived++
  }

  private inflate(opcode: Message.Message["opcode"], payload: Uint8Array): void {
    const { inflater } = this
    // RFC 6455 5.2: nothing was negotiated here that gives RSV1 a meaning, whatever those think who made the stream.
    if (inflater === undefined) {
      return this.endBy(new ProtocolError({ reason: { _tag: "ReservedBits", bits: rsv1Bit } }))
    }
    this.isInflating = true
    let isLate = false
    inflater.inflate(payload, (inflated) => {
      this.isInflating = false
      // The scope may have been closed meanwhile.
      if (this.isOver) return
      this.receiveInflated(opcode, inflated)
      if (!isLate) return
      if (this.isConcluding) this.conclude()
      else this.pull()
    })
    isLate = true
  }

  private receiveInflated(opcode: Message.Message["opcode"], inflated: Inflated): void {
    if ("error" in inflated) return this.endBy(inflated.error)
    const { payload } = inflated
    // RFC 6455 8.1, for the text that the compression hid.
    if (opcode === Opcode.Text && !isUtf8(payload)) {
      return this.endBy(new ProtocolError({ reason: { _tag: "InvalidUtf8" } }))
    }
    this.enqueue(Message.fromPayload(opcode, payload))
  }

  private failConnection(error: ProtocolError): void {
    // Before the failure wakes somebody whose scope then closes the connection with another code.
    this.replier.reply(this.replier.connection.fail(error))
    this.failWith(new Protocol({ error }))
    this.replier.finish()
  }

  private receiveEnd(by: EndedBy): void {
    this.replier.connection.receiveEof()
    this.failWith(endReason(by, this.decoder.bufferedBytes > 0))
    this.replier.finish()
  }

  private failWith(reason: ReadError["reason"]): void {
    this.isOver = true
    this.failTakers(reason)
  }

  private failTakers(reason: ReadError["reason"]): void {
    const failure = this.failure ??= failedRead(reason)
    this.pieces?.fail(failure)
  }
}

const wholePart = (frame: Frame): FramePart => ({
  ...frame,
  first: true,
  last: true,
  frameLength: frame.payload.length,
  lent: false
})

const failedByUs = failedRead(abnormal("Us"))

const rsv1Bit = 0x40
