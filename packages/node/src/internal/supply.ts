/**
 * Items that come by and by, for fibers that wait for them: frames for those who read, messages for those who receive. Each
 * item goes to one fiber, and none is lost to an interruption.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import { ReadError, WouldBlock } from "../WebsocketError.ts"
import { Waiters } from "./waiters.ts"

/** Who waits for an item, or for the end. */
export interface Waiter {
  readonly onReady: () => void
}

/** Effects of a supply, made when they are asked for: each weighs 400 bytes, and a connection is received from in one way. */
interface Ways<A> {
  one?: Effect.Effect<A, ReadError>
  all?: Effect.Effect<NonEmptyReadonlyArray<A>, ReadError>
  ready?: Effect.Effect<void, ReadError>
}

export abstract class Supply<A> extends Waiters<Waiter> {
  private lazyWays: Ways<A> | undefined = undefined

  /** Why there will be no more items, once those that are there were taken. */
  failure: Exit.Exit<never, ReadError> | undefined = undefined

  /** The next item. Waits for it, unless the supply does not block. */
  get one(): Effect.Effect<A, ReadError> {
    return this.ways.one ??= this.taking(() => this.shift())
  }

  /** All items that there are, at least one. */
  get all(): Effect.Effect<NonEmptyReadonlyArray<A>, ReadError> {
    return this.ways.all ??= this.taking(() => this.shiftAll())
  }

  /** Succeeds when an item could be taken, fails when there will be none. Waits in any case. */
  get ready(): Effect.Effect<void, ReadError> {
    const { ways } = this
    if (ways.ready !== undefined) return ways.ready
    const ready: Effect.Effect<void, ReadError> = Effect.suspend(() =>
      this.isReady ? (this.hasItem ? Exit.void : this.failure!) : wait
    )
    const wait = this.waitingFor(ready)
    return ways.ready = ready
  }

  /** Whether an item is there. May look for one, and find out that there is a `failure`. */
  abstract get hasItem(): boolean
  /** Whether a fiber waits for what is not there. */
  protected abstract get blocks(): boolean
  /** Takes the first item, when there is one. */
  protected abstract shift(): A
  /** Asks for more. What there is at once comes before this returns. */
  protected abstract pull(): void

  /** Whether a take would not wait: an item is there, or there will be none. */
  get isReady(): boolean {
    return this.hasItem || this.failure !== undefined
  }

  /** Has it told once, as soon as `isReady`, unless it is forgotten first. */
  whenReady(waiter: Waiter): void {
    this.addWaiter(waiter)
    this.pull()
    // A fiber may be made to yield between its look and this: what came meanwhile found nobody to wake.
    this.wake()
  }

  // A waiter that is called may take all there is, so that there is nothing left for the next; one whose fiber was interrupted
  // takes nothing, so that the item is still there.
  protected wake(): void {
    while (this.isAwaited && this.isReady) this.takeWaiter()!.onReady()
  }

  private get ways(): Ways<A> {
    return this.lazyWays ??= {}
  }

  // An item is taken and given to the fiber in one operation of its run loop, by `Effect.sync`: were it the value of an `Exit`
  // that `suspend` answers, an interruption could fall between the two, and the item with it.
  private taking<B>(take: () => B): Effect.Effect<B, ReadError> {
    const self: Effect.Effect<B, ReadError> = Effect.suspend(() => {
      if (!this.isReady && !this.blocks) this.pull()
      if (this.isReady) return this.hasItem ? taken : this.failure!
      return this.blocks ? wait : wouldBlock
    })
    const taken = Effect.sync(() => {
      if (!this.hasItem) throw stolen
      return take()
    }).pipe(Effect.catchDefect((defect) => (defect === stolen ? self : Effect.die(defect))))
    const wait = this.waitingFor(self)
    return self
  }

  private waitingFor<B>(then: Effect.Effect<B, ReadError>): Effect.Effect<B, ReadError> {
    return Effect.callback((resume) => {
      const parked = new Parked(this, resume, then)
      this.whenReady(parked)
      return parked
    })
  }

  /** Takes all items, when there is one. */
  shiftAll(): NonEmptyReadonlyArray<A> {
    const items: [A, ...Array<A>] = [this.shift()]
    while (this.hasItem) items.push(this.shift())
    return items
  }
}

/** A fiber that waits, and itself the effect that lets it go: as closures it would weigh 250 bytes more. */
class Parked<B> extends Effectable.Class<void> implements Waiter {
  private readonly waiters: Waiters<Waiter>
  private readonly resume: (effect: Effect.Effect<B, ReadError>) => void
  private readonly next: Effect.Effect<B, ReadError>

  constructor(
    waiters: Waiters<Waiter>,
    resume: (effect: Effect.Effect<B, ReadError>) => void,
    next: Effect.Effect<B, ReadError>
  ) {
    super()
    this.waiters = waiters
    this.resume = resume
    this.next = next
  }

  onReady(): void {
    this.resume(this.next)
  }

  override asEffect(): Effect.Effect<void> {
    this.waiters.removeWaiter(this)
    return Effect.void
  }
}

// Shared, because an error with a stack of its own costs 6 to 14 microseconds.
const wouldBlock = Exit.fail(new ReadError({ reason: new WouldBlock() }))

// Another fiber took the item while the first was made to yield. Thrown and caught in `taking`, never seen outside.
const stolen = Symbol("stolen")
