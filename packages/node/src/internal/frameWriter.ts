/** The writing half of a `WebsocketStream`: any frames, by whoever is the endpoint. */
import { EncodeError } from "@websocket-stream/core/EncodeError"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { Busy, Encode, WouldBlock, WriteError } from "../WebsocketError.ts"
import { abnormal } from "./closed.ts"
import { failedWrite } from "./failures.ts"
import { type Ended, FrameQueue } from "./frameQueue.ts"
import type { Modal } from "./frameReader.ts"
import type { Port } from "./port.ts"

/** Whose frames they are. */
interface Owner extends Modal {
  /** Whether an extension that uses RSV1 was negotiated. */
  readonly takesRsv1: boolean
}

export class FrameWriter extends FrameQueue {
  private readonly owner: Owner

  constructor(port: Port, masked: boolean, owner: Owner) {
    super(port, masked)
    this.owner = owner
  }

  /** Succeeds when a write would not wait, fails when none is possible any more. */
  get awaitWritable(): Effect.Effect<void, WriteError> {
    return this.whenRoom(() => this.refusal([]) ?? Exit.void)
  }

  /** Queues all the frames, and answers how many bytes they take on the wire. Waits for room where the mode says so. */
  write(frames: NonEmptyReadonlyArray<Frame.Frame>): Effect.Effect<number, WriteError> {
    const proceed = () => this.refusal(frames) ?? Exit.succeed(this.queue(frames))
    return Effect.suspend(() => {
      if (this.hasRoom) return proceed()
      return this.owner.blocks ? this.onceRoom(proceed) : this.refusal([]) ?? wouldBlock
    })
  }

  /** Hands the writing over to somebody else: writers fail with `Busy`, those that wait among them. Answers what is left to go on from. */
  yieldUp(): Ended {
    return this.dismiss(busy)
  }

  private refusal(frames: ReadonlyArray<Frame.Frame>): Exit.Exit<never, WriteError> | undefined {
    const { closed } = this
    if (closed !== undefined) return closed
    const close = frames.findIndex((frame) => frame.opcode === Opcode.Close)
    if (close >= 0 && close < frames.length - 1) return failedWrite(abnormal("Us"))
    for (const frame of frames) {
      const error = Frame.check(frame) ?? this.unnegotiated(frame)
      if (error !== undefined) return Exit.fail(new WriteError({ reason: new Encode({ error }) }))
    }
    return undefined
  }

  // RFC 6455 5.2: "MUST be 0 unless an extension is negotiated that defines meanings for non-zero values."
  private unnegotiated({ rsv1 }: Frame.Frame): EncodeError | undefined {
    return rsv1 && !this.owner.takesRsv1 ? new EncodeError({ reason: { _tag: "ExtensionMissing" } }) : undefined
  }
}

// Shared, as who polls gets it each time that there is no room.
const wouldBlock = failedWrite(new WouldBlock())
const busy = failedWrite(new Busy())
