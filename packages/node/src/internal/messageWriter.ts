/**
 * The sending half of a `Websocket`: messages become frames and are queued whole. A message that is sent in pieces holds a
 * lock that other messages wait for; as long as there is none, nobody pays for it.
 */
import type { Connection } from "@websocket-stream/core/Connection"
import type { EncodeError } from "@websocket-stream/core/EncodeError"
import * as Frame from "@websocket-stream/core/Frame"
import type * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Semaphore from "effect/Semaphore"
import * as Stream from "effect/Stream"
import type { Sendable } from "../Websocket.ts"
import { Encode, WriteError } from "../WebsocketError.ts"
import { closedAs } from "./closed.ts"
import type { Compressed, Deflater } from "./deflate.ts"
import { type Ended, FrameQueue } from "./frameQueue.ts"
import type { Meter } from "./meter.ts"
import { Milestone } from "./milestone.ts"
import { PieceBytes } from "./pieceBytes.ts"
import type { Port } from "./port.ts"

/** A message to many. */
export interface Shared {
  readonly frame: Frame.Frame
  /** The frame as a server sends it, which all who get it hold. */
  readonly bytes: Uint8Array
  readonly compress: boolean
}

interface Lock {
  readonly semaphore: Semaphore.Semaphore
  users: number
  /** Nothing can be sent any more, for whoever waits for pieces, which may never come. */
  over: Milestone | undefined
}

export class MessageWriter extends FrameQueue {
  private lock: Lock | undefined = undefined
  private readonly deflater: Deflater | undefined
  private readonly meter: Meter | undefined
  private pendingPong: Frame.Frame | undefined = undefined
  private readonly connection: Connection

  constructor(
    port: Port,
    masked: boolean,
    connection: Connection,
    deflater: Deflater | undefined,
    meter: Meter | undefined,
    ended: Ended | undefined
  ) {
    super(port, masked, ended)
    this.connection = connection
    this.deflater = deflater
    this.meter = meter
  }

  /** Queues messages, in one step unless something is to be compressed. */
  sendAll(messages: NonEmptyReadonlyArray<Sendable>, compress: boolean): Effect.Effect<void, WriteError> {
    return Effect.suspend(() => {
      // A message belongs to the connection, and a string is encoded by us. Bytes are their sender's to change.
      let keeps = true
      const frames = messages.map((message) => {
        if (message instanceof Uint8Array) keeps = false
        return frameOf(message)
      })
      return this.sendFrames(frames, compress, keeps)
    })
  }

  /** Sends what many get, as any message. */
  sendShared({ compress, frame }: Shared): Effect.Effect<void, WriteError> {
    return Effect.suspend(() => this.sendFrames([frame], compress, true))
  }

  /** Queues what many get, unless it would have to wait, to fail, or to be another for this one: whether it did. */
  trySend({ bytes, compress, frame }: Shared): boolean {
    if (this.masked || this.lock !== undefined || !this.isReady) return false
    if (compress && this.deflater !== undefined && !isSmall(frame, this.deflater)) return false
    this.port.write(bytes)
    if (this.meter !== undefined) count(this.meter, [frame])
    return true
  }

  /** Sends a message in fragments as they come; runs `breakOff` if they end in the middle of it. */
  sendStream<E, R>(
    opcode: Message.Message["opcode"],
    pieces: Stream.Stream<string | Uint8Array, E, R>,
    breakOff: Effect.Effect<void>
  ): Effect.Effect<void, E | WriteError, R> {
    return this.locked(Effect.suspend(() => {
      const { refusal } = this
      if (refusal !== undefined) return refusal
      let next: Frame.Frame["opcode"] = opcode
      let isWhole = false
      const fragment = (payload: Uint8Array, fin: boolean) =>
        this.sendWhenRoom(() =>
          Result.map(this.connection.sendFragment(Frame.make(next, payload, { fin })), (frame) => {
            // Not before: an end while the first piece still waits, or behind the last one, breaks nothing off.
            next = fin ? opcode : Opcode.Continuation
            isWhole = fin
            return [frame]
          })
        )
      const bytes = new PieceBytes()
      return Stream.runForEach(pieces, (piece) => fragment(bytes.of(piece), false)).pipe(
        Effect.andThen(Effect.suspend(() => fragment(bytes.takeRest(), true))),
        // Once its last piece was sent the fiber may be made to yield, and the end come before it says so.
        Effect.raceFirst(Effect.catchIf(this.over, () => isWhole, () => Effect.void)),
        // The peer has half a message, and nothing can make it whole.
        Effect.onError(() => (next === Opcode.Continuation ? breakOff : Effect.void))
      )
    }))
  }

