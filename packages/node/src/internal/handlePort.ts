/**
 * A port on a socket's own handle: all connections read into the same memory, and what is written goes to the system without a
 * stream in between.
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { Socket } from "node:net"
import { getDefaultHighWaterMark } from "node:stream"
import { getSystemErrorName } from "node:util"
import type { Io } from "../WebsocketError.ts"
import { port } from "./attached.ts"
import { Ending } from "./ending.ts"
import { flushSoon } from "./flushing.ts"
import * as FrameMemory from "./frameMemory.ts"
import type { Handle, Taken } from "./handle.ts"
import * as Private from "./handle.ts"
import { ioReason, prematureClose } from "./io.ts"
import { lingering } from "./lingering.ts"
import type { Listener, Port, PortOptions } from "./port.ts"
import { memoryOf } from "./readMemory.ts"
import { leavesRemainder, readRemainder } from "./remainder.ts"
import { nextTurn } from "./turns.ts"
import { untraced } from "./untraced.ts"

export class HandlePort implements Port, Private.Reader {
  // First what each write looks at: of many connections none is in the cache.
  private handle: Handle | undefined
  // For those who know the connection by it, or not at all.
  private readonly socket: AttachedSocket | undefined
  isFull = false
  // Behind the chunk that is received, or soon.
  private flushes = false
  /** Bytes that the system has not taken, those that are on their way to it included. */
  queuedBytes = 0
  private sending: WriteRequest | undefined = undefined
  private lazyEnding: Ending | undefined = undefined
  // Most write once or twice between two flushes.
  private queue: Uint8Array | Array<Uint8Array> | undefined = undefined
  listener: Listener
  private wantsBytes = false
  private isReading: boolean
  private heard = false
  /** @internal for `readRemainder`: the bytes that came, until others do. */
  memory: Uint8Array
  private held: Uint8Array | undefined
  private readonly turnSize: number
  private left = 0
  isOver = false

  constructor(taken: Taken, listener: Listener, { dropsSocket, turnSize }: PortOptions) {
    const { handle, held, isReading, memory, socket } = taken
    this.listener = listener
    this.turnSize = turnSize
    this.memory = memory ?? memoryOf(turnSize)
    if (memory === undefined) handle.useUserBuffer(this.memory)
    this.handle = handle
    this.held = held
    this.isReading = isReading
    this.socket = socket === undefined ? undefined : this.share(socket, handle, dropsSocket)
  }

  private share(socket: Socket, handle: Handle, dropsSocket: boolean): AttachedSocket | undefined {
    // First of all, and for good: an error that nobody listens to ends the process.
    socket.on("error", constVoid)
    if (!dropsSocket) return Object.assign(socket, { [port]: this }).once("close", onSocketClose)
    Private.dropSocket(socket, handle)
    return undefined
  }

  // Of a connection that has no socket it is as an HTTP server has it.
  private get highWaterMark(): number {
    return this.socket === undefined ? getDefaultHighWaterMark(false) : this.socket.writableHighWaterMark
  }

  get ownsChunks(): boolean {
    return true
  }

  attach(): void {
    const handle = this.handle!
    Private.readBy(handle, this)
    // One chunk ahead of those who read, as Node does: the peer's end and its reset are seen by whoever writes, too.
    if (this.held === undefined) this.start()
    else this.stop()
  }

  pull(): void {
    if (this.isOver || this.wantsBytes) return
    this.wantsBytes = true
    const { held } = this
    this.held = undefined
    if (held !== undefined) this.give(held, false)
    if (this.wantsBytes) this.start()
  }

  write(bytes: Uint8Array): void {
    this.queuedBytes += bytes.length
    if (this.queuedBytes >= this.highWaterMark) this.isFull = true
    if (this.flushes || this.sending !== undefined) {
      this.enqueue(bytes)
    } else {
      this.flushes = true
      flushSoon(this, bytes)
    }
  }

  get isWritable(): boolean {
    return !this.isDestroyed && this.lazyEnding?.shutsDown !== true
  }

  get failure(): Io | undefined {
    return this.isDestroyed || this.lazyEnding?.error !== undefined ? this.reason() : undefined
  }

  shutdown(): void {
    this.ending.shutsDown = true
    this.shutDownIfSent()
  }

  destroy(error?: Error): void {
    const { handle, socket } = this
    if (handle === undefined) return
    this.ending.error ??= error
    this.handle = undefined
    this.queue = undefined
    handle.onread = constVoid
    process.nextTick(closed, this)
    if (socket === undefined) handle.close()
    else socket.off("close", onSocketClose).destroy()
  }

  takeHeard(): boolean {
    const heard = this.heard || !this.wantsBytes
    this.heard = false
    return heard
  }

  takeTaken(): boolean {
    // How much of what the system was given is gone, only the handle knows.
    const left = this.isFull ? this.queuedBytes + (this.handle?.writeQueueSize ?? 0) : nothingLeft
    const taken = left === nothingLeft || left !== this.left
    this.left = left
    return taken
  }

  close(linger: Duration.Input): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isOver = true
      return this.handle === undefined ? Effect.void : this.finish(linger)
    })
  }

  private finish(linger: Duration.Input): Effect.Effect<void> {
    return lingering(linger, (done) => {
      this.ending.finished = done
      // What still comes is read and dropped: unread, it would reset the connection.
      this.start()
      this.shutdown()
      if (this.ending.isShutDown) done()
    }, () => {
      this.ending.finished = undefined
      this.destroy()
    })
  }

  /** @internal for the handle's events. Answers the memory to read into from now on, if it is another. */
  receive(count: number): Uint8Array | undefined {
    if (this.isOver) return undefined
    this.heard = true
    if (!this.wantsBytes) {
      // Only now: most who want no more do again before there is more, and to stop and start costs two system calls.
      this.held = this.memory.slice(0, count)
      this.stop()
    } else if (count === this.memory.length) {
      return this.giveTurn()
    } else {
      this.give(new Uint8Array(this.memory.buffer, 0, count), true)
    }
    return undefined
  }

  // libuv would read on, up to 32 times before anybody else's turn.
  private giveTurn(): Uint8Array | undefined {
    const began = performance.now()
    this.give(this.memory, true)
    const took = performance.now() - began
    if (this.wantsBytes) {
      this.stop()
      nextTurn(this)
    }
    // Many small messages take a hundred times as long as one large, and so the others wait.
    const size = took > longTurn ? this.turnSize >> 2 : took < shortTurn ? this.turnSize : this.memory.length
    if (size === this.memory.length) return undefined
    return this.memory = memoryOf(size)
  }

  /** @internal for the handle's events */
  end(status: number): void {
    this.isReading = false
    if (getSystemErrorName(status) !== "EOF") return this.destroy(systemError(status, "read"))
    this.ending.ended = true
    // Node ends our side behind the peer's, unless it may be half open, as all may be that have no socket.
    if (this.socket?.allowHalfOpen === false) this.shutdown()
    if (!this.isOver) this.listener.onEnd()
    this.destroyIfDone()
  }

  /** @internal for those who wait for their turn */
  resume(): void {
    if (this.wantsBytes) this.start()
  }

  /** @internal for `flushSoon`, which holds what goes first */
  submit(first?: Uint8Array): boolean {
    const { handle } = this
    const queue = first === undefined || this.queue === undefined ? first ?? this.queue : [first].concat(this.queue)
    if (handle === undefined || this.isDestroyed || queue === undefined || this.sending !== undefined) return false
    this.queue = undefined
    const request = spare ??
      Object.assign(Private.writeRequest(), { port: nobody, queue: nothing, bytes: 0, oncomplete: onWritten })
    spare = undefined
    const status = Array.isArray(queue) ? handle.writev(request, queue, true) : handle.writeBuffer(request, queue)
    if (status !== 0) {
      this.failWriting(systemError(status, "write"))
      return false
    }
    if (Private.isWriteAsync()) {
      // Nobody else may move what the system still has to take.
      request.queue = queue
      request.port = this
      request.bytes = this.queuedBytes
      this.sending = request
      return false
    }
    // Most requests are not used: the system has taken all by now.
    spare = request
    if (!Array.isArray(queue)) FrameMemory.giveBack(queue)
    this.queuedBytes = 0
    if (this.isFull || this.lazyEnding !== undefined) return false
    this.flushes = false
    return true
  }

  /** @internal for `flushSoon` */
  settle(): void {
    this.flushes = false
    if (!this.isDestroyed && this.sending === undefined && this.lazyEnding?.error === undefined) this.sent()
  }

  /** @internal for the requests' events */
  written(status: number): void {
    const { sending } = this
    // Of a socket that its owner has destroyed the write is cancelled, and its event `close` tells why.
    if (this.isDestroyed || sending === undefined) return
    this.sending = undefined
    this.queuedBytes -= sending.bytes
    if (status < 0) return this.failWriting(systemError(status, "write"))
    this.sent()
  }

  /** @internal for the requests' events */
  shutDown(status: number): void {
    if (this.handle === undefined) return
    if (status < 0 && getSystemErrorName(status) !== "ENOTCONN") return this.destroy(systemError(status, "shutdown"))
    this.ending.isShutDown = true
    this.ending.finished?.()
    this.destroyIfDone()
  }

  /** @internal for the socket's events, and for `destroy` */
  closed(): void {
    if (this.isOver) {
      this.ending.finished?.()
      return
    }
    this.isOver = true
    const { held } = this
    this.held = undefined
    // What was read before a failure came from the peer in good order.
    if (held !== undefined) this.listener.onChunk(held, false)
    this.listener.onClose(this.reason())
  }

  private failWriting(error: NodeJS.ErrnoException): void {
    const { ending, handle, held } = this
    this.queue = undefined
    this.queuedBytes = 0
    if (handle === undefined || ending.error !== undefined) return
    if (this.isOver || ending.ended || !leavesRemainder(error)) return this.destroy(error)
    ending.error = error
    // Nothing goes out any more: there is no side of ours left to end.
    ending.shutsDown = ending.isShuttingDown = ending.isShutDown = true
    this.held = undefined
    readRemainder(handle, this, error)
    this.start()
    if (held !== undefined) this.listener.onChunk(held, false)
  }

  private flush(): void {
    if (!this.submit()) this.settle()
  }

  private enqueue(bytes: Uint8Array): void {
    const { queue } = this
    if (queue === undefined) this.queue = bytes
    else if (Array.isArray(queue)) queue.push(bytes)
    else this.queue = [queue, bytes]
  }

  private give(chunk: Uint8Array, lent: boolean): void {
    const flushesLater = this.flushes
    this.flushes = true
    if (!this.listener.onChunk(chunk, lent)) this.wantsBytes = false
    this.flushes = flushesLater
    // An answer that is ready now need not wait for the tick: a tenth of what an echo costs.
    if (this.queue !== undefined && !flushesLater) this.flush()
  }

  private start(): void {
    if (this.isReading || this.lazyEnding?.ended === true || this.handle === undefined || this.isDestroyed) return
    this.isReading = true
    const status = this.handle.readStart()
    if (status !== 0) this.destroy(systemError(status, "read"))
  }

  private stop(): void {
    this.isReading = false
    this.handle?.readStop()
  }

  private sent(): void {
    // Written while the system took its time, or by who was told that the write of another has failed.
    if (this.queue !== undefined) return this.flush()
    if (this.isFull) {
      this.isFull = false
      if (!this.isOver) this.listener.onDrain()
    }
    this.shutDownIfSent()
  }

  private shutDownIfSent(): void {
    const { handle, lazyEnding: ending } = this
    if (ending === undefined || !ending.shutsDown || ending.isShuttingDown) return
    if (handle === undefined || this.queuedBytes > 0) return
    const request = Object.assign(Private.shutdownRequest(), { port: this, oncomplete: onShutDown })
    ending.isShuttingDown = true
    const status = handle.shutdown(request)
    if (status !== 0) this.shutDown(status)
  }

  private destroyIfDone(): void {
    if (this.ending.ended && this.ending.isShutDown) this.destroy()
  }

  // Its owner may have destroyed the socket, and it tells so only behind this turn.
  private get isDestroyed(): boolean {
    return this.handle === undefined || this.socket?.destroyed === true
  }

  private get ending(): Ending {
    return this.lazyEnding ??= new Ending()
  }

  private reason(): Io | undefined {
    const error = this.ending.error ?? this.socket?.errored
    if (error == null && this.ending.ended) return undefined
    return ioReason(error ?? prematureClose())
  }
}

// Milliseconds.
const longTurn = 0.1
const shortTurn = 0.02

interface WriteRequest {
  port: HandlePort | undefined
  queue: Uint8Array | ReadonlyArray<Uint8Array>
  bytes: number
}

const nothingLeft = -1
const nobody: HandlePort | undefined = undefined
const nothing: WriteRequest["queue"] = []

// A request that the system did not need.
let spare: WriteRequest | undefined

type AttachedSocket = Socket & { readonly [port]: HandlePort }

function onWritten(this: WriteRequest, status: number): void {
  this.port!.written(status)
}

function onShutDown(this: { readonly port: HandlePort }, status: number): void {
  this.port.shutDown(status)
}

function onSocketClose(this: AttachedSocket): void {
  this[port].destroy()
}

const closed = (port: HandlePort): void => port.closed()

const systemError = (errno: number, syscall: string): Error => {
  const code = getSystemErrorName(errno)
  return Object.assign(untraced(() => new Error(`${syscall} ${code}`)), { errno, code, syscall })
}
