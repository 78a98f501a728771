/**
 * What came and was not taken yet: messages, or the pieces of one. What their readers are made of, as an object of its own would weigh
 * more.
 */
import * as Arr from "effect/Array"
import type { NonEmptyReadonlyArray } from "effect/Array"
import { Supply } from "./supply.ts"

/** What is received. */
interface Received {
  readonly payload: Uint8Array
}

export abstract class ReceivedQueue<A extends Received> extends Supply<A> {
  private queue: Array<A> = none
  private taken = 0
  /** What waits to be taken weighs, in bytes. */
  queuedBytes = 0

  /** All were taken. */
  protected abstract emptied(): void

  get hasItem(): boolean {
    return this.taken < this.queue.length
  }

  shift(): A {
    const item = this.queue[this.taken++]!
    this.queuedBytes -= costOf(item)
    if (this.taken === takenAtMost) {
      this.queue = this.queue.slice(takenAtMost)
      this.taken = 0
    }
    if (this.taken === this.queue.length) this.refill()
    return item
  }

  override shiftAll(): NonEmptyReadonlyArray<A> {
    const items = this.taken === 0 ? this.queue : this.queue.slice(this.taken)
    this.refill()
    while (this.hasItem) items.push(this.shift())
    if (!Arr.isArrayNonEmpty(items)) throw new TypeError("there is an item")
    return items
  }

  protected add(item: A): void {
    if (this.queue === none) this.queue = [item]
    else this.queue.push(item)
    this.queuedBytes += costOf(item)
  }

  protected forgetQueue(): void {
    this.queue = none
    this.taken = 0
    this.queuedBytes = 0
  }

  private refill(): void {
    this.forgetQueue()
    this.emptied()
  }
}

// Shared by all that are empty: never written to.
const none: Array<never> = []

// What it weighs in a queue, in bytes: its payload, and beside that an object, and a view of a buffer.
const costOf = ({ payload }: Received): number => payload.length + 128

// A queue that is never quite empty must not keep what was taken: so many are forgotten together.
const takenAtMost = 256
