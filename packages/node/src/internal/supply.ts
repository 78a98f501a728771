/**
 * Items that come by and by, for fibers that wait for them: frames for those who read, messages for those who receive. Each
 * item goes to one fiber, and none is lost to an interruption.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import { type ReadError, WouldBlock } from "../WebsocketError.ts"
import { failedRead } from "./failures.ts"
import { Waiters } from "./waiters.ts"

/** Who waits for an item, or for the end. */
export interface Waiter {
  readonly onReady: () => void
}

/** Effects of a supply, made when they are asked for: a connection is received from in one way, as a rule. */
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
    return this.ways.one ??= new Take(this, shift)
  }

  /** All items that there are, at least one, or as many of them as may be taken together. */
  get all(): Effect.Effect<NonEmptyReadonlyArray<A>, ReadError> {
    return this.ways.all ??= new Take(this, shiftAll)
  }

  /** Succeeds when an item could be taken, fails when there will be none. Waits in any case. */
  get ready(): Effect.Effect<void, ReadError> {
    const { ways } = this
    if (ways.ready !== undefined) return ways.ready
    const ready: Effect.Effect<void, ReadError> = Effect.suspend(() =>
      this.isReady ? (this.hasItem ? Exit.void : this.failure!) : wait
    )
    const wait = waiting(this, ready)
    return ways.ready = ready
  }

  /** Whether an item is there. May look for one, and find out that there is a `failure`. */
  abstract get hasItem(): boolean
  /** Whether a fiber waits for what is not there. */
  abstract get blocks(): boolean
  /** Takes the first item, when there is one. */
  abstract shift(): A
  /** Asks for more. What there is at once comes before this returns. */
  abstract pull(): void

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

  /** Takes all items, or as many as may be taken together, when there is one. */
  shiftAll(): NonEmptyReadonlyArray<A> {
    const items: [A, ...Array<A>] = [this.shift()]
    while (items.length < togetherAtMost && this.hasItem) items.push(this.shift())
    return items
  }
}

// As many as the smallest frames of 64 KiB. Where more bytes are held they would weigh a hundred times what they did.
const togetherAtMost = 32 * 1024

const shift = <A>(supply: Supply<A>): A => supply.shift()

const shiftAll = <A>(supply: Supply<A>): NonEmptyReadonlyArray<A> => supply.shiftAll()

/** Takes, or waits until it can. */
class Take<A, B> extends Effectable.Class<B, ReadError> {
  private readonly supply: Supply<A>
  private readonly take: (supply: Supply<A>) => B
  private lazyTaken: Effect.Effect<B, ReadError> | undefined = undefined
  private lazyWait: Effect.Effect<B, ReadError> | undefined = undefined

  constructor(supply: Supply<A>, take: (supply: Supply<A>) => B) {
    super()
    this.supply = supply
    this.take = take
  }

  override asEffect(): Effect.Effect<B, ReadError> {
    const { supply } = this
    if (!supply.isReady && !supply.blocks) supply.pull()
    if (supply.isReady) return supply.hasItem ? this.taken : supply.failure!
    return supply.blocks ? (this.lazyWait ??= waiting(supply, this)) : wouldBlock
  }

  // An item is taken and given to the fiber in one operation of its run loop, by `Effect.sync`: were it the value of an `Exit`
  // that `asEffect` answers, an interruption could fall between the two, and the item with it.
  private get taken(): Effect.Effect<B, ReadError> {
    return this.lazyTaken ??= Effect.sync(() => {
      if (!this.supply.hasItem) throw stolen
      return this.take(this.supply)
    }).pipe(Effect.catchDefect((defect) => (defect === stolen ? this : Effect.die(defect))))
  }
}

const waiting = <A, B>(supply: Supply<A>, next: Effect.Effect<B, ReadError>): Effect.Effect<B, ReadError> =>
  Effect.callback((resume) => {
    const parked = new Parked(supply, resume, next)
    supply.whenReady(parked)
    return parked
  })

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

// Shared, as who polls gets it each time that there is nothing.
const wouldBlock = failedRead(new WouldBlock())

// Another fiber took the item while the first was made to yield. Thrown and caught in `Take`, never seen outside.
const stolen = Symbol("stolen")
