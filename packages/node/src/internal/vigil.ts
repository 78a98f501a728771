/** The watch over one connection of a server: heartbeat, silence, closing, life and handler, all looked at by the server's sweep. */
import * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import { timedOut } from "./io.ts"
import type { MessageStream } from "./messageStream.ts"
import type { Swept } from "./sweep.ts"
import type { Timepiece } from "./timepiece.ts"

/** How long things may take, in milliseconds: a `Duration` would be turned into them anew at each look at each connection. */
export interface Deadlines {
  readonly heartbeat: number
  readonly idleDeadline: number
  readonly closeDeadline: number
  readonly maxLife: number
  readonly handlerDeadline: number
}

/** Whose connection it is. */
export interface Watched {
  /** Interrupts the handler. */
  readonly interrupt: () => void
}

/** How to watch, alike for all connections of a server. */
export interface Watch {
  readonly deadlines: Deadlines
  readonly timepiece: Timepiece
}

/** What is known of a connection that is closing or has ended. */
interface Leaving {
  readonly since: number
  /** Bytes, when they were last looked at. */
  unread: number
  isOverrun: boolean
}

export class Vigil implements Swept {
  readonly stream: MessageStream
  private readonly watch: Watch
  private readonly watched: Watched
  private readonly openedAt: number
  private heardAt: number
  private takenAt: number
  private pingedAt: number
  // Made when that begins: a connection that is idle weighs 16 bytes less.
  private leaving: Leaving | undefined = undefined

  constructor(stream: MessageStream, watch: Watch, watched: Watched) {
    this.stream = stream
    this.watch = watch
    this.watched = watched
    this.openedAt =
      this.heardAt =
      this.takenAt =
      this.pingedAt =
        watch.timepiece.millis()
  }

  /** Whether the handler has gone on for too long when its connection had ended. */
  get isOverrun(): boolean {
    return this.leaving?.isOverrun === true
  }

  sweep(now: number): void {
    if (this.stream.isClosing) return this.sweepClosing(now)
    const { deadlines: { heartbeat, idleDeadline, maxLife }, timepiece } = this.watch
    // It has said its last, and nobody has received yet what it said before.
    if (this.stream.nearsEnd) return
    const taken = this.stream.takeTaken()
    if (taken) this.takenAt = now
    // No ping gets past what waits for the peer: who takes of that is there, whatever it says.
    if (this.stream.takeHeard() || (taken && this.stream.isFull)) this.heardAt = now
    if (hasPassed(this.openedAt, maxLife, now)) {
      this.stream.begone(Close.make(CloseCode.GoingAway, "the connection has reached its maximum life"))
    } else if (hasPassed(this.heardAt, idleDeadline, now)) {
      this.stream.cut(timedOut("was silent", idleDeadline))
    } else if (hasPassed(this.takenAt, idleDeadline, now)) {
      // However much it sends: whoever waits to send to it, it would hold for ever.
      this.stream.cut(timedOut("took nothing of what waits for it", idleDeadline))
    } else if (hasPassed(this.pingedAt, heartbeat, now)) {
      this.pingedAt = now
      this.stream.beat(timepiece)
    }
  }

  private sweepClosing(now: number): void {
    const { closeDeadline, handlerDeadline } = this.watch.deadlines
    const leaving = this.leaving ??= { since: this.heardAt = now, unread: 0, isOverrun: false }
    if (hasPassed(leaving.since, closeDeadline, now)) this.stream.cut(timedOut("did not close", closeDeadline))
    // What was there when the peer left may take its time, as long as it is received.
    const { bufferedBytes } = this.stream
    if (bufferedBytes !== leaving.unread) this.heardAt = now
    leaving.unread = bufferedBytes
    if (!leaving.isOverrun && hasPassed(this.heardAt, handlerDeadline, now)) {
      leaving.isOverrun = true
      this.watched.interrupt()
    }
  }
}

/** Those that watch already. */
export function* vigilsOf(watched: Iterable<{ readonly vigil: Vigil | undefined }>): Generator<Vigil> {
  for (const { vigil } of watched) {
    if (vigil !== undefined) yield vigil
  }
}

// Never, of an infinite one.
const hasPassed = (since: number, deadline: number, now: number): boolean => now - since >= deadline
