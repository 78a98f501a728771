/**
 * A decoder that is there only while there are bytes: between frames it has nothing to remember, and so it goes to the next
 * connection that has something to read. An idle connection weighs a quarter of a kilobyte less.
 */
import type { Frame } from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type { ProtocolError } from "@websocket-stream/core/ProtocolError"
import * as Result from "effect/Result"
import { allocate } from "./allocate.ts"

type PoolOptions = Pick<FrameDecoder.Options, "role" | "maxFrameSize" | "ownsChunks" | "rsv1">

/** One for a connection. */
export const make = (options: PoolOptions): PooledDecoder => new PooledDecoder(poolOf(options))

export class PooledDecoder implements FrameDecoder.FrameDecoder {
  private readonly pool: Pool
  private decoder: FrameDecoder.FrameDecoder | undefined = undefined

  constructor(pool: Pool) {
    this.pool = pool
  }

  push(chunk: Uint8Array, lent?: boolean): void {
    const decoder = this.decoder ??= this.pool.take()
    decoder.push(chunk, lent)
  }

  keep(): void {
    this.decoder?.keep()
  }

  next(): Result.Result<Frame | undefined, ProtocolError> {
    const next = this.decoder?.next() ?? nothing
    this.giveBackIfIdle()
    return next
  }

  nextUsual(): Frame | undefined {
    return this.decoder?.nextUsual()
  }

  nextPart(): Result.Result<FrameDecoder.FramePart | undefined, ProtocolError> {
    const next = this.decoder?.nextPart() ?? nothing
    this.giveBackIfIdle()
    return next
  }

  get bufferedBytes(): number {
    return this.decoder?.bufferedBytes ?? 0
  }

  get isIdle(): boolean {
    return this.decoder?.isIdle ?? true
  }

  /** Whether an extension that uses RSV1 was negotiated. */
  get takesRsv1(): boolean {
    return this.pool.options.rsv1 === true
  }

  private giveBackIfIdle(): void {
    const { decoder } = this
    if (decoder === undefined || !decoder.isIdle) return
    this.decoder = undefined
    this.pool.giveBack(decoder)
  }
}

const nothing = Result.succeed(undefined)

class Pool {
  readonly options: FrameDecoder.Options & PoolOptions
  private readonly idle: Array<FrameDecoder.FrameDecoder> = []

  constructor(options: PoolOptions) {
    this.options = { ...options, allocate }
  }

  take(): FrameDecoder.FrameDecoder {
    return this.idle.pop() ?? FrameDecoder.make(this.options)
  }

  giveBack(decoder: FrameDecoder.FrameDecoder): void {
    if (this.idle.length < idleAtMost) this.idle.push(decoder)
  }
}

// More are in the middle of a frame at a time only where many peers are slow.
const idleAtMost = 64

const poolOf = (options: PoolOptions): Pool => {
  // By numbers, as an iterator is 70 bytes of garbage for each connection.
  for (let i = 0; i < pools.length; i++) {
    const pool = pools[i]!
    if (isSame(pool.options, options)) return pool
  }
  // A process has few limits. One that makes them up for each connection is not to hold them all.
  if (pools.length >= poolsAtMost) pools.length = 0
  const pool = new Pool(options)
  pools.push(pool)
  return pool
}

const isSame = (a: PoolOptions, b: PoolOptions): boolean =>
  a.role === b.role && a.maxFrameSize === b.maxFrameSize && a.ownsChunks === b.ownsChunks && a.rsv1 === b.rsv1

const poolsAtMost = 64
const pools: Array<Pool> = []
