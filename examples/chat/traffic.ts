import * as Effect from "effect/Effect"
import * as PubSub from "effect/PubSub"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { Sample } from "./protocol.ts"

/** How many samples are kept for those who come in: a minute. */
export const historyLength = 60

/** How busy the server is: what is counted, and a sample of it once a second. */
export class Traffic {
  private connections = 0
  private messages = 0
  private past: ReadonlyArray<Sample> = []
  readonly samples: PubSub.PubSub<Sample>

  constructor(samples: PubSub.PubSub<Sample>) {
    this.samples = samples
  }

  /** The latest samples, oldest first. */
  get history(): ReadonlyArray<Sample> {
    return this.past
  }

  /** Counts a connection until the scope closes. */
  readonly connected: Effect.Effect<void, never, Scope.Scope> = Effect.acquireRelease(
    Effect.sync(() => {
      this.connections++
    }),
    () =>
      Effect.sync(() => {
        this.connections--
      })
  )

  /** Counts a text. */
  said(): void {
    this.messages++
  }

  /** Takes a sample, and begins to count texts anew. */
  readonly sample: Effect.Effect<void> = Effect.suspend(() => {
    const sample = new Sample({ connections: this.connections, messages: this.messages })
    this.messages = 0
    this.past = [...this.past, sample].slice(-historyLength)
    return Effect.asVoid(PubSub.publish(this.samples, sample))
  })
}

/** Takes a sample once a second until the scope closes. */
export const make = Effect.gen(function*() {
  const traffic = new Traffic(yield* PubSub.sliding<Sample>(1))
  yield* Effect.forkScoped(Effect.schedule(traffic.sample, Schedule.spaced("1 second")))
  return traffic
})
