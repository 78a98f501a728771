/** Where the pieces of messages go: to who receives a message in pieces, one at a time, or nowhere, when nobody does any more. */
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { ReadError } from "../WebsocketError.ts"
import { type Dropping, isDropped } from "./dropping.ts"
import { type Piece, PieceReader, type PieceSource } from "./pieceReader.ts"

export class PieceRouting {
  // Whether the rest of a message is still to come that nobody receives any more.
  private isDropping = false
  // Who receives, until its last piece has come.
  private current: PieceReader | undefined = undefined
  // Those of whom that is there, and was not taken yet.
  private readonly untaken = new Set<PieceReader>()

  /** Whether the next part of a message goes here. */
  get isActive(): boolean {
    return this.isDropping || this.current !== undefined
  }

  /** Whether a message is there to its end, and not taken to its end. */
  get isUntaken(): boolean {
    return this.untaken.size > 0
  }

  /** What waits to be taken of the message that is still to come weighs, in bytes. */
  get currentBytes(): number {
    return this.current?.queuedBytes ?? 0
  }

  /** What waits to be taken weighs, in bytes. */
  get queuedBytes(): number {
    let bytes = this.currentBytes
    for (const { queuedBytes } of this.untaken) bytes += queuedBytes
    return bytes
  }

  /** Begins, unless somebody has begun before. */
  begin(source: PieceSource): PieceReader | undefined {
    if (this.current !== undefined) return undefined
    return this.current = new PieceReader(source)
  }

  /** Waits until somebody else may begin. */
  get turn(): Effect.Effect<void> | undefined {
    return this.current?.complete.reached
  }

  /** Answers whether it begins a message that is dropped, as nobody waits for it, or as one before it was. */
  receive(piece: Piece, dropping: Dropping): boolean {
    const { current, isDropping } = this
    // Where nobody waits, whoever may come to is there for the end.
    const isUnwanted = !isDropping && current?.opcode === undefined &&
      isDropped(dropping, current?.isAwaited === true)
    const drops = current === undefined || isDropping || isUnwanted
    this.isDropping = drops && !piece.last
    if (drops) return isUnwanted
    if (piece.last) {
      this.current = undefined
      this.untaken.add(current)
    }
    current.add(piece)
    return false
  }

  /** All of it was taken, or nobody takes any more: what is still to come is dropped. */
  end(pieces: PieceReader, failure: Exit.Exit<never, ReadError>): void {
    this.untaken.delete(pieces)
    if (this.current === pieces) {
      this.current = undefined
      // Where nothing has come yet, the message is whole for the next who receives.
      if (pieces.opcode !== undefined) this.isDropping = true
    }
    pieces.end(failure)
  }

  /** Nobody takes anything any more. */
  endAll(failure: Exit.Exit<never, ReadError>): void {
    for (const pieces of this.untaken) this.end(pieces, failure)
    if (this.current !== undefined) this.end(this.current, failure)
  }

  /** There will be no more pieces. */
  fail(failure: Exit.Exit<never, ReadError>): void {
    this.current?.fail(failure)
  }
}
