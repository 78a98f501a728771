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
import { type Listener, Port } from "./duplex.ts"
import { FrameReader } from "./frameReader.ts"
import { FrameWriter } from "./frameWriter.ts"

export type Mode = "Block" | "NonBlock"

export interface FrameStreamOptions {
  readonly role: Role
  readonly mode: Mode
  readonly head: Uint8Array | undefined
  readonly limits: Limits
  readonly rsv1: boolean
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
  private current: Mode

  constructor(duplex: Duplex, options: FrameStreamOptions) {
    const { head, limits, mode, role, rsv1 } = options
    const blocks = () => this.current === "Block"
    this.role = role
    this.current = mode
    this.mode = Effect.sync(() => this.current)
    this.port = new Port(duplex, this)
    const { ownsChunks } = this.port
    const decoder = FrameDecoder.make({ role, maxFrameSize: limits.maxFrameSize, rsv1, ownsChunks })
    this.reader = new FrameReader(this.port, decoder, blocks)
    this.writer = new FrameWriter(this.port, role === "client", blocks)
    this.read = this.reader.read
    this.readAll = this.reader.readAll
    this.awaitReadable = this.reader.awaitReadable
    this.awaitWritable = this.writer.awaitWritable
    // A copy, because the head is the caller's, and the decoder may write to what it is given.
    if (head !== undefined) decoder.push(new Uint8Array(head))
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

  close(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.writer.end("Us")
      this.reader.abandon()
      return this.port.close(linger)
    })
  }

  onChunk(chunk: Uint8Array): boolean {
    return this.reader.push(chunk)
  }

  onEnd(): void {
    this.reader.end("Peer")
  }

  onDrain(): void {
    this.writer.drain()
  }

  onClose(reason: Io | undefined): void {
    this.reader.end(reason ?? "Peer")
    this.writer.end(reason ?? "Peer")
  }
}
