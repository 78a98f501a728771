/**
 * An interruption at every suspension point of an effect: trial after trial, each interrupted one point later than the one
 * before, until one runs to its end. A point is before any operation of any of its fibers, and wherever it waits. In a second
 * round the next event from outside comes right before the interruption; in a third it comes at the point, nothing is
 * interrupted, and the effect must not miss it.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import { EventEmitter } from "node:events"
import { Waiters } from "../../src/internal/waiters.ts"
import { turn } from "./server.ts"

export interface Trial<R> {
  readonly effect: Effect.Effect<unknown, unknown, R>
  /** What happens from outside, one after the other, whenever the effect waits. Some wait for what is outside of the test. */
  readonly events: ReadonlyArray<() => void>
  /** Holds what is left to the laws: the effect has ended, the events that have not come yet are there to be run. */
  readonly check: (outcome: Outcome) => Effect.Effect<void, unknown, R>
}

export interface Outcome {
  readonly exit: Exit.Exit<unknown, unknown>
  /** Whether it was interrupted. */
  readonly interrupted: boolean
  /** Whether it waited for something from outside when it was interrupted. */
  readonly waited: boolean
  /** Those that have not happened. */
  readonly events: Array<() => void>
}

export interface Count {
  /** Trials that were interrupted. */
  readonly interruptions: number
  /** Of these, the ones that were interrupted while they waited. */
  readonly waiting: number
}

/** Interrupts an effect at each of its points, and answers how many there were. */
export const everywhere = Effect.fnUntraced(function*<E, R>(
  make: Effect.Effect<Trial<R | Scope.Scope>, E, R | Scope.Scope>
) {
  const count = { interruptions: 0, waiting: 0 }
  for (const round of rounds) {
    for (let point = 1, isBeforeTheEnd = true; isBeforeTheEnd; point++) {
      const { hasEvents, interrupted, isReached, waited } = yield* Effect.scoped(attempt(make, point, round)).pipe(
        Effect.tapCause(() => Effect.sync(() => console.error(`${round}, at point ${point}`)))
      )
      // Without events all rounds are the same.
      isBeforeTheEnd = isReached && (round === "an interruption" || hasEvents)
      if (interrupted) count.interruptions++
      if (waited) count.waiting++
    }
  }
  return count satisfies Count
})

const rounds = ["an interruption", "an event and an interruption", "an event"] as const

const attempt = Effect.fnUntraced(function*<E, R>(
  make: Effect.Effect<Trial<R | Scope.Scope>, E, R | Scope.Scope>,
  point: number,
  round: typeof rounds[number]
) {
  const trial = yield* make
  const events = [...trial.events]
  const points = new Points(point)
  const fibers = new Fibers()
  const fiber = yield* trial.effect.pipe(
    Effect.provideService(Scheduler.Scheduler, points),
    Effect.provideService(Metric.FiberRuntimeMetrics, fibers),
    (effect) => Effect.forkDetach(effect, { startImmediately: true })
  )
  const isWaiting = yield* reach(fiber, points, events)
  const isReached = fiber.pollUnsafe() === undefined
  const interrupted = isReached && round !== "an event"
  const waited = interrupted && isWaiting
  if (isReached) {
    if (round !== "an interruption") events.shift()?.()
    if (interrupted) fiber.interruptUnsafe()
  }
  points.isOver = true
  yield* finish(fiber, points, events)
  yield* trial.check({ exit: fiber.pollUnsafe()!, interrupted, waited, events })
  points.run()
  assert.strictEqual(fibers.running, 0, "a fiber is left")
  return { interrupted, isReached, waited, hasEvents: trial.events.length > 0 }
})

/** Runs on to the point, or to the end. Answers whether the fiber waits there for something from outside. */
const reach = Effect.fnUntraced(function*(
  fiber: Fiber.Fiber<unknown, unknown>,
  points: Points,
  events: Array<() => void>
) {
  let operations = -1
  for (let turns = 0; fiber.pollUnsafe() === undefined && !points.isReached; turns++) {
    if (points.step()) continue
    yield* turn
    if (fiber.pollUnsafe() !== undefined || points.isReached || points.hasTasks) continue
    // However many turns it takes, it is one point.
    if (operations !== points.operations && points.pass()) return true
    operations = points.operations
    const event = events.shift()
    event?.()
    // To wait on behind it is a point of its own.
    if (event !== undefined) operations = -1
    assert.isBelow(turns, 10_000, "the effect waits for something that does not come")
  }
  return false
})

const finish = Effect.fnUntraced(function*(
  fiber: Fiber.Fiber<unknown, unknown>,
  points: Points,
  events: Array<() => void>
) {
  for (let turns = 0; fiber.pollUnsafe() === undefined; turns++) {
    points.run()
    yield* turn
    // A finalizer may wait for the peer, too.
    if (turns % 3 === 2) events.shift()?.()
    assert.isBelow(turns, 10_000, "the effect has no end")
  }
})

/** Lets fibers run, and has them stop at a point. */
class Points extends Scheduler.MixedScheduler {
  isOver = false
  isReached = false
  /** How many points were passed. */
  operations = 0
  private readonly point: number
  private readonly tasks: Array<() => void>

  constructor(point: number) {
    const tasks: Array<() => void> = []
    super("async", (task) => {
      tasks.push(task)
      return () => {
        tasks.splice(tasks.indexOf(task), 1)
      }
    })
    this.tasks = tasks
    this.point = point
  }

  override shouldYield(): boolean {
    return this.pass()
  }

  /** Passes one more point; answers whether it is the one. */
  pass(): boolean {
    if (this.isOver || this.isReached) return false
    this.isReached = ++this.operations === this.point
    return this.isReached
  }

  get hasTasks(): boolean {
    return this.tasks.length > 0
  }

  step(): boolean {
    const task = this.tasks.shift()
    task?.()
    return task !== undefined
  }

  run(): void {
    while (this.step());
  }
}

/** How many fibers run, of those that were started with this service. */
export class Fibers implements Metric.FiberRuntimeMetricsService {
  running = 0

  recordFiberStart(): void {
    this.running++
  }

  recordFiberEnd(): void {
    this.running--
  }

  /** Starts an effect in a fiber that is counted, with those that it starts. */
  readonly start = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<Fiber.Fiber<void, E>> =>
    Effect.forkDetach(Effect.provideService(Effect.asVoid(effect), Metric.FiberRuntimeMetrics, this))
}

/** How many wait for something within an object of ours, wherever in it they are kept. */
export const waitersIn = (object: object): number => {
  const seen = new Set<unknown>()
  const count = (value: unknown): number => {
    if (typeof value !== "object" || value === null || seen.has(value)) return 0
    // The stream beneath is not ours, and what it is held by leads everywhere.
    if (value instanceof EventEmitter || ArrayBuffer.isView(value)) return 0
    seen.add(value)
    if (!(value instanceof Waiters)) return countIn(Object.values(value))
    // Nor is who waits.
    const parts = Object.entries(value).filter(([name]) => name !== "first" && name !== "others")
    return (value.isAwaited ? 1 : 0) + countIn(parts.map(([, part]) => part))
  }
  const countIn = (values: ReadonlyArray<unknown>): number =>
    values.reduce((sum: number, value) => sum + count(value), 0)
  return count(object)
}
