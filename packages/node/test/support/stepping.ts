/**
 * Fibers one step at a time. A fiber that runs `stepped` yields after so many operations, again and again, and goes on
 * only when the test says so. So the test can do something between any two operations of it: deliver a byte, interrupt.
 */
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Scheduler from "effect/Scheduler"
import { until } from "./turns.ts"

export class Steps {
  private readonly tasks: Array<() => void> = []
  private readonly scheduler = new Scheduler.MixedScheduler("async", (task) => {
    this.tasks.push(task)
    return () => {
      this.tasks.splice(this.tasks.indexOf(task), 1)
    }
  })

  /** Starts a fiber that yields after every `operations`. Fewer than 3 would leave it no operation of its own. */
  readonly fork = <A, E, R>(
    operations: number,
    effect: Effect.Effect<A, E, R>
  ): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
    effect.pipe(
      Effect.provideService(Scheduler.Scheduler, this.scheduler),
      Effect.provideService(Scheduler.MaxOpsBeforeYield, operations),
      (stepped) => Effect.forkDetach(stepped, { startImmediately: true })
    )

  /** Lets one of the fibers that yielded go on, to its next yield. Answers whether there was one. */
  step(): boolean {
    const task = this.tasks.shift()
    task?.()
    return task !== undefined
  }

  /** Lets all go on, for a few turns of the event loop, until each has ended or waits for something else than its turn. */
  readonly settle: Effect.Effect<void> = Effect.forEach(
    [1, 2, 3, 4],
    () => Effect.andThen(Effect.sync(() => this.run()), Effect.yieldNow),
    { discard: true }
  )

  /** Lets all go on, turn by turn of the event loop, until a fiber has ended. */
  untilEnded(fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> {
    return until(() => {
      this.run()
      return fiber.pollUnsafe() !== undefined
    })
  }

  /** Lets all go on, in this very turn of the event loop. */
  run(): void {
    while (this.step());
  }
}
