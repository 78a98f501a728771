/** The pieces of a message that is received without being held whole. */
import type * as Message from "@websocket-stream/core/Message"
import type * as Exit from "effect/Exit"
import type { ReadError } from "../WebsocketError.ts"
import { Supply } from "./supply.ts"

export interface Piece {
  readonly opcode: Message.Message["opcode"]
  readonly payload: Uint8Array
  /** Whether the message ends with it. */
  readonly last: boolean
}

export class PieceReader extends Supply<Piece> {
  /** Bytes that wait to be taken. */
  queuedBytes = 0
  /** The opcode of the message, once its first piece has come. */
  opcode: Message.Message["opcode"] | undefined = undefined

  private readonly queue: Array<Piece> = []
  private readonly askForMore: () => void

  constructor(askForMore: () => void) {
    super()
    this.askForMore = askForMore
  }

  get hasItem(): boolean {
    return this.queue.length > 0
  }

  add(piece: Piece): void {
    this.opcode ??= piece.opcode
    this.queue.push(piece)
    this.queuedBytes += piece.payload.length
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
    const piece = this.queue.shift()!
    this.queuedBytes -= piece.payload.length
    return piece
  }

  pull(): void {
    this.askForMore()
  }
}
