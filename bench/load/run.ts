/** One run over open connections: what is sent when, until when, and what was seen of the replies. */
import * as Effect from "effect/Effect"
import { createHistogram } from "node:perf_hooks"
import { Failure } from "../support/failure.ts"
import type { Connection, Shared, Traffic } from "./connection.ts"
import type { Exchange } from "./exchange.ts"

export interface Options {
  readonly exchange: Exchange
  /** Requests in flight on each connection. */
  readonly depth: number
  /** How long to go on. 0 lets each connection send once what it may have in flight, which is a check and times nothing. */
  readonly seconds: number
}

/** What was seen. All that was sent in the time has been answered at its end, which belongs to it. */
export interface Seen {
  readonly messages: number
  readonly seconds: number
  /** Microseconds from the sending of a message to its answer. */
  readonly p50: number
  readonly p99: number
  /** Microseconds of CPU that the load took. When it is as busy as can be, rates and latencies are its own. */
  readonly cpu: number
}

/** Every answer is followed by the next request. */
export const echo = (connections: ReadonlyArray<Connection>, shared: Shared, options: Options) =>
  seen(shared, (end) => new Echo(connections, options, end))

/** The first connection sends, and goes on when all others have it. */
export const broadcast = (connections: ReadonlyArray<Connection>, shared: Shared, options: Options) =>
  seen(shared, (end) => new Broadcast(connections, options, end))

/** The connections take turns, so many messages a second over all, whether the others have been answered or not. */
export const paced = (
  connections: ReadonlyArray<Connection>,
  shared: Shared,
  options: Options & { readonly perSecond: number }
) => seen(shared, (end) => new Paced(connections, options, end))

type End = (effect: Effect.Effect<Seen, Failure>) => void

const seen = (shared: Shared, make: (end: End) => Run): Effect.Effect<Seen, Failure> =>
  Effect.callback((resume) => {
    const run = make(resume)
    shared.traffic = run
    run.begin()
  })

abstract class Run implements Traffic {
  readonly exchange: Exchange
  readonly requests: Buffer
  readonly replies: Buffer
  protected readonly connections: ReadonlyArray<Connection>
  protected readonly depth: number
  protected readonly seconds: number
  protected goesOn: boolean
  /** Answers to what was sent, or is about to be. */
  protected awaited = 0
  private messages = 0
  private readonly latencies = createHistogram()
  private readonly startedAt = performance.now()
  private readonly startedCpu = process.cpuUsage()
  private readonly end: End

  constructor(connections: ReadonlyArray<Connection>, { depth, exchange, seconds }: Options, end: End) {
    this.exchange = exchange
    this.requests = Buffer.concat(Array.from({ length: depth }, () => exchange.request))
    this.replies = Buffer.concat(Array.from({ length: depth }, () => exchange.reply))
    this.connections = connections
    this.depth = depth
    this.seconds = seconds
    this.goesOn = seconds > 0
    this.end = end
  }

  abstract onReplies(connection: Connection, count: number): void
  protected abstract start(): void

  begin(): void {
    if (this.goesOn) {
      setTimeout(() => {
        this.goesOn = false
        this.endIfDone()
      }, this.seconds * 1000)
    }
    this.start()
    this.endIfDone()
  }

  onFailure(error: Failure): void {
    this.end(Effect.fail(error))
  }

  /** @param sentAt when the oldest of them was sent, which stands for all */
  protected count(count: number, sentAt: number): void {
    this.messages += count
    this.awaited -= count
    this.latencies.record(Math.max(1, Math.round((performance.now() - sentAt) * 1e6)))
  }

  protected endIfDone(): void {
    if (this.goesOn || this.awaited > 0) return
    const { system, user } = process.cpuUsage(this.startedCpu)
    this.end(Effect.succeed({
      messages: this.messages,
      seconds: (performance.now() - this.startedAt) / 1000,
      p50: this.latencies.percentile(50) / 1000,
      p99: this.latencies.percentile(99) / 1000,
      cpu: user + system
    }))
  }
}

class Echo extends Run {
  start(): void {
    this.awaited = this.connections.length * this.depth
    this.startFrom(0)
  }

  // By pieces, so that the first answers are not kept waiting for the last requests.
  private startFrom(first: number): void {
    for (const connection of this.connections.slice(first, first + 256)) connection.send(this, this.depth)
    if (first + 256 < this.connections.length) setImmediate(() => this.startFrom(first + 256))
  }

  onReplies(connection: Connection, count: number): void {
    if (count > connection.inFlight) return this.onFailure(new Failure({ message: "more replies than requests" }))
    this.count(count, connection.oldest)
    connection.settle(count)
    if (this.goesOn) {
      this.awaited += count
      connection.send(this, count)
    } else this.endIfDone()
  }
}

class Paced extends Run {
  private readonly perTick: number
  private next = 0

  constructor(
    connections: ReadonlyArray<Connection>,
    options: Options & { readonly perSecond: number },
    end: End
  ) {
    super(connections, { ...options, depth: 1 }, end)
    this.perTick = Math.max(1, Math.round(options.perSecond / 1000 * tickMillis))
  }

  start(): void {
    const ticks = setInterval(() => {
      if (!this.goesOn) return clearInterval(ticks)
      for (let i = 0; i < this.perTick; i++) this.sendNext()
    }, tickMillis)
    this.sendNext()
  }

  private sendNext(): void {
    const connection = this.connections[this.next++ % this.connections.length]!
    // It has not been answered in a whole turn, and what it waits for is being timed already.
    if (connection.inFlight > 0) return
    this.awaited++
    connection.send(this, 1)
  }

  onReplies(connection: Connection, count: number): void {
    if (count > connection.inFlight) return this.onFailure(new Failure({ message: "more replies than requests" }))
    this.count(count, connection.oldest)
    connection.settle(count)
    this.endIfDone()
  }
}

const tickMillis = 10

class Broadcast extends Run {
  start(): void {
    this.send()
  }

  private get sender(): Connection {
    return this.connections[0]!
  }

  private send(): void {
    this.awaited = this.connections.length - 1
    this.sender.send(this, 1)
  }

  onReplies(connection: Connection, count: number): void {
    if (connection === this.sender) return this.onFailure(new Failure({ message: "the sender got its own message" }))
    if (count > this.awaited) return this.onFailure(new Failure({ message: "more messages than were sent" }))
    this.count(count, this.sender.oldest)
    if (this.awaited > 0) return
    this.sender.settle(1)
    if (this.goesOn) this.send()
    else this.endIfDone()
  }
}
