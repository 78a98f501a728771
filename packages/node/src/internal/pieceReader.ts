/** The pieces of a message that is received without being held whole. */
import type * as Message from "@websocket-stream/core/Message"
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Exit from "effect/Exit"
import type { ReadError } from "../WebsocketError.ts"
import { Milestone } from "./milestone.ts"
import { ReceivedQueue } from "./receivedQueue.ts"

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

export class PieceReader extends ReceivedQueue<Piece> {
  /** The opcode of the message, once its first piece has come. */
  opcode: Message.Message["opcode"] | undefined = undefined
  /** There will be no more pieces to come, so that it is somebody else's turn. */
  readonly complete: Milestone = new Milestone()

  private readonly source: PieceSource

  constructor(source: PieceSource) {
    super()
    this.source = source
  }

  override add(piece: Piece): void {
    this.opcode ??= piece.opcode
    super.add(piece)
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
    this.forgetQueue()
    this.fail(failure)
  }

  get blocks(): boolean {
    return true
  }

  override shift(): Piece {
    const piece = super.shift()
    this.endBehind(piece)
    return piece
  }

  override shiftAll(): NonEmptyReadonlyArray<Piece> {
    const pieces = super.shiftAll()
    this.endBehind(pieces.at(-1)!)
    return pieces
  }

  pull(): void {
    this.source.pull()
  }

  // More is asked for by who waits for it.
  protected emptied(): void {}

  private endBehind({ last }: Piece): void {
    if (last) this.source.endPieces(this)
  }
}
