/** Where upgrades arrive at a server: who may come in, who has to wait for a handler to run, and who is told to leave. */
import * as Close from "@websocket-stream/core/Close"
import type { RequestError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Iterable from "effect/Iterable"
import * as Result from "effect/Result"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { drain } from "./drain.ts"
import { logUnlessEnd } from "./handlerEnd.ts"
import type { MessageSettings } from "./messageOptions.ts"
import type { Meter } from "./meter.ts"
import type { Settings } from "./serverOptions.ts"
import type { Swept } from "./sweep.ts"
import type { Timepiece } from "./timepiece.ts"
import { type Arrival, internalServerError, offerOf, receiveUpgrade, reject, serviceUnavailable } from "./upgrade.ts"
import { type Vigil, vigilsOf, type Watch } from "./vigil.ts"

/** A client, from its request to the end of its handler. */
export interface Visitor {
  /** The watch over its connection, once that is open. */
  readonly vigil: Vigil | undefined
  /** Waits until it has left. */
  readonly left: Effect.Effect<void>
  /** Has its handler interrupted, and waits for that. */
  readonly dismissed: Effect.Effect<void>
}

/** A handler that runs: what it does with an arrival, and those that it serves. */
export interface Shift {
  /** Handles it in a fiber of its own, which says when it has `left`. */
  readonly receive: (arrival: Arrival, offer: OpeningHandshake.Offer) => void
  readonly guests: Set<Visitor>
  /** Succeeds when its connections were drained. */
  readonly drained: Deferred.Deferred<void>
  isDraining: boolean
}

export class Reception implements Swept {
  readonly settings: Settings
  readonly meter: Meter | undefined
  /** What every connection has alike. */
  readonly messages: MessageSettings
  readonly watch: Watch
  /** Succeeds when the server has closed for good. */
  readonly closed = Deferred.makeUnsafe<void>()

  private readonly fork: (effect: Effect.Effect<void>) => unknown
  private readonly stopListening: () => void
  private shifts: ReadonlyArray<Shift> = []
  // Those that drain among them.
  private readonly allShifts = new Set<Shift>()
  private waiting: Array<{ readonly arrival: Arrival; readonly since: number }> = []
  private connections = 0
  private isClosed = false

  constructor(
    settings: Settings,
    meter: Meter | undefined,
    fork: (effect: Effect.Effect<void>) => unknown,
    timepiece: Timepiece,
    stopListening: () => void
  ) {
    this.settings = settings
    this.meter = meter
    this.fork = fork
    this.stopListening = stopListening
    this.messages = { ...settings.messages, meter, clock: timepiece.clock }
    this.watch = { deadlines: settings.deadlines, timepiece }
  }

  /** For an HTTP server's event `upgrade`. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    if (receiveUpgrade(request, socket, head) === undefined) return
    const { remoteAddress } = request.socket
    this.receive({ request, remoteAddress, socket, head, take: () => socket })
  }

  /** Somebody asks to come in. */
  receive(arrival: Arrival): void {
    const shift = this.shifts.at(-1)
    // Behind the last handler that runs the server closes, as a rule: nobody is to wait for that.
    const leaves = this.isClosed || (shift === undefined && this.allShifts.size > 0)
    if (leaves || this.connections >= this.settings.maxConnections) {
      this.fork(this.turnAway(arrival))
      return
    }
    this.connections++
    if (shift === undefined) this.waiting.push({ arrival, since: this.watch.timepiece.millis() })
    else this.handOver(arrival, shift)
  }

  /** A handler begins to run, and gets those who wait. */
  begin(shift: Shift): void {
    this.shifts = [...this.shifts, shift]
    this.allShifts.add(shift)
    for (const { arrival } of this.waiting.splice(0)) this.handOver(arrival, shift)
  }

  /** A handler runs no more. Its connections are asked to leave, waited for, and cut at the deadline. */
  end(shift: Shift): Effect.Effect<void> {
    return Effect.suspend(() => {
      // By the server, which closes: its deadline is not to be waited for twice.
      if (shift.isDraining) return Deferred.await(shift.drained)
      this.stopListening()
      this.shifts = this.shifts.filter((other) => other !== shift)
      shift.isDraining = true
      // One that is not open yet is turned away when it would be.
      for (const { vigil } of shift.guests) vigil?.stream.begone(Close.make(this.settings.drainCode))
      const cut = (error: Error) => {
        for (const { vigil } of shift.guests) vigil?.stream.cut(error)
      }
      return Effect.ensuring(
        drain(allLeft(shift), this.settings.drainDeadline, cut),
        Effect.sync(() => {
          this.allShifts.delete(shift)
          Deferred.doneUnsafe(shift.drained, Effect.void)
        })
      )
    })
  }

  /** A client that a shift had received has left. */
  left(): void {
    this.connections--
  }

  /** Says that there is no room, or nobody to serve. */
  turnAway(arrival: Arrival): Effect.Effect<void> {
    this.meter?.refused(503)
    return reject(arrival, serviceUnavailable)
  }

  /** Drains all, and takes nobody any more. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    this.stopListening()
    const waiting = this.waiting.splice(0)
    return Effect.all([
      Effect.forEach(waiting, ({ arrival }) => this.turnAway(arrival), {
        concurrency: "unbounded",
        discard: true
      }),
      Effect.forEach(this.allShifts, (shift) => this.end(shift), { concurrency: "unbounded", discard: true })
    ], { concurrency: "unbounded", discard: true })
  }).pipe(Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(this.closed, Effect.void))))

  /** Everything that has deadlines. */
  get swept(): Iterable<Swept> {
    return everything(this, this.allShifts)
  }

  sweep(now: number): void {
    const deadline = Duration.toMillis(this.settings.handshakeDeadline)
    while (this.waiting.length > 0 && now - this.waiting[0]!.since >= deadline) {
      this.connections--
      this.fork(this.turnAway(this.waiting.shift()!.arrival))
    }
  }

  private handOver(arrival: Arrival, shift: Shift): void {
    try {
      const offer = offerOf(arrival, this.settings.origins)
      if (Result.isSuccess(offer)) shift.receive(arrival, offer.success)
      else this.turnDown(arrival, OpeningHandshake.reject(offer.failure), Cause.fail(offer.failure))
    } catch (defect) {
      // What looks at origins may be the application's.
      this.turnDown(arrival, internalServerError, Cause.die(defect))
    }
  }

  private turnDown(arrival: Arrival, response: OpeningHandshake.Response, cause: Cause.Cause<RequestError>): void {
    this.meter?.refused(response.status)
    const told = Effect.andThen(reject(arrival, response), logUnlessEnd(cause, "Unopened", "admission"))
    this.fork(Effect.ensuring(told, Effect.sync(() => this.left())))
  }
}

function* everything(reception: Reception, shifts: Iterable<Shift>): Generator<Swept> {
  yield reception
  for (const { guests } of shifts) yield* vigilsOf(guests)
}

const allLeft = ({ guests }: Shift): Effect.Effect<void> =>
  Effect.whileLoop({
    while: () => guests.size > 0,
    body: () => Iterable.headUnsafe(guests).left,
    step: constVoid
  })
