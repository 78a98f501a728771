/** Where bytes come from and go to, as a `WebsocketStream` sees it: what comes in is pulled, what goes out is awaited. */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Duplex } from "node:stream"
import type { Io } from "../WebsocketError.ts"
import { DuplexPort } from "./duplexPort.ts"
import { takeHandle, Taken } from "./handle.ts"
import { HandlePort } from "./handlePort.ts"

/** What a port tells. All of it comes in events of its own or from `pull`, and nothing comes after `close`. */
export interface Listener {
  /** Bytes came, on loan until this returns or the listener's for good. Answers whether more are wanted now. */
  readonly onChunk: (chunk: Uint8Array, lent: boolean) => boolean
  /** The peer's bytes ended, in good order. */
  readonly onEnd: () => void
  /** There is room for writes again. */
  readonly onDrain: () => void
  /** Nothing goes either way any more: the stream failed, was destroyed by somebody else, or both sides ended. */
  readonly onClose: (reason: Io | undefined) => void
}

/** A stream that is ours, from `attach` until `close`. It is read only while somebody wants bytes, so that the peer has to wait. */
export interface Port {
  /** Who is told: another, once the stream was taken over. */
  listener: Listener
  /** Whether chunks may be written to. */
  readonly ownsChunks: boolean
  /** Whether nothing goes either way any more. */
  readonly isOver: boolean
  /** Begins to listen, with what has happened to the stream already. */
  readonly attach: () => void
  /** Lets bytes come: those that are there at once, by `onChunk` before this returns; others as they arrive. */
  readonly pull: () => void
  /** Queues bytes, whole. They leave at the end of this turn of the event loop, or of the chunk that they answer. */
  readonly write: (bytes: Uint8Array) => void
  /** Whether as many bytes are queued as the stream wants to hold: its high-water mark. */
  readonly isFull: boolean
  readonly isWritable: boolean
  /** What a stream that takes no more writes failed of, if it failed and was not just ended. */
  readonly failure: Io | undefined
  /** Ends our side once what is queued was sent. */
  readonly shutdown: () => void
  /** Destroys the stream, whatever is queued. */
  readonly destroy: (error?: Error) => void
  /** Whether something came since this was last asked, or nothing could: a peer that we do not read cannot be heard. */
  readonly takeHeard: () => boolean
  /** Whether the peer took something since this was last asked, or there is room for more. */
  readonly takeTaken: () => boolean
  /** Bytes that are queued and not gone. */
  readonly queuedBytes: number
  /** Sends what is queued, ends our side and destroys the stream, after `linger` at the latest. What still comes is dropped. */
  readonly close: (linger: Duration.Input) => Effect.Effect<void>
}

export interface PortOptions {
  /** Whether to use the socket's own handle, where it can be had. */
  readonly direct: boolean
  /** Whether nobody needs the socket any more, once its handle is ours. */
  readonly dropsSocket: boolean
  /** Bytes that may come in one turn of the event loop, before others have theirs. */
  readonly turnSize: number
}

/** What a port is opened on: a stream, whose handle it may take, or a handle that was taken. */
export type Source = Duplex | Taken

export const open = (source: Source, listener: Listener, options: PortOptions): Port => {
  if (source instanceof Taken) return new HandlePort(source, listener, options)
  const taken = options.direct ? takeHandle(source) : undefined
  return taken === undefined ? new DuplexPort(source, listener, options) : new HandlePort(taken, listener, options)
}
