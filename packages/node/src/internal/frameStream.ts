/** A `WebsocketStream`: the two halves over one port, and the mode that they share. */
import * as Frame from "@websocket-stream/core/Frame"
import type { FrameDecoder } from "@websocket-stream/core/FrameDecoder"
import type { Limits } from "@websocket-stream/core/Limits"
import type { Role } from "@websocket-stream/core/Role"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as Inspectable from "effect/Inspectable"
import type { Io, ReadError, WriteError } from "../WebsocketError.ts"
import type { Mode, WebsocketStream } from "../WebsocketStream.ts"
import type { EndedBy } from "./closed.ts"
import { forEachBatch, forEachItem } from "./consumer.ts"
import type { Ended } from "./frameQueue.ts"
import { FrameReader, type Modal } from "./frameReader.ts"
import { FrameWriter } from "./frameWriter.ts"
import * as PooledDecoder from "./pooledDecoder.ts"
import * as Port from "./port.ts"

/** How to speak, alike for all connections of a server. */
export interface FrameSettings extends Port.PortOptions {
  readonly role: Role
  readonly mode: Mode
  readonly limits: Limits
}

/** What a stream begins with. */
export interface Beginning {
  /** What was read ahead of it. */
  readonly head: Uint8Array | undefined
  /** What goes out before any frame: the answer to an opening handshake. */
  readonly greeting: Uint8Array | undefined
  /** Whether an extension that uses RSV1 was negotiated. */
  readonly rsv1: boolean
}

/** Whoever takes a stream over: from then on it is told what the port tells, instead of the stream. */
export interface Successor extends Port.Listener {
  /** Whether the connection has ended or is about to, as far as those see it who read or write. */
  readonly isOver: boolean
  /** Waits for whoever closes the connection politely at the same time: in a scope that closes all that it has at once. */
  readonly released: Effect.Effect<void>
  /** The stream's scope has closed: there will be nothing to receive nor to send, and what nobody has taken yet is gone. */
  readonly abandon: () => void
}

/** What a stream consists of, for a `Websocket` that takes it over. */
export interface Estate {
  readonly role: Role
  readonly limits: Limits
  readonly port: Port.Port
  readonly decoder: FrameDecoder
  /** The frame that was parsed already. */
  readonly ahead: Frame.Frame | undefined
  /** Why there will be no more bytes. */
  readonly ended: EndedBy | undefined
  /** How far the writing has come to its end, if anybody has written. */
  readonly written: Ended | undefined
}

export class FrameStream extends Inspectable.Class implements Successor, Modal {
  readonly role: Role
  private readonly port: Port.Port
  private readonly limits: Limits
  private readonly decoder: PooledDecoder.PooledDecoder
  private lazyReader: FrameReader | undefined = undefined
  private lazyWriter: FrameWriter | undefined = undefined
  private successor: Successor | undefined = undefined
  private current: Mode

  constructor(source: Port.Source, settings: FrameSettings, { greeting, head, rsv1 }: Beginning) {
    super()
    const { limits, mode, role } = settings
    this.role = role
    this.current = mode
    this.port = Port.open(source, this, settings)
    const { ownsChunks } = this.port
    this.limits = limits
    this.decoder = PooledDecoder.make({ role, maxFrameSize: limits.maxFrameSize, rsv1, ownsChunks })
    // A copy, because the head is the caller's, and the decoder may write to what it is given.
    if (head !== undefined && head.length > 0) this.decoder.push(new Uint8Array(head))
    this.port.attach()
    if (greeting !== undefined) this.port.write(greeting)
  }

  // Whatever is a function or an effect is made when it is asked for, and may be passed on without its stream: kept in every
  // connection, they would be a third of what it weighs.

  get mode(): Effect.Effect<Mode> {
    return Effect.sync(() => this.current)
  }

  get setMode(): (mode: Mode) => Effect.Effect<void, WriteError> {
    return (mode) =>
      Effect.suspend(() => {
        if (this.successor !== undefined || this.port.isOver) return this.writer.closed ?? Effect.void
        this.current = mode
        return Effect.void
      })
  }

  get read(): Effect.Effect<Frame.Frame, ReadError> {
    return this.reader.one
  }