  /** Sends a ping, when there is room, and runs `sent` in the same step. */
  ping(payload: Uint8Array, sent: () => void): Effect.Effect<void, WriteError> {
    return this.sendWhenRoom(() =>
      Result.map(this.connection.ping(payload), (frame) => {
        sent()
        return [frame]
      })
    )
  }

  /** Sends a ping now, unless there is no room or nothing can be sent any more: whether it did. */
  tryPing(payload: Uint8Array): boolean {
    if (this.port.isFull || this.refusal !== undefined) return false
    const frame = this.connection.ping(payload)
    if (Result.isFailure(frame)) return false
    this.queue([frame.success])
    return true
  }

  /** Sends a pong; one that still waits for room when the next comes is not sent any more (RFC 6455 5.5.3). */
  pong(frame: Frame.Frame): void {
    this.pendingPong = frame
    this.drain()
  }

  /** Sends a Close frame, whether there is room or not: it is the last, and those who wait for room fail. */
  close(frame: Frame.Frame): void {
    this.pendingPong = undefined
    if (this.closed === undefined) this.queue([frame])
    this.drain()
  }

  /** There is room: for the pong first. */
  override drain(): void {
    const frame = this.pendingPong
    if (frame !== undefined && !this.port.isFull && this.closed === undefined) {
      this.pendingPong = undefined
      this.queue([frame])
    }
    super.drain()
    if (this.lock?.over !== undefined && this.refusal !== undefined) this.lock.over.reach()
  }

  private sendFrames(
    frames: ReadonlyArray<Frame.Frame>,
    compress: boolean,
    keeps: boolean
  ): Effect.Effect<void, WriteError> {
    const deflater = compress ? this.deflater : undefined
    return deflater === undefined || frames.every((frame) => isSmall(frame, deflater))
      ? this.sendTogether(frames, keeps)
      : Effect.forEach(frames, (frame) => this.sendOne(frame, deflater, keeps), { discard: true })
  }

  private sendOne(frame: Frame.Frame, deflater: Deflater, keeps: boolean): Effect.Effect<void, WriteError> {
    if (isSmall(frame, deflater)) return Effect.suspend(() => this.sendTogether([frame], keeps))
    const { opcode } = frame
    const compressed = compress(deflater, frame.payload)
    // What is compressed with a window is to be sent in the order in which it was compressed.
    return deflater.takesOver
      ? this.locked(Effect.flatMap(compressed, (compressed) => this.sendCompressed(opcode, compressed)))
      : Effect.flatMap(compressed, ({ payload }) => this.sendTogether([compressedFrame(opcode, payload)], true))
  }

  // Whole messages, in one step. Most find room, and the connection need not be asked, which would be one object more to be
  // fetched from memory: its Close frame would have been queued, and amid fragments there is a lock.
  private sendTogether(frames: ReadonlyArray<Frame.Frame>, keeps: boolean): Effect.Effect<void, WriteError> {
    if (this.lock !== undefined) return this.sendInTurn(frames, keeps)
    if (this.isReady) return this.sendNow(frames, keeps)
    // By then somebody may have begun a message in pieces.
    return this.whenRoom(() =>
      this.refusal ??
        (this.connection.refusal === undefined ? this.sendNow(frames, keeps) : this.sendInTurn(frames, keeps))
    )
  }

  private sendInTurn(frames: ReadonlyArray<Frame.Frame>, keeps: boolean): Effect.Effect<void, WriteError> {
    return this.locked(this.sendWhenRoom(() => Result.succeed(frames), keeps))
  }

