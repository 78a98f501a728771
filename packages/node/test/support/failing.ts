/** Connections that fail by a seed: our end over a faulty stream, the other at the other end of a pair in memory. */
import { assert } from "@effect/vitest"
import * as WebsocketError from "@websocket-stream/node/WebsocketError"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { type Duplex, duplexPair } from "node:stream"
import { type Fault, type FaultKind, faultKinds, Faulty, injected, Random } from "./faulty.ts"
import { Fibers, waitersIn } from "./interrupting.ts"
import { turn } from "./server.ts"

export const kinds: ReadonlyArray<FaultKind | "no fault"> = ["no fault", ...faultKinds]

/** The figures of two dozen connections for each kind of fault. */
const seeds: ReadonlyArray<number> = Array.from({ length: 25 }, (_, i) => i + 1)

/** One of these connections: its ends, each with a scope to make something of it in, and what each has sent and received. */
export interface Trial {
  readonly ours: Faulty
  readonly theirs: Duplex
  readonly near: Scope.Closeable
  readonly far: Scope.Closeable
  /** Starts what has to have ended by then. */
  readonly start: Fibers["start"]
  readonly sent: Array<string>
  readonly received: Array<string>
  readonly theirSent: Array<string>
  readonly theirReceived: Array<string>
}

/**
 * Tries each of these connections, to the end of both scopes, and holds what came to be the first of what was sent, and nothing to
 * be left of what was made of the ends, which `use` answers.
 */
export const tryAll = Effect.fnUntraced(function*<E>(
  kind: FaultKind | "no fault",
  use: (trial: Trial) => Effect.Effect<ReadonlyArray<object>, E>
) {
  const before = kind === "no fault" ? 0 : injected[kind]
  for (const seed of seeds) {
    const { ours, theirs } = failing(kind, seed)
    const fibers = new Fibers()
    const trial: Trial = {
      ours,
      theirs,
      near: yield* Scope.make(),
      far: yield* Scope.make(),
      start: fibers.start,
      sent: [],
      received: [],
      theirSent: [],
      theirReceived: []
    }
    const ends = yield* use(trial)
    assertCarried(kind, trial, { sent: trial.theirSent, received: trial.theirReceived })
    assertNothingLeft(ours, ends, fibers)
  }
  if (kind !== "no fault") assert.isAtLeast(injected[kind] - before, seeds.length / 2)
})

const failing = (
  kind: FaultKind | "no fault",
  seed: number
): { readonly ours: Faulty; readonly theirs: Duplex } => {
  // So little that both ends wait for each other again and again.
  const [near, far] = duplexPair({ highWaterMark: 64 })
  const fault: Fault | undefined = kind === "no fault" ? undefined : { kind, after: new Random(seed).below(300) }
  return { ours: new Faulty(near, { seed, fault }), theirs: far }
}

/** Waits until all have ended, or nothing moves any more. */
export const quiet = Effect.fnUntraced(function*(
  fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>,
  measure: () => number
) {
  let last = -1
  for (let still = 0; still < 50 && !areOver(fibers); still++) {
    if (measure() !== last) still = 0
    last = measure()
    yield* turn
  }
})

/** Holds fibers to end within so many turns, in success or by a typed error; answers why the latter. */
export const expectEnds = Effect.fnUntraced(function*(fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>) {
  for (let turns = 0; !areOver(fibers); turns++) {
    assert.isBelow(turns, 20_000, "an operation has no end")
    yield* turn
  }
  return fibers.flatMap((fiber) => {
    const exit = fiber.pollUnsafe()!
    if (Exit.isSuccess(exit)) return []
    return exit.cause.reasons.map((reason) => {
      assert(Cause.isFailReason(reason), Cause.pretty(exit.cause))
      return reasonOf(reason.error)
    })
  })
})

const areOver = (fibers: ReadonlyArray<Fiber.Fiber<unknown, unknown>>): boolean =>
  fibers.every((fiber) => fiber.pollUnsafe() !== undefined)

type Reason = (WebsocketError.ReadError | WebsocketError.WriteError)["reason"]

const reasonOf = (error: unknown): Reason => {
  assert(WebsocketError.isReadError(error) || WebsocketError.isWriteError(error), "every failure should be typed")
  return error.reason
}

/** Holds what was received to be the first of what was sent. */
const assertPrefix = (received: ReadonlyArray<string>, sent: ReadonlyArray<string>): void =>
  assert.deepStrictEqual(received, sent.slice(0, received.length))

/** One end of a connection: what it has sent, and what has come to it. */
interface End {
  readonly sent: ReadonlyArray<string>
  readonly received: ReadonlyArray<string>
}

/** Holds what came to be the first of what was sent, and all of it without a fault. */
const assertCarried = (kind: FaultKind | "no fault", ours: End, theirs: End): void => {
  assertPrefix(ours.received, theirs.sent)
  assertPrefix(theirs.received, ours.sent)
  if (kind === "no fault") assert.deepStrictEqual([ours.received, theirs.received], [theirs.sent, ours.sent])
}

/** Holds a connection that has ended to have left nothing: no stream, no listener, no waiter, no fiber. */
const assertNothingLeft = (stream: Faulty, ends: ReadonlyArray<object>, fibers: Fibers): void => {
  assert.isTrue(stream.destroyed)
  assert.strictEqual(stream.listenerCount("finish"), 0)
  assert.strictEqual(ends.reduce((count, end) => count + waitersIn(end), 0), 0)
  assert.strictEqual(fibers.running, 0)
}