  get readAll(): Effect.Effect<NonEmptyReadonlyArray<Frame.Frame>, ReadError> {
    return this.reader.all
  }

  get runForEach(): WebsocketStream["Service"]["runForEach"] {
    return (use) => forEachItem(this.reader, use, identity)
  }

  get runForEachArray(): WebsocketStream["Service"]["runForEachArray"] {
    return (use) => forEachBatch(this.reader, use, identity)
  }

  get write(): WebsocketStream["Service"]["write"] {
    return (opcode, payload, options) =>
      this.writer.write([Frame.make(opcode, typeof payload === "string" ? Buffer.from(payload) : payload, options)])
  }

  get writeAll(): WebsocketStream["Service"]["writeAll"] {
    return (frames) => this.writer.write(frames)
  }

  get awaitReadable(): Effect.Effect<void, ReadError> {
    return this.reader.ready
  }

  get awaitWritable(): Effect.Effect<void, WriteError> {
    return this.writer.awaitWritable
  }

  // What a log shows: as that of a `Websocket`, nothing that was read.
  override toJSON(): unknown {
    return { _id: "@websocket-stream/node/WebsocketStream", role: this.role, mode: this.current }
  }

  get isOver(): boolean {
    const { lazyReader, lazyWriter, successor } = this
    if (successor !== undefined && successor !== this) return successor.isOver
    return this.port.isOver || lazyReader?.failure !== undefined || lazyWriter?.closed !== undefined
  }

  get blocks(): boolean {
    return this.current === "Block"
  }

  get takesRsv1(): boolean {
    return this.decoder.takesRsv1
  }

  /** Who reads here, unless somebody has taken the stream over. */
  get reader(): FrameReader {
    if (this.lazyReader !== undefined) return this.lazyReader
    this.lazyReader = new FrameReader(this.port, this.decoder, this)
    if (this.successor !== undefined) this.lazyReader.yieldUp()
    return this.lazyReader
  }

  /** Who writes here, in the same way. */
  private get writer(): FrameWriter {
    if (this.lazyWriter !== undefined) return this.lazyWriter
    this.lazyWriter = new FrameWriter(this.port, this.role === "client", this)
    if (this.successor !== undefined) this.lazyWriter.yieldUp()
    return this.lazyWriter
  }

  /** What a successor takes over; the stream's own reads and writes fail with `Busy` from then on. Nothing the second time. */
  yieldUp(): Estate | undefined {
    if (this.successor !== undefined) return undefined
    const { decoder, limits, port, role } = this
    // Of those who are told that it is taken, some may want to take it, or close it.
    this.successor = this
    const { ahead, ended: endedBefore } = this.lazyReader?.yieldUp() ?? unread
    const written = this.lazyWriter?.yieldUp()
    const ended = endedBefore ?? (port.isOver ? "Us" : undefined)
    return { role, limits, port, decoder, ahead, ended, written }
  }

  /** Has the successor told what comes, in the same step as it was made of what was yielded up. */
  succeedBy(successor: Successor): void {
    this.successor = successor
    this.port.listener = successor
  }

  close(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      const owner = this.successor ?? this
      // Also where that is interrupted.
      return Effect.ensuring(
        owner.released,
        Effect.suspend(() => {
          owner.abandon()
          return this.port.close(linger)
        })
      )
    })
  }

  get released(): Effect.Effect<void> {
    return Effect.void
  }

  abandon(): void {
    this.writer.end("Us")
    this.reader.abandon()
  }

  onChunk(chunk: Uint8Array, lent: boolean): boolean {
    const wantsMore = this.reader.push(chunk, lent)
    // Whoever was woken by it and has taken over has asked for more in vain, in the middle of this.
    return wantsMore || this.successor !== undefined
  }

  onEnd(): void {
    this.reader.end("Peer")
    // Unless our side stays open, there will be no event `drain` for those who wait for room.
    this.lazyWriter?.drain()
  }

  onDrain(): void {
    this.lazyWriter?.drain()
  }

  onClose(reason: Io | undefined): void {
    this.reader.end(reason ?? "Peer")
    this.writer.end(reason ?? "Peer")
  }
}

const unread = { ahead: undefined, ended: undefined }
