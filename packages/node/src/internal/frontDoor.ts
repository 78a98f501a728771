/**
 * The front door of a server of our own: it reads what a client sends first, without a socket of Node's or anything of
 * `node:http`, which would cost more than all the rest of a connection. An upgrade whose head comes whole goes on from here; all
 * else is left to Node, as if we had not been there.
 */
import * as Duration from "effect/Duration"
import { constVoid } from "effect/Function"
import type { Server } from "node:http"
import type { Socket } from "node:net"
import { flushBehind } from "./flushing.ts"
import { type Handle, readBy, type Reader, Taken } from "./handle.ts"
import { type Head, type HeadParser, headParser } from "./headParser.ts"
import { ListeningHandle } from "./listeningHandle.ts"
import { memoryOf } from "./readMemory.ts"
import type { Reception } from "./reception.ts"
import type { Swept } from "./sweep.ts"
import type { Arrival } from "./upgrade.ts"

export class FrontDoor implements Reader, Swept {
  private readonly reception: Reception
  private readonly parser: HeadParser
  private readonly listening: ListeningHandle
  private readonly memory: Uint8Array
  private view: Uint8Array
  // Who has sent nothing yet, and since when, the first of them first.
  private readonly silent = new Map<Handle, number>()

  /** Opens one for a server that listens, unless it is not to be, or Node is not as we know it. */
  static open(server: Server, reception: Reception): FrontDoor | undefined {
    const { ownsServer, stream } = reception.settings
    const parser = ownsServer && stream.direct ? headParser() : undefined
    if (parser === undefined) return undefined
    const listening = ListeningHandle.of(server, (handle) => door.welcome(handle))
    if (listening === undefined) return undefined
    const door = new FrontDoor(reception, parser, listening)
    return door
  }

  private constructor(reception: Reception, parser: HeadParser, listening: ListeningHandle) {
    this.reception = reception
    this.parser = parser
    this.listening = listening
    this.view = this.memory = memoryOf(reception.settings.stream.turnSize)
  }

  /** Cuts those who have sent nothing. Who comes now is Node's: nobody looks here at how long they take. */
  close(): void {
    this.listening.giveBack()
    for (const handle of this.silent.keys()) this.drop(handle)
  }

  // RFC 9110 15.5.9: 408 is for a request that was not complete "within the time that it was prepared to wait".
  sweep(now: number): void {
    const deadline = Duration.toMillis(this.reception.settings.handshakeDeadline)
    for (const [handle, since] of this.silent) {
      if (now - since < deadline) return
      this.silent.delete(handle)
      const socket = this.listening.socketOf(handle, this.memory)
      // As Node does it, which waits for nobody here.
      socket.write(requestTimeout)
      socket.destroy()
    }
  }

  private welcome(handle: Handle): void {
    this.silent.set(handle, this.reception.watch.timepiece.millis())
    handle.useUserBuffer(this.memory)
    readBy(handle, this)
    if (handle.readStart() !== 0) this.drop(handle)
  }

  private readonly admit = (arrival: Arrival): void => this.reception.receive(arrival)

  receive(count: number, handle: Handle): undefined {
    this.silent.delete(handle)
    const { memory } = this
    const bytes = this.newest(count)
    const head = this.parser.parse(bytes)
    if (head === undefined) {
      this.listening.passOn(handle, memory, bytes.slice())
      return
    }
    // As Node has it.
    handle.setNoDelay?.(true)
    const rest = head.size === count ? undefined : bytes.slice(head.size)
    const arrival = new DirectArrival(this.listening, handle, head, memory, rest)
    flushBehind(this.admit, arrival)
    arrival.rest()
  }

  end(_: number, handle: Handle): void {
    this.drop(handle)
  }

  // Clients of a kind send as much, and a view is 100 bytes.
  private newest(count: number): Uint8Array {
    if (this.view.length !== count) this.view = new Uint8Array(this.memory.buffer, 0, count)
    return this.view
  }

  private drop(handle: Handle): void {
    this.silent.delete(handle)
    handle.onread = constVoid
    handle.close()
    this.listening.forget()
  }
}

const requestTimeout = "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n"

/** An upgrade whose connection is a handle, and nothing more unless it is to be turned away. */
class DirectArrival implements Arrival {
  readonly request: Arrival["request"]
  readonly head: Uint8Array | undefined
  private readonly listening: ListeningHandle
  private readonly handle: Handle
  private readonly memory: Uint8Array
  private isReading = true
  private isTaken = false
  private lazySocket: Socket | undefined = undefined

  constructor(
    listening: ListeningHandle,
    handle: Handle,
    request: Head,
    memory: Uint8Array,
    head: Uint8Array | undefined
  ) {
    this.listening = listening
    this.handle = handle
    this.memory = memory
    this.request = request
    this.head = head
  }

  get remoteAddress(): string | undefined {
    peer.address = undefined
    this.handle.getpeername?.(peer)
    return peer.address
  }

  get socket(): Socket {
    return this.lazySocket ??= this.listening.socketOf(this.handle, this.memory)
  }

  take(): Taken {
    this.isTaken = true
    this.listening.forget()
    return new Taken({
      handle: this.handle,
      socket: undefined,
      isReading: this.isReading,
      memory: this.memory,
      held: undefined
    })
  }

  /** Nobody has taken it yet: what comes has to wait. */
  rest(): void {
    if (this.isTaken || this.lazySocket !== undefined) return
    this.isReading = false
    this.handle.readStop()
  }
}

// One for all, which has its properties already: to add them was a third of what it costs to ask.
const peer: { address: string | undefined; family: string; port: number } = { address: undefined, family: "", port: 0 }
