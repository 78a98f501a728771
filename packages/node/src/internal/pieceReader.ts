/** The pieces of a message that is received without being held whole. */
import type * as Message from "@websocket-stream/core/Message"
import type * as Exit from "effect/Exit"
import type { ReadError } from "../WebsocketError.ts"
import { costOf, takenAtMost } from "./queueing.ts"
import { Supply } from "./supply.ts"

export interface Piece {
  readonly opcode: Message.Message["opcode"]
  readonly payload: Uint8Array
  /** Whether the message ends with it. */
  readonly last: boolean
}

export class PieceReader extends Supply<Piece> {
  /** What waits to be taken weighs, in bytes. */
  queuedBytes = 0
  /** The opcode of the message, once its first piece has come. */
  opcode: Message.Message["opcode"] | undefined = undefined

  private queue: Array<Piece> = []
  private taken = 0
  private readonly askForMore: () => void

  constructor(askForMore: () => void) {
    super()
    this.askForMore = askForMore
  }

  get hasItem(): boolean {
    return this.taken < this.queue.length
  }

  add(piece: Piece): void {
    this.opcode ??= piece.opcode
    this.queue.push(piece)
    this.queuedBytes += costOf(piece)
    this.wake()
  }

  /** There will be no more pieces. */
  fail(failure: Exit.Exit<never, ReadError>): void {
    this.failure = failure
    this.wake()
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
    return piece
  }

  pull(): void {
    this.askForMore()
  }
}
