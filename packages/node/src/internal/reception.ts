/** Where upgrades arrive at a server: who may come in, who has to wait for a handler to run, and who is told to leave. */
import * as Close from "@websocket-stream/core/Close"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import type { Upgrade } from "../WebsocketUpgrade.ts"
import { drain } from "./drain.ts"
import type { Meter } from "./meter.ts"
import type { Settings } from "./serverOptions.ts"
import type { Swept } from "./sweep.ts"
import { receiveUpgrade, reject } from "./upgrade.ts"
import type { Vigil } from "./vigil.ts"

/** A handler that runs: what it does with an upgrade, the fibers that do it, and the connections that it has open. */
export interface Shift {
  /** Handles the upgrade in a fiber of its own, and runs the effect when that ends. */
  readonly receive: (upgrade: Upgrade, left: Effect.Effect<void>) => void
  readonly fibers: FiberSet.FiberSet<void, never>
  readonly open: Set<Vigil>
  /** Succeeds when its connections were drained. */
  readonly drained: Deferred.Deferred<void>
  isDraining: boolean
}

export class Reception implements Swept {
  readonly settings: Settings
  readonly meter: Meter | undefined
  /** Nanoseconds, of a clock that does not jump. */
  readonly now: () => bigint
  /** Everything that has deadlines. */
  readonly swept = new Set<Swept>([this])
  /** Succeeds when the server has closed for good. */
  readonly closed = Deferred.makeUnsafe<void>()

  private readonly fork: (effect: Effect.Effect<void>) => unknown
  private shifts: ReadonlyArray<Shift> = []
  private waiting: Array<{ readonly upgrade: Upgrade; readonly since: bigint }> = []
  private connections = 0
  private draining = 0
  private isClosed = false

  constructor(
    settings: Settings,
    meter: Meter | undefined,
    fork: (effect: Effect.Effect<void>) => unknown,
    now: () => bigint
  ) {
    this.settings = settings
    this.meter = meter
    this.fork = fork
    this.now = now
  }

  /** For an HTTP server's event `upgrade`. */
  readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    const upgrade = receiveUpgrade(request, socket, head)
    if (upgrade === undefined) return
    const shift = this.shifts.at(-1)
    // Behind the last handler that runs the server closes, as a rule: nobody is to wait for that.
    const leaves = this.isClosed || (shift === undefined && this.draining > 0)
    if (leaves || this.connections >= this.settings.maxConnections) {
      this.fork(this.turnAway(socket))
      return
    }
    this.connections++
    if (shift === undefined) this.waiting.push({ upgrade, since: this.now() })
    else this.handOver(upgrade, shift)
  }

  /** A handler begins to run, and gets those who wait. */
  begin(shift: Shift): void {
    this.shifts = [...this.shifts, shift]
    for (const { upgrade } of this.waiting.splice(0)) this.handOver(upgrade, shift)
  }

  /** A handler runs no more. Its connections are asked to leave, waited for, and cut at the deadline. */
  end(shift: Shift): Effect.Effect<void> {
    return Effect.suspend(() => {
      // By the server, which closes: its deadline is not to be waited for twice.
      if (shift.isDraining) return Deferred.await(shift.drained)
      this.shifts = this.shifts.filter((other) => other !== shift)
      shift.isDraining = true
      this.draining++
      for (const vigil of shift.open) this.dismiss(vigil)
      const cut = (error: Error) => {
        for (const { stream } of shift.open) stream.cut(error)
      }
      return Effect.ensuring(
        drain(FiberSet.awaitEmpty(shift.fibers), this.settings.drainDeadline, cut),
        Effect.sync(() => {
          this.draining--
          Deferred.doneUnsafe(shift.drained, Effect.void)
        })
      )
    })
  }

  /** Asks a peer to leave. */
  dismiss({ stream }: Vigil): void {
    stream.begone(Close.make(this.settings.drainCode))
  }

  /** Drains all, and takes nobody any more. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    this.isClosed = true
    const waiting = this.waiting.splice(0)
    return Effect.all([
      Effect.forEach(waiting, ({ upgrade }) => this.turnAway(upgrade.socket), {
        concurrency: "unbounded",
        discard: true
      }),
      Effect.forEach(this.shifts, (shift) => this.end(shift), { concurrency: "unbounded", discard: true })
    ], { concurrency: "unbounded", discard: true })
  }).pipe(Effect.ensuring(Effect.sync(() => Deferred.doneUnsafe(this.closed, Effect.void))))

  sweep(now: bigint): void {
    const deadline = Duration.toNanosUnsafe(this.settings.handshakeDeadline)
    while (this.waiting.length > 0 && now - this.waiting[0]!.since >= deadline) {
      this.connections--
      this.fork(this.turnAway(this.waiting.shift()!.upgrade.socket))
    }
  }

  /** Says that there is no room, or nobody to serve. */
  turnAway(socket: Duplex): Effect.Effect<void> {
    this.meter?.refused(503)
    return reject({ socket }, { status: 503, headers: [["Connection", "close"]], body: "" })
  }

  private handOver(upgrade: Upgrade, shift: Shift): void {
    shift.receive(upgrade, Effect.sync(() => this.connections--))
  }
}
