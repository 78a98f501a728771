/**
 * A port on any stream, by its events. The stream is paused unless somebody wants bytes, and what is written in one turn of the
 * event loop is corked and leaves as one.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Socket } from "node:net"
import { type Duplex, duplexPair } from "node:stream"
import type { Io } from "../WebsocketError.ts"
import { port } from "./attached.ts"
import { takeHeld } from "./held.ts"
import { ioReason, prematureClose } from "./io.ts"
import { lingering } from "./lingering.ts"
import type { Listener, Port, PortOptions } from "./port.ts"
import { nextTurn } from "./turns.ts"

/** A stream that is ours, from `attach` until `close`. */
export class DuplexPort implements Port {
  /** Whether chunks are ours alone, to write to: sockets allocate for each read, other streams may pass on what they got. */
  readonly ownsChunks: boolean
  private readonly duplex: Duplex
  listener: Listener
  private flowing = false
  private corked = false
  private isReceiving = false
  /** @internal for the stream's events: what is read is not to be received by them. */
  isTaking = false
  private ended = false
  private heard = false
  private left = 0
  private readonly turnSize: number
  private taken = 0
  isOver = false

  constructor(duplex: Duplex, listener: Listener, { turnSize }: Pick<PortOptions, "turnSize">) {
    this.duplex = duplex
    this.turnSize = turnSize
    this.listener = listener
    this.ownsChunks = duplex instanceof Socket && duplex.listenerCount("data") === 0
  }

  attach(): void {
    const duplex: Attached = Object.assign(this.duplex, { [port]: this })
    // First of all, and for good: an error that nobody listens to ends the process, and late ones come after everything.
    duplex.on("error", onError)
    duplex.on("close", onClose)
    duplex.on("end", onEnd)
    duplex.on("drain", onDrain)
    // A listener for data starts the flow, unless the stream was paused by name.
    duplex.pause()
    duplex.on("data", onData)
    if (duplex.destroyed) this.closed(duplex.errored)
    else if (duplex.readableEnded) this.end()
  }

  pull(): void {
    const { duplex } = this
    const holds = duplex.readableLength > 0
    if (this.isOver || (this.flowing && !holds)) return
    // A stream that flows holds bytes, too, if they came in this very turn, and gives them to who reads when it is paused.
    if (this.flowing) duplex.pause()
    this.flowing = true
    if (holds) this.receiveHeld()
    if (this.flowing) duplex.resume()
  }

  write(bytes: Uint8Array): void {
    if (!this.corked) {
      this.corked = true
      this.duplex.cork()
      if (!this.isReceiving) process.nextTick(uncork, this)
    }
    this.duplex.write(bytes)
  }

  get isFull(): boolean {
    return this.duplex.writableNeedDrain
  }

  get isWritable(): boolean {
    // Node ends our side behind the peer's, unless it may be half open; to see it by `writable` takes a tick more.
    return this.duplex.writable && !(this.ended && !this.duplex.allowHalfOpen)
  }

  get failure(): Io | undefined {
    return this.duplex.destroyed ? this.reason(this.duplex.errored) : undefined
  }

  shutdown(): void {
    this.duplex.end()
  }

  destroy(error?: Error): void {
    this.duplex.destroy(error)
  }

  takeHeard(): boolean {
    const heard = this.heard || !this.flowing
    this.heard = false
    return heard
  }

  takeTaken(): boolean {
    // Node counts a write until the last byte of it is gone. How much of a large one is, only the handle knows, if at all.
    const { _handle }: { readonly _handle?: { readonly writeQueueSize?: number } | null } = Object(this.duplex)
    const left = this.duplex.writableLength + (_handle?.writeQueueSize ?? 0)
    const taken = !this.isFull || left !== this.left
    this.left = left
    return taken
  }

  get queuedBytes(): number {
    return this.duplex.writableLength
  }

  /** Gives the stream up: see `finish`. */
  close(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isOver = true
      return finish(this.duplex, linger)
    })
  }

  /** @internal for the stream's events */
  receive(chunk: Uint8Array): void {
    if (this.isOver) return
    this.heard = true
    const wasReceiving = this.isReceiving
    this.isReceiving = true
    const wantsMore = this.tell(chunk)
    this.isReceiving = wasReceiving
    // An answer that is ready now need not wait for the tick: a tenth of what an echo costs.
    if (this.corked && !wasReceiving) this.flush()
    if (this.isOver) return
    if (!wantsMore) {
      this.flowing = false
      this.duplex.pause()
      return
    }
    this.taken += chunk.length
    if (this.taken < this.turnSize) return
    this.taken = 0
    this.duplex.pause()
    nextTurn(this)
  }

  /** @internal for those who wait for their turn */
  resume(): void {
    if (this.flowing) this.duplex.resume()
  }

  // As one chunk, of which the stream tells by one event, or by several.
  private receiveHeld(): void {
    this.isTaking = true
    const held = takeHeld(this.duplex)
    this.isTaking = false
    if (held !== undefined) this.receive(held)
  }

  // What is not ours alone is on loan: payloads are their reader's to write to, and views of one chunk might be several readers'.
  private tell(chunk: Uint8Array): boolean {
    return this.listener.onChunk(chunk, !this.ownsChunks)
  }

  /** @internal for the stream's events */
  end(): void {
    if (this.isOver) return
    this.ended = true
    this.listener.onEnd()
  }

  /** @internal for the stream's events */
  drain(): void {
    if (!this.isOver) this.listener.onDrain()
  }

  /** @internal for the stream's events */
  closed(error: Error | null): void {
    if (this.isOver) return
    this.isOver = true
    // What Node had read before a failure came from the peer in good order. `read` emits nothing any more by now.
    const rest = takeHeld(this.duplex)
    if (rest !== undefined) this.tell(rest)
    this.listener.onClose(this.reason(error))
  }

  private reason(error: Error | null): Io | undefined {
    if (error === null && this.ended) return undefined
    return ioReason(error ?? prematureClose())
  }

  /** @internal for `write` */
  flush(): void {
    this.corked = false
    this.duplex.uncork()
  }
}

/**
 * Sends what is queued, ends our side and destroys the stream once that is done, and after `linger` if the peer does not take it.
 * What still comes is dropped.
 */
export const finish = (duplex: Duplex, linger: Duration.Input): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (duplex.destroyed) return Effect.void
    return lingering(linger, (done) => {
      duplex.once("finish", done).once("close", done)
      duplex.end()
      if (duplex.writableFinished || (duplex.writableLength === 0 && isOfPair(duplex))) setImmediate(done)
      duplex.resume()
    }, (done) => duplex.off("finish", done).off("close", done).destroy())
  })

// Of a pair in memory, which has nothing to do at its end but to wait until the other has read to it, and that may be never.
const isOfPair = (duplex: Duplex): boolean => duplex.constructor === (classOfPair ??= duplexPair()[0].constructor)

let classOfPair: Duplex["constructor"] | undefined

// One set of listeners for all streams.
type Attached = Duplex & { [port]: DuplexPort }

function onError(this: Attached, error: Error): void {
  this[port].closed(error)
}

function onClose(this: Attached): void {
  this[port].closed(null)
}

function onEnd(this: Attached): void {
  this[port].end()
}

function onDrain(this: Attached): void {
  this[port].drain()
}

function onData(this: Attached, chunk: Uint8Array): void {
  if (!this[port].isTaking) this[port].receive(chunk)
}

const uncork = (port: DuplexPort): void => port.flush()
