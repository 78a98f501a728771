/**
 * The writing half of a `WebsocketStream`: a write waits for room first and then queues its frames whole, in one step. So
 * an interruption finds either nothing queued or all of it, and frames of different writers never interleave.
 */
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Busy, Encode, type Io, WouldBlock, WriteError } from "../WebsocketError.ts"
import { allocate } from "./allocate.ts"
import { abnormal } from "./closed.ts"
import type { Modal } from "./frameReader.ts"
import { nextMaskingKey } from "./maskingKeys.ts"
import type { Port } from "./port.ts"
import { untraced } from "./untraced.ts"
import { Waiters } from "./waiters.ts"

export class FrameWriter {
  private readonly port: Port
  private readonly masked: boolean
  private readonly owner: Modal
  private closeSent = false
  private isYieldedUp = false
  private ended: Exit.Exit<never, WriteError> | undefined = undefined
  // Made for the first that has to wait: most connections never have one.
  private waiters: Waiters<() => void> | undefined = undefined

  constructor(port: Port, masked: boolean, owner: Modal) {
    this.port = port
    this.masked = masked
    this.owner = owner
  }

  /** Succeeds when a write would not wait, fails when none is possible any more. */
  get awaitWritable(): Effect.Effect<void, WriteError> {
    return this.whenRoom(() => this.refusal([]) ?? Exit.void, always)
  }

  /** Queues all the frames, and answers how many bytes they take on the wire. */
  write(frames: NonEmptyReadonlyArray<Frame.Frame>): Effect.Effect<number, WriteError> {
    return this.whenRoom(() => this.refusal(frames) ?? Exit.succeed(this.queue(frames)), this.owner)
  }

  /**
   * Runs `proceed`, which may queue, in one step, as soon as there is room or there will be none; waits for that where
   * the mode says so.
   */
  whenRoom<A>(proceed: () => Exit.Exit<A, WriteError>, modal: Modal): Effect.Effect<A, WriteError> {
    return Effect.suspend(() => {
      if (this.hasRoom) return proceed()
      if (!modal.blocks) return this.refusal([]) ?? wouldBlock
      return Effect.callback<A, WriteError>((resume) => {
        const waiter = () => resume(attempt(proceed))
        const waiters = this.waiters ??= new Waiters()
        waiters.add(waiter)
        // A fiber may be made to yield between its look and this: the one event `drain` may have come meanwhile.
        this.drain()
        return Effect.sync(() => waiters.remove(waiter))
      })
    })
  }

  /**
   * Queues frames, whether there is room or not, and answers how many bytes they take on the wire. Payloads that are ours to keep
   * are not copied where they are large: a tenth of what an echo of 64 KiB costs.
   */
  queue(frames: ReadonlyArray<Frame.Frame>, keepsPayloads = false): number {
    if (keepsPayloads && !this.masked) {
      if (frames.some(isLarge)) return this.queueApart(frames)
      if (frames.length === 1) return this.queueShared(frames[0]!)
    }
    let length = 0
    for (const frame of frames) length += Frame.encodedLength(frame, this.masked)
    // Not zeroed, because the frames fill it to the last byte. A large one is garbage as a payload is: told of it, the collector
    // finds it in time, a fifth of what it takes to echo frames of 1 MiB.
    const bytes = length < largeFrom ? Buffer.allocUnsafe(length) : allocate(length)
    let at = 0
    for (const frame of frames) {
      at = Frame.encodeInto(frame, bytes, at, this.masked ? nextMaskingKey() : undefined)
      this.closeSent ||= frame.opcode === Opcode.Close
    }
    this.port.write(bytes)
    return length
  }

