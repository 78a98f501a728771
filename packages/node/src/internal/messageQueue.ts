/** Messages that came and were not taken yet. What a reader is made of, as an object of its own would weigh more. */
import type * as Message from "@websocket-stream/core/Message"
import * as Arr from "effect/Array"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { costOf, takenAtMost } from "./queueing.ts"
import { Supply } from "./supply.ts"

export abstract class MessageQueue extends Supply<Message.Message> {
  private queue: Array<Message.Message> = none
  private taken = 0
  /** What waits to be taken weighs, in bytes. */
  protected queued = 0

  /** All were taken. */
  protected abstract emptied(): void

  get hasItem(): boolean {
    return this.taken < this.queue.length
  }

  shift(): Message.Message {
    const message = this.queue[this.taken++]!
    this.queued -= costOf(message)
    if (this.taken === takenAtMost) {
      this.queue = this.queue.slice(takenAtMost)
      this.taken = 0
    }
    if (this.taken === this.queue.length) this.refill()
    return message
  }

  override shiftAll(): NonEmptyReadonlyArray<Message.Message> {
    const messages = this.taken === 0 ? this.queue : this.queue.slice(this.taken)
    this.refill()
    while (this.hasItem) messages.push(this.shift())
    if (!Arr.isArrayNonEmpty(messages)) throw new TypeError("there is a message")
    return messages
  }

  protected add(message: Message.Message): void {
    if (this.queue === none) this.queue = [message]
    else this.queue.push(message)
    this.queued += costOf(message)
  }

  protected forgetQueue(): void {
    this.queue = none
    this.taken = 0
    this.queued = 0
  }

  private refill(): void {
    this.forgetQueue()
    this.emptied()
  }
}

// Shared by all that are empty: never written to.
const none: Array<Message.Message> = []