  private sendCompressed(opcode: Opcode.Opcode, { commit, payload }: Compressed): Effect.Effect<void, WriteError> {
    return this.sendWhenRoom(() => {
      // Not before: a window must hold what the peer was sent, and nothing else.
      commit()
      return Result.succeed([compressedFrame(opcode, payload)])
    }, true)
  }

  private sendWhenRoom(
    frames: () => Result.Result<ReadonlyArray<Frame.Frame>, EncodeError>,
    keeps = false
  ): Effect.Effect<void, WriteError> {
    return this.whenRoom(() => {
      const { refusal } = this
      if (refusal !== undefined) return refusal
      const checked = frames()
      return Result.isFailure(checked)
        ? Exit.fail(new WriteError({ reason: new Encode({ error: checked.failure }) }))
        : this.sendNow(checked.success, keeps)
    })
  }

  private sendNow(frames: ReadonlyArray<Frame.Frame>, keeps: boolean): Exit.Exit<void> {
    this.queue(frames, keeps)
    if (this.meter !== undefined) count(this.meter, frames)
    return Exit.void
  }

  private get refusal(): Exit.Exit<never, WriteError> | undefined {
    const { closing } = this.connection
    return closing.sent === undefined ? this.closed : Exit.fail(new WriteError({ reason: closedAs(closing) }))
  }

  // Of whoever holds the lock: with it the others are let go, too.
  private get over(): Effect.Effect<never, WriteError> {
    const over = this.lock!.over ??= new Milestone()
    return Effect.flatMap(over.reached, () => this.refusal!)
  }

  private locked<A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> {
    return Effect.acquireUseRelease(
      Effect.sync(() => {
        const lock = this.lock ??= { semaphore: Semaphore.makeUnsafe(1), users: 0, over: undefined }
        lock.users++
        return lock
      }),
      (lock) => lock.semaphore.withPermit(effect),
      (lock) =>
        Effect.sync(() => {
          if (--lock.users === 0) this.lock = undefined
        })
    )
  }
}

const count = (meter: Meter, frames: ReadonlyArray<Frame.Frame>): void => {
  for (const { fin, opcode, payload } of frames) {
    if (!Opcode.isData(opcode)) continue
    meter.bytesSent += payload.length
    if (fin) meter.messagesSent++
  }
}

export const frameOf = (message: Sendable): Frame.Frame => {
  if (typeof message === "string") return textFrame(message)
  return message instanceof Uint8Array ? Frame.make(Opcode.Binary, message) : messageFrame(message)
}

const messageFrame = (message: Message.Message | null | undefined): Frame.Frame => {
  // Of a caller without types, or with those of JSON.stringify, which says that it gives a string and gives undefined for one. A large
  // payload is given to the system as it is, and what is none would end the process there.
  if (!(message?.payload instanceof Uint8Array)) throw new TypeError("a message must be a string, bytes or a Message")
  return Frame.make(message.opcode === Opcode.Text ? Opcode.Text : Opcode.Binary, message.payload)
}

// A broadcast sends one text to many, one after the other: its bytes are made once for all of them.
const textFrame = (text: string): Frame.Frame => {
  if (text === sharedText) return sharedFrame
  const frame = Frame.make(Opcode.Text, Buffer.from(text))
  if (text.length > sharedAtMost) return frame
  sharedText = text
  return sharedFrame = frame
}

// Characters. Longer ones are not worth being held, nor being compared.
const sharedAtMost = 4096

let sharedText = ""
let sharedFrame = Frame.make(Opcode.Text, new Uint8Array(0))

const compressedFrame = (opcode: Opcode.Opcode, payload: Uint8Array): Frame.Frame =>
  Frame.make(opcode, payload, { rsv1: true })

const isSmall = (frame: Frame.Frame, deflater: Deflater): boolean => frame.payload.length < deflater.threshold

const compress = (deflater: Deflater, payload: Uint8Array): Effect.Effect<Compressed> =>
  Effect.callback((resume) => deflater.compress(payload, (compressed) => resume(Effect.succeed(compressed))))
