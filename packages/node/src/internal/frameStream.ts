/** A `WebsocketStream`: the two halves over one port, and the mode that they share. */
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type { Limits } from "@websocket-stream/core/Limits"
import type { Opcode } from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import type { Io, ReadError, WriteError } from "../WebsocketError.ts"
import type { Mode } from "../WebsocketStream.ts"
import { type Listener, Port } from "./duplex.ts"
import { FrameReader } from "./frameReader.ts"
import { FrameWriter } from "./frameWriter.ts"

export interface FrameStreamOptions {
  readonly role: Role
  readonly mode: Mode
  readonly head: Uint8Array | undefined
  readonly limits: Limits
  readonly rsv1: boolean
}

/** What comes in, for whoever takes it: the frames' readers, or a `Websocket`. */
export interface Incoming {
  /** Bytes came. Answers whether more are wanted now. */
  readonly push: (chunk: Uint8Array) => boolean
  /** There will be no more bytes. */
  readonly end: (reason: "Peer" | "Us" | Io) => void
  /** As `end`, and what nobody has taken yet is gone. */
  readonly abandon: () => void
  /** There is room for writes again. */
  readonly drain?: () => void
}

/** What a stream consists of, for a `Websocket` that takes it over. */
export interface Estate {
  readonly role: Role
  readonly limits: Limits
  readonly port: Port
  readonly decoder: FrameDecoder.FrameDecoder
  readonly writer: FrameWriter
  /** The frame that was parsed already. */
  readonly ahead: Frame.Frame | undefined
  /** Why there will be no more bytes. */
  readonly ended: "Peer" | "Us" | Io | undefined
}

export class FrameStream implements Listener {
  readonly role: Role
  readonly mode: Effect.Effect<Mode>
  readonly read: Effect.Effect<Frame.Frame, ReadError>
  readonly readAll: Effect.Effect<NonEmptyReadonlyArray<Frame.Frame>, ReadError>
  readonly awaitReadable: Effect.Effect<void, ReadError>
  readonly awaitWritable: Effect.Effect<void, WriteError>

  readonly reader: FrameReader
  private readonly writer: FrameWriter
  private readonly port: Port
  private readonly limits: Limits
  private readonly decoder: FrameDecoder.FrameDecoder
  private incoming: Incoming
  private current: Mode

  constructor(duplex: Duplex, options: FrameStreamOptions) {
    const { head, limits, mode, role, rsv1 } = options
    const blocks = () => this.current === "Block"
    this.role = role
    this.current = mode
    this.mode = Effect.sync(() => this.current)
    this.port = new Port(duplex, this)
    const { ownsChunks } = this.port
    this.limits = limits
    this.decoder = FrameDecoder.make({ role, maxFrameSize: limits.maxFrameSize, rsv1, ownsChunks })
    this.reader = new FrameReader(this.port, this.decoder, blocks)
    this.incoming = this.reader
    this.writer = new FrameWriter(this.port, role === "client", blocks)
    this.read = this.reader.one
    this.readAll = this.reader.all
    this.awaitReadable = this.reader.ready
    this.awaitWritable = this.writer.awaitWritable
    // A copy, because the head is the caller's, and the decoder may write to what it is given.
    if (head !== undefined) this.decoder.push(new Uint8Array(head))
    this.port.attach()
  }

  readonly setMode = (mode: Mode): Effect.Effect<void, WriteError> =>
    Effect.suspend(() => {
      if (this.port.isOver) return this.writer.closed ?? Effect.void
      this.current = mode
      return Effect.void
    })

  readonly write = (
    opcode: Opcode,
    payload: Uint8Array | string,
    options?: { readonly fin?: boolean | undefined; readonly rsv1?: boolean | undefined }
  ): Effect.Effect<number, WriteError> =>
    this.writer.write([Frame.make(opcode, typeof payload === "string" ? Buffer.from(payload) : payload, options)])

  readonly writeAll = (frames: NonEmptyReadonlyArray<Frame.Frame>): Effect.Effect<number, WriteError> =>
    this.writer.write(frames)

  /** Hands the stream over; its own reads and writes fail with `Busy` from then on. Answers nothing the second time. */
  takeOver<A extends Incoming>(successor: (estate: Estate) => A): A | undefined {
    if (this.incoming !== this.reader) return undefined
    const { decoder, limits, port, role, writer } = this
    const left = this.reader.yieldUp()
    writer.yieldUp()
    const incoming = successor({ role, limits, port, decoder, writer, ...left })
    this.incoming = incoming
    return incoming
  }

  close(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.writer.end("Us")
      this.incoming.abandon()
      return this.port.close(linger)
    })
  }

  onChunk(chunk: Uint8Array): boolean {
    return this.incoming.push(chunk)
  }

  onEnd(): void {
    this.incoming.end("Peer")
    // Unless our side stays open, there will be no event `drain` for those who wait for room.
    this.writer.drain()
  }

  onDrain(): void {
    this.incoming.drain?.()
    this.writer.drain()
  }

  onClose(reason: Io | undefined): void {
    this.incoming.end(reason ?? "Peer")
    this.writer.end(reason ?? "Peer")
  }
}
