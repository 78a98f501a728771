/**
 * What lies beneath a socket of `node:net`: its handle, which reads into memory of ours and writes without a stream in between.
 * Node keeps it private: so it is looked at first, and left alone where it is not what we know. Only this file knows it, and
 * `listeningHandle.ts` what a server has; `duplexPort.ts` asks it how much is still to be sent.
 */
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { takeHeld } from "./held.ts"

/** Who is told what comes on a handle. */
export interface Reader {
  /** So many bytes came. Answers the memory to read into from now on, if it is another. */
  readonly receive: (count: number, handle: Handle) => Uint8Array | undefined
  /** Nothing comes any more: the system's error, or the end. */
  readonly end: (status: number, handle: Handle) => void
}

/** A connected TCP or unix socket, as libuv has it. Numbers below zero are the system's errors. */
export interface Handle {
  /** What Node takes it for. */
  reading: boolean
  /** Answers the memory to read into from now on, if it is another. */
  onread: () => Uint8Array | undefined | void
  /**
   * Who is told. A listening handle tells it of connections, and a connected one has no use for it: a property of our own would
   * have V8 make room for three, 24 bytes.
   */
  onconnection: Reader | null
  readonly writeQueueSize: number
  readonly readStart: () => number
  readonly readStop: () => number
  readonly useUserBuffer: (buffer: Uint8Array) => void
  readonly writeBuffer: (request: object, bytes: Uint8Array) => number
  readonly writev: (request: object, chunks: ReadonlyArray<Uint8Array>, allBuffers: true) => number
  readonly shutdown: (request: object) => number
  readonly close: () => void
  /** Both of TCP alone. */
  readonly setNoDelay?: (noDelay: boolean) => number
  readonly getpeername?: (out: { address: string | undefined }) => number
}

/** A handle that nobody else reads or writes any more. */
export class Taken {
  readonly handle: Handle
  /** What Node made of it, if it did. */
  readonly socket: Socket | undefined
  /** Whether more is read. */
  readonly isReading: boolean
  /** What it reads into, if that is ours already. */
  readonly memory: Uint8Array | undefined
  /** What Node had read already. */
  readonly held: Uint8Array | undefined

  constructor({ handle, held, isReading, memory, socket }: Pick<Taken, keyof Taken>) {
    this.handle = handle
    this.socket = socket
    this.isReading = isReading
    this.memory = memory
    this.held = held
  }
}

/**
 * Takes the handle of a socket that is open and idle; nothing of any other stream, nor where Node has changed. The socket still
 * knows it, to be looked at and to be destroyed.
 */
export const takeHandle = (duplex: Duplex): Taken | undefined => {
  if (!isPlain(duplex)) return undefined
  const handle: unknown = Reflect.get(duplex, "_handle")
  if (!isHandle(handle) || !isQuiet(duplex)) return undefined
  const held = takeHeld(duplex)
  // Node reads on unless it holds more than it wants to, and begins to behind `read` and a tick later, but for what it takes for
  // read already. To stop here and to start again would cost two system calls.
  const { reading } = handle
  handle.reading = true
  return new Taken({ handle, socket: duplex, isReading: reading, memory: undefined, held })
}

/** Parts the socket from its handle, and destroys it alone: two kilobytes that nobody needs. */
export const dropSocket = (socket: Socket, handle: Handle): void => {
  Reflect.set(socket, "_handle", null)
  for (const symbol of Object.getOwnPropertySymbols(handle)) {
    if (symbol.description === "owner_symbol") Reflect.set(handle, symbol, handle)
  }
  socket.destroy()
}

/** Whether it is a handle as we know it. */
export const isHandle = (value: unknown): value is Handle => binding !== undefined && binding.isHandle(value)

/** For a handle that is Node's again: reads what comes as Node expects it, which would be the handle's own memory. */
export const onReadOf = ({ onread }: Handle, memory: Uint8Array): Handle["onread"] => {
  const { arrayBufferOffset, state } = binding!
  return function(this: Handle) {
    const count = bytesRead()
    state[arrayBufferOffset] = 0
    return Reflect.apply(onread, this, [count > 0 ? memory.slice(0, count).buffer : undefined])
  }
}

/** Has a handle's events told to somebody, and to nobody else from then on. */
export const readBy = (handle: Handle, by: Reader): void => {
  handle.onconnection = by
  handle.onread = onRead
}

function onRead(this: Handle): Uint8Array | undefined {
  const count = bytesRead()
  if (count > 0) return this.onconnection!.receive(count, this)
  if (count < 0) this.onconnection!.end(count, this)
  return undefined
}

// Below zero an error.
const bytesRead = (): number => binding!.state[binding!.readBytes]!

/** Whether the last write goes on behind the call. */
export const isWriteAsync = (): boolean => binding!.state[binding!.writeWasAsync] !== 0

/** What `writeBuffer` and `writev` take. Its `oncomplete` is called, with a status, if the write went on behind the call. */
export const writeRequest = (): object => new binding!.WriteWrap()

/** What `shutdown` takes, with an `oncomplete` of that kind. */
export const shutdownRequest = (): object => new binding!.ShutdownWrap()

// A class of somebody's own may do what we do not know.
const isPlain = (duplex: Duplex): duplex is Socket => Object.getPrototypeOf(duplex) === Socket.prototype

// Nobody taps it, it waits for nothing, and no timer of its own would take our silence for the peer's.
const isQuiet = (socket: Socket): boolean =>
  socket.readyState === "open" &&
  socket.writableLength === 0 &&
  !socket.readableEnded &&
  Reflect.get(Object(Reflect.get(socket, "_readableState")), "ended") === false &&
  (socket.timeout ?? 0) === 0 &&
  socket.listenerCount("data") === 0 &&
  socket.listenerCount("readable") === 0

interface Binding {
  readonly state: Int32Array
  readonly readBytes: number
  readonly writeWasAsync: number
  readonly arrayBufferOffset: number
  readonly WriteWrap: new() => object
  readonly ShutdownWrap: new() => object
  readonly isHandle: (value: unknown) => value is Handle
}

const find = (): Binding | undefined => {
  try {
    const get = Reflect.get(process, "binding")
    const stream = get("stream_wrap")
    const { ShutdownWrap, WriteWrap, kArrayBufferOffset, kLastWriteWasAsync, kReadBytesOrError, streamBaseState } =
      stream
    const classes = [get("tcp_wrap").TCP, get("pipe_wrap").Pipe]
    const isKnown = streamBaseState instanceof Int32Array &&
      [kReadBytesOrError, kLastWriteWasAsync, kArrayBufferOffset].every((index) => index in streamBaseState) &&
      [ShutdownWrap, WriteWrap, ...classes].every((value) => typeof value === "function") &&
      classes.every(({ prototype }) => methods.every((name) => name in prototype))
    if (!isKnown) return undefined
    return {
      state: streamBaseState,
      readBytes: kReadBytesOrError,
      writeWasAsync: kLastWriteWasAsync,
      arrayBufferOffset: kArrayBufferOffset,
      WriteWrap,
      ShutdownWrap,
      isHandle: (value): value is Handle => classes.some((class_) => value instanceof class_)
    }
  } catch {
    // Of a process that may not, or a Node that has no such thing any more.
    return undefined
  }
}

const methods = [
  "onread",
  "writeQueueSize",
  "readStart",
  "readStop",
  "useUserBuffer",
  "writeBuffer",
  "writev",
  "shutdown",
  "close"
]

const binding = find()
