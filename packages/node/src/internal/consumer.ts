/**
 * Uses all that a supply has, time after time, until there will be nothing more. Each time in a fiber of its own: one that were
 * parked in between would cost a quarter of what it takes to echo one message at a time, and with a thousand connections a third.
 */
import type { NonEmptyReadonlyArray } from "effect/Array"
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Effectable from "effect/Effectable"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { constVoid } from "effect/Function"
import type { ReadError } from "../WebsocketError.ts"
import type { Supply, Waiter } from "./supply.ts"

/** Uses the items one after the other. */
export const forEachItem = <A, E, R, B>(
  supply: Supply<A>,
  use: (item: A) => Effect.Effect<unknown, E, R>,
  end: End<B>
): Effect.Effect<B, E | ReadError, R> => consume({ supply, use, useWhatIsThere: oneByOne, end })

/** Uses all items that there are at a time. */
export const forEachBatch = <A, E, R, B>(
  supply: Supply<A>,
  use: (items: NonEmptyReadonlyArray<A>) => Effect.Effect<unknown, E, R>,
  end: End<B>
): Effect.Effect<B, E | ReadError, R> => consume({ supply, use, useWhatIsThere: together, end })

/** What the end of a supply comes to. */
type End<B> = (failure: Exit.Exit<never, ReadError>) => Effect.Effect<B, ReadError>

interface Consumption<A, Use, E, R, B> {
  readonly supply: Supply<A>
  readonly use: Use
  /** Takes what is there, at least one, and uses it. */
  readonly useWhatIsThere: (use: Use, supply: Supply<A>) => Effect.Effect<unknown, E, R>
  readonly end: End<B>
}

// Each is taken when its turn has come: where a use fails, or is interrupted, the others are there for the next.
const oneByOne = <A, E, R>(use: (item: A) => Effect.Effect<unknown, E, R>, supply: Supply<A>) => {
  const first = use(supply.shift())
  if (!supply.hasItem) return first
  const others = Effect.whileLoop({ while: () => supply.hasItem, body: () => use(supply.shift()), step: constVoid })
  return Effect.andThen(first, others)
}

const together = <A, B>(use: (items: NonEmptyReadonlyArray<A>) => B, supply: Supply<A>): B => use(supply.shiftAll())

const consume = <A, Use, E, R, B>(consumption: Consumption<A, Use, E, R, B>): Effect.Effect<B, E | ReadError, R> =>
  Effect.contextWith((context: Context.Context<R>) =>
    Effect.callback<B, E | ReadError>((resume) => new Consumer(consumption, context, resume).begin())
  )

/**
 * An object for what would otherwise be eight closures, and itself the effect that ends it early: an idle connection weighs more
 * than half a kilobyte less.
 */
class Consumer<A, Use, E, R, B> extends Effectable.Class<void> implements Waiter {
  private readonly supply: Supply<A>
  private readonly use: Use
  private readonly useWhatIsThere: Consumption<A, Use, E, R, B>["useWhatIsThere"]
  private readonly end: End<B>
  private readonly context: Context.Context<R>
  private readonly resume: (effect: Effect.Effect<B, E | ReadError>) => void
  private running: Fiber.Fiber<unknown, unknown> | undefined = undefined
  // One for all three: each property is 8 bytes of every idle connection.
  private state: "Beginning" | "Parked" | "Over" = "Beginning"

  constructor(
    { end, supply, use, useWhatIsThere }: Consumption<A, Use, E, R, B>,
    context: Context.Context<R>,
    resume: (effect: Effect.Effect<B, E | ReadError>) => void
  ) {
    super()
    this.supply = supply
    this.use = use
    this.useWhatIsThere = useWhatIsThere
    this.end = end
    this.context = context
    this.resume = resume
  }

  /** Answers what ends it early. */
  begin(): Effect.Effect<void> {
    this.onReady()
    this.state = "Parked"
    return this
  }

  override asEffect(): Effect.Effect<void> {
    this.state = "Over"
    this.supply.removeWaiter(this)
    return this.running === undefined ? Effect.void : Fiber.interrupt(this.running)
  }

  onReady(): void {
    const { supply } = this
    // Until the fiber that consumes waits, an interruption of it would not be seen before all that is there was used.
    if (this.state === "Beginning" && supply.hasItem) return process.nextTick(goOn, this)
    // A use may end the consumer, by an interruption of whoever consumes.
    while (!this.isOver && supply.hasItem) {
      const running = Effect.runForkWith(this.context)(
        Effect.withFiber((fiber) => {
          // Its first steps, in which it may be interrupted, come before it is answered.
          this.running = fiber
          return this.useWhatIsThere(this.use, supply)
        })
      )
      const exit = running.pollUnsafe()
      if (exit === undefined) {
        running.addObserver((exit) => {
          if (this.settle(exit)) this.onReady()
        })
        return
      }
      if (!this.settle(exit)) return
    }
    if (this.isOver) return
    if (supply.failure === undefined) supply.whenReady(this)
    else this.resume(this.end(supply.failure))
  }

  private get isOver(): boolean {
    return this.state === "Over"
  }

  private settle(exit: Exit.Exit<unknown, E>): boolean {
    this.running = undefined
    if (Exit.isFailure(exit)) this.resume(Exit.failCause(exit.cause))
    return Exit.isSuccess(exit)
  }
}

const goOn = (waiter: Waiter): void => waiter.onReady()
