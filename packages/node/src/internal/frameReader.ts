/**
 * The reading half of a `WebsocketStream`: bytes go from the port into the decoder, and frames are parsed as they are asked
 * for, one ahead of the readers at most. A chunk of 64 KiB may hold 32,768 empty frames, and as bytes they cost nothing.
 */
import type { Frame } from "@websocket-stream/core/Frame"
import type { FrameDecoder } from "@websocket-stream/core/FrameDecoder"
import * as Result from "effect/Result"
import { Busy, Protocol } from "../WebsocketError.ts"
import { type EndedBy, endReason } from "./closed.ts"
import { failedRead } from "./failures.ts"
import type { Estate } from "./frameStream.ts"
import type { Port } from "./port.ts"
import { Supply } from "./supply.ts"

/** What has a mode. */
export interface Modal {
  /** Whether operations that cannot go on at once wait. */
  readonly blocks: boolean
}

export class FrameReader extends Supply<Frame> {
  private readonly port: Port
  private readonly decoder: FrameDecoder
  private readonly owner: Modal
  private ahead: Frame | undefined = undefined
  private ended: EndedBy | undefined = undefined

  constructor(port: Port, decoder: FrameDecoder, owner: Modal) {
    super()
    this.port = port
    this.decoder = decoder
    this.owner = owner
  }

  get hasItem(): boolean {
    if (this.ahead !== undefined || this.failure !== undefined) return this.ahead !== undefined
    const next = this.decoder.next()
    if (Result.isFailure(next)) this.failure = failedRead(new Protocol({ error: next.failure }))
    else if (next.success !== undefined) this.ahead = next.success
    else if (this.ended !== undefined) this.failure = failedRead(endReason(this.ended, this.isInFrame))
    return this.ahead !== undefined
  }

  /** Bytes came. Answers whether somebody waits for more. */
  push(chunk: Uint8Array, lent: boolean): boolean {
    this.decoder.push(chunk, lent)
    this.wake()
    if (lent) this.decoder.keep()
    return this.isAwaited
  }

  /** There will be no more bytes. The first to say so is believed. */
  end(by: EndedBy): void {
    this.ended ??= by
    this.wake()
  }

  /** As `end`, and the frames that nobody has read yet are gone. */
  abandon(): void {
    this.ended ??= "Us"
    if (this.failure === undefined) {
      // Behind a whole frame that is gone the end cuts none that anybody would have seen.
      const isWhole = this.ahead !== undefined || Result.getOrUndefined(this.decoder.next()) !== undefined
      this.failure = failedRead(endReason(this.ended, !isWhole && this.isInFrame))
    }
    this.ahead = undefined
    this.wake()
  }

  /** Hands the reading over to somebody else: readers fail with `Busy`. Answers what is left to go on from. */
  yieldUp(): Pick<Estate, "ahead" | "ended"> {
    const { ahead, ended } = this
    this.ahead = undefined
    this.failure = busy
    this.wake()
    return { ahead, ended }
  }

  get blocks(): boolean {
    return this.owner.blocks
  }

  shift(): Frame {
    const frame = this.ahead!
    this.ahead = undefined
    return frame
  }

  pull(): void {
    this.port.pull()
  }

  // Where no whole frame is left: whether one has begun.
  private get isInFrame(): boolean {
    return this.decoder.bufferedBytes > 0
  }
}

// Shared, as each connection that is for messages has it.
const busy = failedRead(new Busy())
