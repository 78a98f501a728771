/// <reference types="node" preserve="true" />
/**
 * Frames over a connected stream, in blocking and in non-blocking mode: what a WebSocket is before anybody has decided what
 * a message is, when to answer a ping or how to close. Whoever reads and writes here is the endpoint and sees all six
 * opcodes.
 *
 * - **Nothing is lost.** A read takes one whole frame or nothing, a write queues one whole frame or nothing, and an
 *   interruption of either leaves the stream as it was.
 * - **Backpressure both ways.** Nobody reads: the socket is not read either, and the peer has to wait. The peer does not
 *   read: `write` waits in Block mode and fails with `WouldBlock` in NonBlock mode.
 * - **Any number of fibers** may share a stream: each frame goes to one reader, frames of different writers never mix.
 *
 * @since 0.1.0
 */
import type { Frame } from "@websocket-stream/core/Frame"
import type * as Limits from "@websocket-stream/core/Limits"
import type { Opcode } from "@websocket-stream/core/Opcode"
import type { OptionError } from "@websocket-stream/core/OptionError"
import type { Role } from "@websocket-stream/core/Role"
import * as Arr from "effect/Array"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Duplex } from "node:stream"
import { FrameStream } from "./internal/frameStream.ts"
import { makeStream } from "./internal/makeStream.ts"
import { defaults } from "./internal/streamOptions.ts"
import type { ReadError, WriteError } from "./WebsocketError.ts"

/**
 * What an operation does that cannot go on at once: `"Block"` suspends the fiber, `"NonBlock"` fails it with `WouldBlock`.
 *
 * @category models
 * @since 0.1.0
 */
export type Mode = "Block" | "NonBlock"

/**
 * A stream of frames.
 *
 * **Example** (An echo)
 *
 * ```ts
 * import { Frame, Opcode } from "@websocket-stream/core"
 * import { WebsocketStream } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const echo = Effect.gen(function*() {
 *   const stream = yield* WebsocketStream.WebsocketStream
 *   while (true) {
 *     const { fin, opcode, payload } = yield* stream.read
 *     if (opcode === Opcode.Close) return yield* stream.write(Opcode.Close, payload)
 *     if (opcode === Opcode.Ping) yield* stream.write(Opcode.Pong, payload)
 *     else if (opcode !== Opcode.Pong) yield* stream.write(opcode, payload, { fin })
 *   }
 * })
 *
 * const program = Effect.gen(function*() {
 *   const [near, far] = duplexPair()
 *   const client = yield* WebsocketStream.make(near, { role: "client" })
 *   yield* client.writeAll([
 *     Frame.make(Opcode.Text, new TextEncoder().encode("Hello")),
 *     Frame.make(Opcode.Close, new Uint8Array(0))
 *   ])
 *   const layer = WebsocketStream.layer(Effect.succeed(far), { role: "server" })
 *   yield* Effect.provide(echo, layer)
 *   const frames = yield* client.readAll
 *   return frames.map((frame) => Opcode.name(frame.opcode))
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["Text", "Close"]
 * ```
 *
 * @category services
 * @since 0.1.0
 */
export class WebsocketStream extends Context.Service<WebsocketStream, {
  /** Our end of the connection. */
  readonly role: Role

  /** The mode that the next operation will find. */
  readonly mode: Effect.Effect<Mode>

  /**
   * Changes the mode, for the operations that begin after it. One that waits already goes on waiting. Fails with the
   * reason `Closed` or `Io` on a stream that is closed, and with `Busy` once a `Websocket` has taken it over.
   */
  readonly setMode: (mode: Mode) => Effect.Effect<void, WriteError>

  /**
   * The next frame. Its payload is the reader's; a small one may be a view of all that was read with it, which lives as long as it
   * does: of a plain socket that is up to `turnSize`.
   *
   * Fails with the reason `Closed` at the end of the stream, `Protocol` for a peer that breaks the protocol, `Io` for a
   * stream that fails, each time once all frames before it were read, and from then on always. In NonBlock mode fails
   * with `WouldBlock` when no whole frame is there.
   */
  readonly read: Effect.Effect<Frame, ReadError>

  /** All whole frames that there are, at least one, and 32,768 at the most. Waits and fails as `read` does. */
  readonly readAll: Effect.Effect<Arr.NonEmptyReadonlyArray<Frame>, ReadError>

