/**
 * The reading half of a `WebsocketStream`: bytes go from the port into the decoder, and frames are parsed as they are asked
 * for, one ahead of the readers at most. A chunk of 64 KiB may hold 32,768 empty frames, and as bytes they cost nothing.
 */
import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { Frame } from "@websocket-stream/core/Frame"
import type { FrameDecoder } from "@websocket-stream/core/FrameDecoder"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import { Closed, type Io, Protocol, ReadError, WouldBlock } from "../WebsocketError.ts"
import type { Port } from "./duplex.ts"
import { Waiters } from "./waiters.ts"

export class FrameReader {
  /** One frame. */
  readonly read: Effect.Effect<Frame, ReadError>
  /** All whole frames that there are, at least one. */
  readonly readAll: Effect.Effect<NonEmptyReadonlyArray<Frame>, ReadError>
  /** Succeeds when a frame could be read, fails as a read would. */
  readonly awaitReadable: Effect.Effect<void, ReadError>

  private readonly port: Port
  private readonly decoder: FrameDecoder
  private readonly blocks: () => boolean
  private ahead: Frame | undefined = undefined
  private ended: "Peer" | "Us" | Io | undefined = undefined
  private failure: Exit.Exit<never, ReadError> | undefined = undefined
  private readonly waiters = new Waiters<() => void>()

  constructor(port: Port, decoder: FrameDecoder, blocks: () => boolean) {
    this.port = port
    this.decoder = decoder
    this.blocks = blocks
    this.read = this.taking(() => this.takeOne())
    this.readAll = this.taking(() => this.takeAll())
    const wait = this.waitingFor(Effect.suspend(() => this.awaitReadable))
    this.awaitReadable = Effect.suspend(() => (this.isReady ? (this.failure ?? Exit.void) : wait))
  }

  /** Whether a read would not wait: a frame is there, or there will be none. */
  get isReady(): boolean {
    if (this.ahead !== undefined || this.failure !== undefined) return true
    const next = this.decoder.next()
    if (Result.isFailure(next)) {
      this.failure = Exit.fail(new ReadError({ reason: new Protocol({ error: next.failure }) }))
    } else if (next.success !== undefined) {
      this.ahead = next.success
    } else if (this.ended !== undefined) {
      this.failure = Exit.fail(new ReadError({ reason: this.endReason(this.ended) }))
    }
    return this.ahead !== undefined || this.failure !== undefined
  }

  /** Calls back once, as soon as `isReady`, unless the answer is called first. */
  whenReady(callback: () => void): () => void {
    this.waiters.add(callback)
    this.port.pull()
    // A fiber may be made to yield between its look and this: what came meanwhile found nobody to wake.
    this.wake()
    return () => this.waiters.remove(callback)
  }

  /** Bytes came. Answers whether somebody waits for more. */
  push(chunk: Uint8Array): boolean {
    this.decoder.push(chunk)
    this.wake()
    return !this.waiters.isEmpty
  }

  /** There will be no more bytes. The first to say so is believed. */
  end(reason: "Peer" | "Us" | Io): void {
    this.ended ??= reason
    this.wake()
  }

  /** As `end`, and the frames that nobody has read yet are gone. */
  abandon(): void {
    this.ahead = undefined
    this.failure = Exit.fail(new ReadError({ reason: this.endReason("Us") }))
    this.wake()
  }

  // A waiter that is called may read on, so that there is nothing left for the next; one whose fiber was interrupted takes
  // nothing, so that the frame is still there.
  private wake(): void {
    while (!this.waiters.isEmpty && this.isReady) this.waiters.take()!()
  }

  // A frame is taken and given to the fiber in one operation of its run loop, by `Effect.sync`: were it the value of an
  // `Exit` that `suspend` answers, an interruption could fall between the two, and the frame with it.
  private taking<A>(take: () => A): Effect.Effect<A, ReadError> {
    const self: Effect.Effect<A, ReadError> = Effect.suspend(() => {
      if (!this.isReady && !this.blocks()) this.port.pull()
      if (this.isReady) return this.ahead === undefined ? this.failure! : taken
      return this.blocks() ? wait : wouldBlock
    })
    const taken = Effect.sync(() => {
      if (this.ahead === undefined) throw stolen
      return take()
    }).pipe(Effect.catchDefect((defect) => (defect === stolen ? self : Effect.die(defect))))
    const wait = this.waitingFor(self)
    return self
  }

  private waitingFor<A>(then: Effect.Effect<A, ReadError>): Effect.Effect<A, ReadError> {
    return Effect.callback((resume) => {
      const cancel = this.whenReady(() => resume(then))
      return Effect.sync(cancel)
    })
  }

  private takeOne(): Frame {
    const frame = this.ahead!
    this.ahead = undefined
    return frame
  }

  private takeAll(): NonEmptyReadonlyArray<Frame> {
    const frames: [Frame, ...Array<Frame>] = [this.takeOne()]
    while (this.isReady && this.ahead !== undefined) frames.push(this.takeOne())
    return frames
  }

  private endReason(ended: "Peer" | "Us" | Io): Closed | Io {
    if (typeof ended === "object") return ended
    // RFC 6455 7.1.5: without a Close frame "_The WebSocket Connection Close Code_ is considered to be 1006".
    return new Closed({ by: ended, code: CloseCode.AbnormalClosure, truncated: this.decoder.bufferedBytes > 0 })
  }
}

// Shared, because an error with a stack of its own costs 6 to 14 microseconds.
const wouldBlock = Exit.fail(new ReadError({ reason: new WouldBlock() }))

// Another fiber took the frame while the first was made to yield. Thrown and caught in `taking`, never seen outside.
const stolen = Symbol("stolen")
