/** Pings that we send, by whoever wants to know how long the pong takes: the application, or a server's heartbeat. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { ReadError, WriteError } from "../WebsocketError.ts"
import type { MessageReader } from "./messageReader.ts"
import type { MessageWriter } from "./messageWriter.ts"
import type { Meter } from "./meter.ts"
import type { Timepiece } from "./timepiece.ts"

interface Ping {
  readonly payload: Uint8Array
  /** Called back once: true at the pong, false when there will be none. */
  readonly answered: (isAnswered: boolean) => void
}

export class Pings {
  /** How long the newest pong took. */
  roundTrip: Duration.Duration | undefined = undefined

  private readonly reader: MessageReader
  private readonly writer: MessageWriter
  private readonly meter: Meter | undefined
  // Those that were not answered yet, oldest first.
  private list: Array<Ping> = []
  private count = 0
  private beating: Uint8Array | undefined = undefined
  private isOver: boolean

  constructor(reader: MessageReader, writer: MessageWriter, meter: Meter | undefined, isOver: boolean) {
    this.isOver = isOver
    this.reader = reader
    this.writer = writer
    this.meter = meter
  }

  /** Sends a ping when there is room, and waits for its pong. */
  ping(payload: Uint8Array | undefined): Effect.Effect<Duration.Duration, ReadError | WriteError> {
    return Effect.gen({ self: this }, function*() {
      // A copy, because the pong is compared with it.
      const mark = payload === undefined ? this.nextPayload() : Buffer.from(payload)
      const answer = Deferred.makeUnsafe<void, ReadError>()
      // Fails with what the connection ended of.
      const answered = (isAnswered: boolean) =>
        Deferred.doneUnsafe(answer, isAnswered ? Exit.void : this.reader.outcome)
      const ping: Ping = { payload: mark, answered }
      const start = yield* Clock.monotonicTimeNanos
      // In one step with the sending: behind it the fiber may be made to yield, and the pong be there before it goes on.
      const sent = this.writer.ping(mark, () => {
        if (this.isOver) answered(false)
        else this.list.push(ping)
      })
      yield* Effect.onInterrupt(
        Effect.andThen(sent, Deferred.await(answer)),
        () => Effect.sync(() => this.forget(ping))
      )
      const roundTrip = Duration.nanos((yield* Clock.monotonicTimeNanos) - start)
      this.measured(roundTrip)
      return roundTrip
    })
  }

  /**
   * Sends a ping if there is room, and waits for nothing. One at a time, so that nothing gathers of a peer that never answers: the
   * same again until it does, because a peer that is gone is seen by what is written to it, where nobody reads.
   */
  beat(timepiece: Timepiece): void {
    const payload = this.beating ?? this.nextPayload()
    if (!this.writer.tryPing(payload) || this.beating !== undefined) return
    const start = timepiece.nanos()
    this.beating = payload
    const answered = (isAnswered: boolean) => {
      this.beating = undefined
      if (isAnswered) this.measured(Duration.nanos(timepiece.nanos() - start))
    }
    this.list.push({ payload, answered })
  }

  // RFC 6455 5.5.3: an endpoint "MAY elect to send a Pong frame for only the most recently processed Ping frame", so a pong
  // answers all pings before it, too. One that answers none was not asked for, and is let pass.
  receivePong(payload: Uint8Array): void {
    const index = this.list.findIndex((ping) => Buffer.compare(ping.payload, payload) === 0)
    for (const { answered } of this.list.splice(0, index + 1)) answered(true)
  }

  /** There will be no more pongs. */
  end(): void {
    this.isOver = true
    for (const { answered } of this.list.splice(0)) answered(false)
  }

  // One that no other ping of this connection had.
  private nextPayload(): Uint8Array {
    return Buffer.from(`${++this.count}`)
  }

  private forget(ping: Ping): void {
    this.list = this.list.filter((other) => other !== ping)
  }

  private measured(roundTrip: Duration.Duration): void {
    this.roundTrip = roundTrip
    this.meter?.answered(roundTrip)
  }
}