  /**
   * Runs an effect for each frame, one after the other, and waits for the next in either mode: until it fails as `read` would then,
   * at the end of the stream at the latest, or as the effect does. With many connections the cheapest way to read, as no fiber is
   * parked between frames: to echo one at a time costs four fifths of what it costs by `read`. Where an effect fails, or is
   * interrupted, the frames behind its own are there for whoever reads next.
   *
   * **Example** (An echo for each of many)
   *
   * ```ts
   * import { Frame, Opcode } from "@websocket-stream/core"
   * import { WebsocketStream } from "@websocket-stream/node"
   * import { Effect } from "effect"
   * import { duplexPair } from "node:stream"
   *
   * const echo = (stream: WebsocketStream.WebsocketStream["Service"]) =>
   *   stream.runForEach(({ fin, opcode, payload }) =>
   *     stream.write(opcode === Opcode.Ping ? Opcode.Pong : opcode, payload, { fin }))
   *
   * const program = Effect.gen(function*() {
   *   const [near, far] = duplexPair()
   *   const client = yield* WebsocketStream.make(near, { role: "client" })
   *   yield* Effect.forkScoped(Effect.flatMap(WebsocketStream.make(far, { role: "server" }), echo))
   *   yield* client.writeAll([Frame.make(Opcode.Ping, new Uint8Array(0)), Frame.make(Opcode.Close, new Uint8Array(0))])
   *   return [Opcode.name((yield* client.read).opcode), Opcode.name((yield* client.read).opcode)]
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => ["Pong", "Close"]
   * ```
   */
  readonly runForEach: <E, R>(
    f: (frame: Frame) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<never, E | ReadError, R>

  /** As `runForEach`, with all frames that there are at a time: where the effect fails, all that it was given are gone. */
  readonly runForEachArray: <E, R>(
    f: (frames: Arr.NonEmptyReadonlyArray<Frame>) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<never, E | ReadError, R>

  /**
   * Queues one frame, and answers how many bytes it takes on the wire, its header included. A string is sent as UTF-8.
   * The payload is copied: it may be changed as soon as the effect has ended.
   *
   * Waits in Block mode while more than the stream's high-water mark is queued; in NonBlock mode fails with `WouldBlock`
   * then. Fails with `Encode` for what the protocol does not let us send, `Closed` after a Close frame or the end of the
   * stream, `Io` after a failure. Whenever it fails or is interrupted while it waits, nothing was queued.
   *
   * What a payload says is not looked at, as `read` does not: that of a text is to be UTF-8, and that of a Close frame one that
   * `Close.encode` makes.
   */
  readonly write: (
    opcode: Opcode,
    payload: Uint8Array | string,
    options?: {
      /** Whether this frame ends its message. Default: true. */
      readonly fin?: boolean | undefined
      /** RSV1, for an extension that was negotiated. Default: false. */
      readonly rsv1?: boolean | undefined
    }
  ) => Effect.Effect<number, WriteError>

  /** Queues frames, all of them or none, as one piece of bytes. Waits and fails as `write` does. */
  readonly writeAll: (frames: Arr.NonEmptyReadonlyArray<Frame>) => Effect.Effect<number, WriteError>

  /** Waits, in either mode, until a read would not have to. Fails as a read would, when no frame is left. */
  readonly awaitReadable: Effect.Effect<void, ReadError>

  /** Waits, in either mode, until a write would not have to. Fails as a write would. */
  readonly awaitWritable: Effect.Effect<void, WriteError>
}>()("@websocket-stream/node/WebsocketStream") {}

/**
 * How to speak on a stream.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** Our end: it decides who masks. */
  readonly role: Role
  /** Default: `"Block"`. */
  readonly mode?: Mode | undefined
  /** Bytes that were read off the stream already, behind the opening handshake. Default: none. */
  readonly head?: Uint8Array | undefined
  /** What to take from the peer; see `Limits`. Of frames only their size is limited here, the rest by a `Websocket` over the stream. */
  readonly limits?: Limits.Options | undefined
  /** Whether an extension that uses RSV1 was negotiated: without one, no frame with it is taken or sent. Default: false. */
  readonly rsv1?: boolean | undefined
  /**
   * How long the closing of the scope may wait for the peer to take what is queued. Default: {@link defaultLinger}.
   */
  readonly linger?: Duration.Input | undefined
  /**
   * Whether to read and write a plain socket by its handle, beneath `node:net`, which costs a third less. The handle is Node's
   * own business: where it is not what we know, and for any other stream, `node:net` is used in any case. There, where a write
   * fails because the peer has gone, what it sent before is read only as far as Node had read it by then. Default: true.
   */
  readonly direct?: boolean | undefined
  /**
   * Bytes that may be read of the connection in one turn of the event loop, before all others have theirs: from 1 KiB to 1 GiB. Of
   * many small messages, which take longer than a tenth of a millisecond, it is a quarter. Default: {@link defaultTurnSize}.
   */
  readonly turnSize?: number | undefined
}

/**
 * 1 second.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultLinger: Duration.Input = defaults.linger

/**
 * 64 KiB.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultTurnSize: number = defaults.turnSize

/**
 * Takes over a connected stream whose opening handshake, if it needs one, is done: a socket, a TLS socket, an HTTP/2
 * stream, one end of a pair in memory. The stream is the scope's from then on.
 *
 * **Details**
 *
 * Closing the scope fails whoever waits with `Closed`, sends what is queued, ends the stream and destroys it, after `linger`
 * at the latest. No Close frame is sent on its own: send one, if the peer is to see one, and read until its answer, because
 * a socket that is closed while the peer still sends resets the connection.
 *
 * Fails with an `OptionError` that names the option, before the stream is touched: that of a stream that was taken over already is
 * `duplex`.
 *
 * **Gotchas**
 *
 * That a stream was destroyed it tells by `close` or `error`. One of your own that was made with `emitClose: false`, and is destroyed
 * without an error, tells nobody, and readers wait until the scope closes.
 *
 * **Example** (Both ends of a pair in memory)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 * import { WebsocketStream } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const [a, b] = duplexPair()
 *   const client = yield* WebsocketStream.make(a, { role: "client" })
 *   const server = yield* WebsocketStream.make(b, { role: "server" })
 *   const bytes = yield* client.write(Opcode.Text, "Hello")
 *   const frame = yield* server.read
 *   return [bytes, new TextDecoder().decode(frame.payload)] as const
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [11, "Hello"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  duplex: Duplex,
  options: Options
): Effect.Effect<WebsocketStream["Service"], OptionError, Scope.Scope> => makeStream(duplex, options)

/**
 * The service over a stream that an effect opens; its scope is the layer's.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  acquire: Effect.Effect<Duplex, E, R>,
  options: Options
): Layer.Layer<WebsocketStream, E | OptionError, Exclude<R, Scope.Scope>> =>
  Layer.effect(WebsocketStream, Effect.flatMap(acquire, (duplex) => make(duplex, options)))

/**
 * Waits until at least one of the streams can be read without waiting, and answers those that can: what `poll` is to many
 * descriptors. One fiber serves many streams with it, in NonBlock mode.
 *
 * **Details**
 *
 * A stream that ended or failed counts as readable, because a read tells so at once. Costs a look at each stream for each
 * call, and no fiber of its own. Takes the streams that {@link make} made, and dies on others.
 *
 * **Example** (One fiber, many streams)
 *
 * ```ts
 * import { Opcode } from "@websocket-stream/core"
 * import { WebsocketStream } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const pairs = [duplexPair(), duplexPair(), duplexPair()]
 *   const servers = yield* Effect.forEach(pairs, ([, far]) =>
 *     WebsocketStream.make(far, { role: "server", mode: "NonBlock" }))
 *   const client = yield* WebsocketStream.make(pairs[1]![0], { role: "client" })
 *   yield* client.write(Opcode.Ping, "")
 *   const readable = yield* WebsocketStream.awaitAnyReadable(servers)
 *   return readable.map((stream) => servers.indexOf(stream))
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => [1]
 * ```
 *
 * @category polling
 * @since 0.1.0
 */
export const awaitAnyReadable = (
  streams: Iterable<WebsocketStream["Service"]>
): Effect.Effect<Arr.NonEmptyReadonlyArray<WebsocketStream["Service"]>> =>
  Effect.suspend(() => {
    const all = Array.from(streams, ours)
    const found = all.filter(({ reader }) => reader.isReady)
    if (Arr.isArrayNonEmpty(found)) return Effect.succeed(found)
    return Effect.callback<Arr.NonEmptyReadonlyArray<WebsocketStream["Service"]>>((resume) => {
      let isCalled = false
      const forget = () => {
        for (const { reader } of all) reader.removeWaiter(waiter)
      }
      const waiter = {
        onReady: () => {
          isCalled = true
          forget()
          resume(awaitAnyReadable(all))
        }
      }
      for (const { reader } of all) {
        // Bytes that Node holds are read as soon as they are asked for, so the first may answer at once.
        if (!isCalled) reader.whenReady(waiter)
      }
      return Effect.sync(forget)
    })
  })

const ours = (stream: WebsocketStream["Service"]): FrameStream => {
  if (stream instanceof FrameStream) return stream
  throw new TypeError("awaitAnyReadable takes only streams that WebsocketStream.make made")
}
