/** The pieces of a message that is received without being held whole. */
import type * as Message from "@websocket-stream/core/Message"
import type * as Exit from "effect/Exit"
import type { ReadError } from "../WebsocketError.ts"
import { Milestone } from "./milestone.ts"
import { costOf, takenAtMost } from "./queueing.ts"
import { Supply } from "./supply.ts"

export interface Piece {
  readonly opcode: Message.Message["opcode"]
  readonly payload: Uint8Array
  /** Whether the message ends with it. */
  readonly last: boolean
}

/** Who has the pieces come. */
export interface PieceSource {
  readonly pull: () => void
  /** The last piece was taken, or nobody takes any more. */
  readonly endPieces: (pieces: PieceReader) => void
}

export class PieceReader extends Supply<Piece> {
  /** What waits to be taken weighs, in bytes. */
  queuedBytes = 0
  /** The opcode of the message, once its first piece has come. */
  opcode: Message.Message["opcode"] | undefined = undefined
  /** There will be no more pieces to come, so that it is somebody else's turn. */
  readonly complete: Milestone = new Milestone()

  private queue: Array<Piece> = []
  private taken = 0
  private readonly source: PieceSource

  constructor(source: PieceSource) {
    super()
    this.source = source
  }

  get hasItem(): boolean {
    return this.taken < this.queue.length
  }

  add(piece: Piece): void {
    this.opcode ??= piece.opcode
    this.queue.push(piece)
    this.queuedBytes += costOf(piece)
    this.wake()
    if (piece.last) this.complete.reach()
  }

  /** There will be no more pieces behind those that are there. */
  fail(failure: Exit.Exit<never, ReadError>): void {
    this.failure ??= failure
    this.wake()
    this.complete.reach()
  }

  /** Nobody is to take any more: whoever waits is told so. */
  end(failure: Exit.Exit<never, ReadError>): void {
    this.queue = []
    this.taken = 0
    this.queuedBytes = 0
    this.fail(failure)
  }

  get blocks(): boolean {
    return true
  }

  shift(): Piece {
    const piece = this.queue[this.taken++]!
    this.queuedBytes -= costOf(piece)
    if (this.taken === this.queue.length || this.taken === takenAtMost) {
      this.queue = this.queue.slice(this.taken)
      this.taken = 0
    }
    if (piece.last) this.source.endPieces(this)
    return piece
  }

  pull(): void {
    this.source.pull()
  }
}