  // A broadcast sends one message to many, one after the other: its bytes are made once for all of them.
  private queueShared(frame: Frame.Frame): number {
    const { fin, opcode, payload, rsv1 } = frame
    if (payload !== shared.payload || opcode !== shared.opcode || !fin || rsv1) {
      const bytes = Buffer.allocUnsafe(Frame.encodedLength(frame, false))
      Frame.encodeInto(frame, bytes, 0)
      shared = { payload: fin && !rsv1 ? payload : undefined, opcode, bytes }
    }
    this.port.write(shared.bytes)
    return shared.bytes.length
  }

  // Header and payload go by one vectored write.
  private queueApart(frames: ReadonlyArray<Frame.Frame>): number {
    let length = 0
    for (const frame of frames) {
      const header = Buffer.allocUnsafe(Frame.headerLength(frame.payload.length, false))
      Frame.encodeHeader(frame, header, 0)
      this.port.write(header)
      this.port.write(frame.payload)
      length += header.length + frame.payload.length
    }
    return length
  }

  /** Hands the writing over to somebody else, who uses `whenRoom` and `queue`: writers fail with `Busy`. */
  yieldUp(): void {
    this.isYieldedUp = true
  }

  /** Why nothing can be written any more, or `undefined`. */
  get closed(): Exit.Exit<never, WriteError> | undefined {
    if (this.ended !== undefined) return this.ended
    // RFC 6455 5.5.1: "The application MUST NOT send any more data frames after sending a Close frame."
    if (this.closeSent) return closedBy("Us")
    if (this.port.isWritable) return undefined
    return this.port.failure === undefined ? closedBy("Peer") : failWith(this.port.failure)
  }

  /** There is room again. */
  drain(): void {
    const { waiters } = this
    if (waiters === undefined) return
    while (!waiters.isEmpty && (!this.port.isFull || this.closed !== undefined)) waiters.take()!()
  }

  /** Nothing can be written any more. The first to say so is believed. */
  end(reason: "Peer" | "Us" | Io): void {
    this.ended ??= typeof reason === "object" ? failWith(reason) : closedBy(reason)
    this.drain()
  }

  /** Whether a write need not wait. Those who came first go first, even if there is room by now. */
  get hasRoom(): boolean {
    return this.closed !== undefined || (this.waiters?.isEmpty !== false && !this.port.isFull)
  }

  private refusal(frames: ReadonlyArray<Frame.Frame>): Exit.Exit<never, WriteError> | undefined {
    if (this.isYieldedUp) return busy
    if (this.closed !== undefined) return this.closed
    const close = frames.findIndex((frame) => frame.opcode === Opcode.Close)
    if (close >= 0 && close < frames.length - 1) return closedBy("Us")
    for (const frame of frames) {
      const error = Frame.check(frame)
      if (error !== undefined) return Exit.fail(new WriteError({ reason: new Encode({ error }) }))
    }
    return undefined
  }
}

/** A mode that waits. */
export const always: Modal = { blocks: true }

// The last frame that somebody sent and nobody may change. Less than a large one.
let shared: {
  readonly payload: Uint8Array | undefined
  readonly opcode: Opcode.Opcode
  readonly bytes: Uint8Array
} = { payload: undefined, opcode: Opcode.Continuation, bytes: new Uint8Array(0) }

// Bytes.
const largeFrom = 16 * 1024

const isLarge = ({ payload }: Frame.Frame): boolean => payload.length >= largeFrom

// Called by an event: what `proceed` throws, for a payload that is none, would end the process and not just the fiber.
const attempt = <A, E>(proceed: () => Exit.Exit<A, E>): Exit.Exit<A, E> => {
  try {
    return proceed()
  } catch (defect) {
    return Exit.die(defect)
  }
}

const failWith = (reason: WriteError["reason"]) => Exit.fail(untraced(() => new WriteError({ reason })))

const closedBy = (by: "Peer" | "Us") => failWith(abnormal(by))

// Shared, because an error with a stack of its own costs 6 to 14 microseconds.
const wouldBlock = failWith(new WouldBlock())
const busy = failWith(new Busy())
