/** A clock that does not jump, for all deadlines of a server. */
import type * as Clock from "effect/Clock"

export class Timepiece {
  readonly clock: Clock.Clock
  private readonly start: bigint

  constructor(clock: Clock.Clock) {
    this.clock = clock
    this.start = clock.monotonicTimeNanosUnsafe()
  }

  nanos(): bigint {
    return this.clock.monotonicTimeNanosUnsafe()
  }

  /** Whole ones since it was made. As a number: nanoseconds would be an object for each connection and look at it. */
  millis(): number {
    return Number((this.nanos() - this.start) / 1_000_000n)
  }
}
