/**
 * A stream around another one that does to it what networks and kernels do: splits reads and writes down to single bytes,
 * has each piece wait for a few turns of the event loop, resets, ends early, fails in `write` and in `destroy`, and never
 * drains. All of it by a seed; nothing is reordered, and but for a fault not a byte is changed or lost.
 */
import { Duplex } from "node:stream"
import { takeHeld } from "../../src/internal/held.ts"

export interface Faults {
  /** Decides sizes and waits: the same seed over the same bytes does the same. */
  readonly seed: number
  /** Default: none, and all bytes come through. */
  readonly fault?: Fault | undefined
}

/** What goes wrong, once so many bytes have gone through. */
export interface Fault {
  readonly kind: FaultKind
  readonly after: number
}

export const faultKinds = [
  // After so many bytes either way: an error ECONNRESET, and nothing more.
  "reset",
  // After so many bytes that were read: the peer's half ends, in good order.
  "half-close",
  // After so many bytes that were written: the callback of `write` has an error EPIPE.
  "write fails",
  // After so many bytes that were written: nothing takes the rest, and no `drain` comes.
  "never drains",
  // Whenever the stream is destroyed it says so by an error.
  "destroy fails"
] as const

export type FaultKind = typeof faultKinds[number]

/** What all faulty streams of this process have done to their bytes. */
export const injected: Record<FaultKind | "pieces" | "waits", number> = {
  "pieces": 0,
  "waits": 0,
  "reset": 0,
  "half-close": 0,
  "write fails": 0,
  "never drains": 0,
  "destroy fails": 0
}

export class Faulty extends Duplex {
  private readonly inner: Duplex
  private readonly random: Random
  private readonly fault: Fault | undefined
  private received = 0
  private sent = 0
  private isWanted = false
  private isDelivering = false
  private hasEnded = false

  constructor(inner: Duplex, { fault, seed }: Faults) {
    super({
      allowHalfOpen: inner.allowHalfOpen,
      readableHighWaterMark: 1,
      writableHighWaterMark: inner.writableHighWaterMark
    })
    this.inner = inner
    this.random = new Random(seed)
    this.fault = fault
    // What we still hold is written behind the peer's end, too, as a socket would have done before it.
    inner.allowHalfOpen = true
    inner.on("readable", () => this.deliver())
    inner.on("end", () => {
      this.hasEnded = true
      this.deliver()
    })
    inner.on("error", (error) => this.lose(error))
    inner.on("close", () => {
      if (!this.hasEnded) this.lose()
    })
  }

  /** How many bytes have gone through, both ways. */
  get bytes(): number {
    return this.received + this.sent
  }

  override _read(): void {
    this.isWanted = true
    this.deliver()
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: Callback): void {
    this.send(chunk, callback)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, callback: Callback): void {
    this.send(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  override _final(callback: Callback): void {
    this.inner.end(() => callback())
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.inner.destroy()
    callback(this.fault?.kind === "destroy fails" ? this.errorOf("destroy fails", "EIO") : error)
  }

  // A piece at a time, and the next when there is room for it. What waits is left where it is: held here, too, the peer
  // would have to wait later than it has to.
  private deliver(): void {
    if (this.isDelivering || !this.isWanted || this.destroyed) return
    if (this.inner.readableLength === 0) {
      // Only a read finds the end.
      if (this.hasEnded) this.push(null)
      else this.inner.read()
      return
    }
    this.isDelivering = true
    this.afterAWait(() => {
      this.isDelivering = false
      if (this.destroyed) return
      const piece: Uint8Array = this.inner.read(
        this.sizeOf(this.inner.readableLength, this.left("half-close", this.received))
      )
      this.received += piece.length
      this.isWanted = false
      if (this.push(piece)) this.isWanted = true
      if (this.isOver("reset", this.bytes)) return this.reset()
      if (this.isOver("half-close", this.received)) return this.halfClose()
      this.deliver()
    })
  }

  private send(bytes: Uint8Array, callback: Callback): void {
    if (bytes.length === 0) return callback()
    if (this.isOver("write fails", this.sent)) return callback(this.errorOf("write fails", "EPIPE"))
    if (this.isOver("never drains", this.sent)) return void injected["never drains"]++
    this.afterAWait(() => {
      const kind = this.fault?.kind === "never drains" ? "never drains" : "write fails"
      const size = this.sizeOf(bytes.length, this.left(kind, this.sent))
      this.sent += size
      this.inner.write(bytes.subarray(0, size), (error) => {
        if (this.isOver("reset", this.bytes)) this.reset()
        if (error === null || error === undefined) this.send(bytes.subarray(size), callback)
        else callback(error)
      })
    })
  }

  // Bytes that were read came in good order; the stream that they came by is gone.
  private lose(error?: Error): void {
    if (this.destroyed) return
    const held = takeHeld(this.inner)
    if (held !== undefined) this.push(held)
    this.destroy(error)
  }

  private reset(): void {
    if (!this.destroyed) this.destroy(this.errorOf("reset", "ECONNRESET"))
  }

  private halfClose(): void {
    injected["half-close"]++
    this.hasEnded = true
    // Whatever else comes is the peer's loss.
    this.inner.removeAllListeners("readable").resume()
    this.push(null)
  }

  private errorOf(kind: FaultKind, code: string): Error {
    injected[kind]++
    return Object.assign(new Error(`${kind}, as the seed has it`), { code })
  }

  private isOver(kind: FaultKind, count: number): boolean {
    return this.left(kind, count) <= 0
  }

  /** How many bytes may go until the fault, if it is of this kind. */
  private left(kind: FaultKind, count: number): number {
    return this.fault?.kind === kind ? this.fault.after - count : Infinity
  }

  // Of a few bytes mostly one; of many mostly a large part, or 64 KiB took seconds.
  private sizeOf(length: number, atMost: number): number {
    injected.pieces++
    const choice = this.random.below(length > largestPiece / 4 ? 16 : 4)
    const size = choice < 2 ? 1 : 1 + this.random.below(choice === 2 ? 8 : length)
    return Math.min(size, length, atMost, largestPiece)
  }

  private afterAWait(then: () => void): void {
    const turns = Math.max(0, this.random.below(8) - 5)
    if (turns > 0) injected.waits++
    wait(turns, then)
  }
}

// As it is to be held once more, beside what the stream within holds.
const largestPiece = 16 * 1024

type Callback = (error?: Error | null) => void

const wait = (turns: number, then: () => void): void => {
  if (turns === 0) process.nextTick(then)
  else setImmediate(wait, turns - 1, then)
}

/** Numbers that are the same for the same seed. */
export class Random {
  // Marsaglia's xorshift, whose state must not be zero, and whose first numbers of small seeds are small.
  private state: number

  constructor(seed: number) {
    this.state = Math.imul(seed, 0x9e3779b1) | 1
  }

  /** A whole number from 0 on, and less than that. */
  below(limit: number): number {
    this.state ^= this.state << 13
    this.state ^= this.state >>> 17
    this.state ^= this.state << 5
    return (this.state >>> 0) % limit
  }
}
