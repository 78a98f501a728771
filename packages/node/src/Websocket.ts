/**
 * Messages over a `WebsocketStream`: what most applications want of a WebSocket. Here we are the endpoint: pings are answered,
 * fragments assembled, messages compressed and inflated where that was negotiated, and the connection is closed politely.
 *
 * - `receive` gives whole messages; a peer that breaks the protocol is answered with the close code that it earned.
 * - `send` waits while the peer does not read; what it has accepted is sent, in order.
 * - `close` and `ping` answer what the peer said, and how long it took.
 *
 * @since 0.1.0
 */
import type * as Close from "@websocket-stream/core/Close"
import type * as Message from "@websocket-stream/core/Message"
import { OptionError } from "@websocket-stream/core/OptionError"
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import type { NonEmptyReadonlyArray } from "effect/Array"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import * as Broadcast from "./internal/broadcast.ts"
import { closing } from "./internal/closing.ts"
import { FrameStream } from "./internal/frameStream.ts"
import { checkMessageOptions, defaults, messageSettings } from "./internal/messageOptions.ts"
import { MessageStream } from "./internal/messageStream.ts"
import * as Meter from "./internal/meter.ts"
import type { ReadError, WriteError } from "./WebsocketError.ts"
import type { WebsocketStream } from "./WebsocketStream.ts"

/**
 * What can be sent: a string is a text message, bytes are a binary one, and a message that was received goes on as it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Sendable = string | Uint8Array | Message.Message

/**
 * Messages to and from a peer.
 *
 * **Gotchas**
 *
 * To change a member, go by `Object.create(ws, { send: { value: mySend } })`: what `{ ...ws }` copies has no members, as those of
 * ours are made when they are asked for.
 *
 * @category services
 * @since 0.1.0
 */
export class Websocket extends Context.Service<Websocket, {
  /** The subprotocol that both sides agreed on in the opening handshake. */
  readonly subprotocol: string | undefined

  /**
   * The next message. Fails with the reason `Closed` once the connection is closed, with the code and reason that the peer
   * gave; `Protocol` for a peer that broke the protocol, which was told so; `Io` for a connection that failed. From then on it
   * always fails so.
   */
  readonly receive: Effect.Effect<Message.Message, ReadError>

  /** All messages that there are, at least one. Waits and fails as `receive` does. */
  readonly receiveAll: Effect.Effect<NonEmptyReadonlyArray<Message.Message>, ReadError>

  /**
   * The next message piece by piece, as its bytes arrive, without ever holding it whole; one that is there already, or compressed, is
   * given whole. Its size is limited as any message's is: raise `limits.maxMessageSize` for what is to come.
   *
   * One message at a time: who asks for another waits for the last byte of this one. The scope ends the receiving: what was not taken
   * of the message by then is dropped. Pieces that came by and by are the scope's, and run once: behind it, or again, they fail with
   * the reason `Closed`, by us.
   *
   * **Example** (A scope for each message)
   *
   * ```ts
   * import { type Websocket, WebsocketClient, WebsocketServer } from "@websocket-stream/node"
   * import { Effect, Stream } from "effect"
   *
   * const measure = (ws: Websocket.Websocket["Service"]) =>
   *   Effect.scoped(Effect.gen(function*() {
   *     const { pieces, type } = yield* ws.receiveStream
   *     const size = yield* Stream.runFold(pieces, () => 0, (size, piece) => size + piece.length)
   *     yield* ws.send(`${type}, ${size} bytes`)
   *   }))
   *
   * const program = Effect.gen(function*() {
   *   const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0, limits: { maxMessageSize: 10_000_000 } })
   *   yield* Effect.forkScoped(server.run((ws) => Effect.forever(measure(ws))))
   *   const ws = yield* WebsocketClient.connect(WebsocketServer.url(server.address))
   *   yield* ws.sendStream("binary", Stream.make(new Uint8Array(1_500_000), new Uint8Array(500_000)))
   *   yield* ws.send("Hello")
   *   const answers = [yield* ws.receive, yield* ws.receive]
   *   return answers.map((message) => message._tag === "Text" && message.text)
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => ["binary, 2000000 bytes", "text, 5 bytes"]
   * ```
   */
  readonly receiveStream: Effect.Effect<ReceivedStream, ReadError, Scope.Scope>

  /**
   * Runs an effect for each message, one after the other, until the connection is closed cleanly, which is by a Close frame of
   * each side, whatever its code: `closed` tells that. An end of any other kind is a failure, as a failure of the effect is. The
   * cheapest way to receive: no fiber is parked between messages. Where an effect fails, or is interrupted, the messages behind its
   * own are there for whoever receives next. The effects of messages that are there together run in one fiber, one after the other:
   * with it ends what they fork by `forkChild`, and not with the message. What is to go on is forked by `forkScoped` or `forkIn`.
   */
  readonly runForEach: <E, R>(
    f: (message: Message.Message) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, E | ReadError, R>

  /** As `runForEach`, with all messages that there are at a time: where the effect fails, all that it was given are gone. */
  readonly runForEachArray: <E, R>(
    f: (messages: NonEmptyReadonlyArray<Message.Message>) => Effect.Effect<unknown, E, R>
  ) => Effect.Effect<void, E | ReadError, R>

  /**
   * The messages, until the connection is closed cleanly, as `runForEach` has it; an end of any other kind is a failure. It takes all
   * messages that there are at a time: where it is interrupted, what is done with them fails, or who reads wants no more, as with
   * `Stream.take`, those in hand are gone. A first message that says what the others are is for `receive`.
   *
   * A clean close of any code ends the stream, also that of a server which restarts, and `Stream.retry` does not see it. Who connects
   * again pulls `receiveAll`, which fails with the code then, as behind any other end.
   *
   * **Example** (A feed that goes on when its server has restarted)
   *
   * ```ts
   * import { WebsocketClient, WebsocketServer } from "@websocket-stream/node"
   * import { Effect, Schedule, Stream } from "effect"
   *
   * const feed = (url: string) =>
   *   Stream.unwrap(Effect.gen(function*() {
   *     const ws = yield* WebsocketClient.connect(url)
   *     yield* ws.send("subscribe")
   *     return Stream.fromPull(Effect.succeed(ws.receiveAll))
   *   })).pipe(Stream.retry(Schedule.jittered(Schedule.exponential("10 millis"))))
   *
   * const program = Effect.gen(function*() {
   *   const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
   *   let connections = 0
   *   yield* Effect.forkScoped(server.run((ws) =>
   *     ws.receive.pipe(
   *       Effect.andThen(Effect.suspend(() => ws.send(`news of connection ${++connections}`))),
   *       Effect.andThen(ws.close(1012))
   *     )
   *   ))
   *   const news = yield* Stream.runCollect(Stream.take(feed(WebsocketServer.url(server.address)), 2))
   *   return news.map((message) => message._tag === "Text" && message.text)
   * })
   *
   * await Effect.runPromise(Effect.scoped(program)) // => ["news of connection 1", "news of connection 2"]
   * ```
   */
  readonly messages: Stream.Stream<Message.Message, ReadError>

  /**
   * Sends a message. Succeeds when it is queued whole, which waits while as much is queued as the stream holds. Bytes are copied,
   * and may be changed then; the payload of a `Message` may not. Fails with `Closed` after a Close frame of either side or the end
   * of the connection, `Io` after a failure; and where it fails, or is interrupted while it waits, nothing of the message was
   * sent. On a stream that may be half open the end of the peer's side alone is none: `send` goes on, and waits for room as before.
   * What was queued is sent in order, as long as the peer takes it: behind the end of the scope within the close deadline.
   */
  readonly send: (message: Sendable, options?: SendOptions) => Effect.Effect<void, WriteError>

  /** Sends messages, in one piece of bytes where none is compressed. Otherwise as `send`, one after the other. */
  readonly sendAll: (
    messages: NonEmptyReadonlyArray<Sendable>,
    options?: SendOptions
  ) => Effect.Effect<void, WriteError>

  /**
   * Sends one message piece by piece, without ever holding it whole and not compressed; other messages wait for its end, so that
   * sending one within its own pieces waits for ever. If the pieces fail, or the sending is interrupted, before the first piece was
   * sent, the connection is as it was; behind that the message cannot be made whole, and the connection is closed with 1011. Fails as
   * `send` does, and interrupts pieces that have not come by then. Strings may be cut anywhere, in the middle of a character, too.
   * In a `"text"` bytes are sent as they are: if they are not UTF-8, the peer closes with 1007.
   */
  readonly sendStream: <E, R>(
    type: "text" | "binary",
    pieces: Stream.Stream<string | Uint8Array, E, R>
  ) => Effect.Effect<void, E | WriteError, R>

  /**
   * Sends a ping, with up to 125 bytes of payload, and waits for its pong: how long that took. Fails with `Encode` for more bytes, as
   * `send` does where nothing can be sent any more, and as `receive` does where the connection ends before the pong.
   *
   * A pong is read behind the messages that came before it, and not while the `receiveBuffer` is full: what that takes counts. Who
   * receives must not wait for one. In the effect of `runForEach` it is forked, or waits for ever where the peer has sent much.
   * Without a payload each ping has its own. Those that wait at once with the same one cannot be told apart: a pong is the oldest's,
   * and where the peer answers the newest alone, as it may (RFC 6455 5.5.3), the others wait on.
   */
  readonly ping: (payload?: Uint8Array) => Effect.Effect<Duration.Duration, ReadError | WriteError>

  /** How long the newest pong took that was waited for: by `ping`, or by a server's heartbeat. */
  readonly roundTrip: Effect.Effect<Option.Option<Duration.Duration>>

  /**
   * Closes the connection, and waits for the peer to agree: succeeds with what it said, 1005 if that was nothing and 1006 if it
   * said nothing within the close deadline: it has no longer where the waiting is interrupted. Closing again waits for the same
   * end. Fails with `Encode`, and leaves the connection open, for a code that may not be sent and for a reason of more than 123
   * bytes, to which core's `Close.fitting` cuts one; 1005 is a Close frame without a code.
   *
   * From the first message on that still comes and that nobody waits for, all are dropped: what is received has no gap, also where
   * a server that closes has asked the peer to leave. One that is being received in pieces goes on: who closes in the
   * middle of it does so behind its scope, as within that the peer's Close frame is not reached where much of the message is left.
   */
  readonly close: (code?: number, reason?: string) => Effect.Effect<Close.Close, WriteError>

  /**
   * Waits for the end of the connection, and closes nothing: what each side said. For an end behind messages that nobody receives it
   * waits no longer than the close deadline; they can be received then, too. Behind more of them than the `receiveBuffer` holds the
   * socket is not read, nor its end: who waits for that receives as well.
   */
  readonly closed: Effect.Effect<Closed>
}>()("@websocket-stream/node/Websocket") {}

/**
 * A message that is received piece by piece.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceivedStream {
  readonly type: "text" | "binary"
  /** Its bytes, as they arrive. A piece ends anywhere, in the middle of a character, too. */
  readonly pieces: Stream.Stream<Uint8Array, ReadError>
}

/**
 * How a connection ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closed {
  /** What our Close frame said, if we sent one. */
  readonly sent: Close.Close | undefined
  /** What the peer's said: 1005 if nothing, 1006 if it sent none. */
  readonly received: Close.Close
  /** Whether both sides sent a Close frame. */
  readonly clean: boolean
}

/**
 * How to send one message.
 *
 * @category models
 * @since 0.1.0
 */
export interface SendOptions {
  /**
   * Whether it may be compressed where compression was negotiated. Say false for a message that holds a secret beside text that
   * an attacker chose (RFC 7692 8). Default: true.
   */
  readonly compress?: boolean | undefined
}

/**
 * How to compress, where that was negotiated.
 *
 * @category models
 * @since 0.1.0
 */
export interface CompressionOptions {
  /** Bytes. Smaller messages are sent as they are. Default: {@link defaultCompressionThreshold}. */
  readonly threshold?: number | undefined
  /** 0 to 9, as zlib has it: how hard to try. Default: 6. */
  readonly level?: number | undefined
  /** 1 to 9, as zlib has it: how much memory to use while compressing. Default: 8. */
  readonly memLevel?: number | undefined
}

/**
 * How to speak.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** What the opening handshake chose. Default: none. */
  readonly subprotocol?: string | undefined
  /** What the opening handshake negotiated. Default: no compression. */
  readonly deflate?: PermessageDeflate.Parameters | undefined
  readonly compression?: CompressionOptions | undefined
  /**
   * Bytes of messages that may wait to be received before the socket is not read any more. Default: {@link defaultReceiveBuffer}.
   */
  readonly receiveBuffer?: number | undefined
  /**
   * How long to wait for the peer's Close frame, and then for the end of TCP; and how long a Close frame of the peer's may wait for
   * the messages before it to be received, until it is answered: `send` fails from then on, and they can still be received. Default:
   * {@link defaultCloseDeadline}.
   */
  readonly closeDeadline?: Duration.Input | undefined
  /** Whether to count for `WebsocketMetrics`. Default: false. */
  readonly metrics?: boolean | undefined
}

/**
 * 64 KiB.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultReceiveBuffer: number = defaults.receiveBuffer

/**
 * 1 KiB: below it the saving is small, and zlib's own cost is not.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultCompressionThreshold: number = defaults.threshold

/**
 * 5 seconds.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaultCloseDeadline: Duration.Input = defaults.closeDeadline

/**
 * Takes a stream over: its own reads and writes fail with `Busy` from then on. The connection is closed with the scope, by 1000
 * if that ended well, 1001 if it was interrupted and 1011 if it failed, and the peer has until the close deadline to agree.
 *
 * **Details**
 *
 * The limits are those of the stream. Fails with an `OptionError` for a stream that was taken over already, or that
 * `WebsocketStream.make` did not make, and for options out of range.
 *
 * **Example** (Both ends of a pair in memory)
 *
 * ```ts
 * import { Websocket, WebsocketStream } from "@websocket-stream/node"
 * import { Effect } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const [near, far] = duplexPair()
 *   const client = yield* Effect.flatMap(WebsocketStream.make(near, { role: "client" }), Websocket.make)
 *   const server = yield* Effect.flatMap(WebsocketStream.make(far, { role: "server" }), Websocket.make)
 *   yield* client.send("Hello")
 *   const message = yield* server.receive
 *   const close = yield* client.close(4000, "enough")
 *   return [message._tag === "Text" && message.text, close.code] as const
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["Hello", 4000]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  stream: WebsocketStream["Service"],
  options?: Options
): Effect.Effect<Websocket["Service"], OptionError, Scope.Scope> =>
  // Between taking the stream over and the finalizer nothing may come.
  Effect.uninterruptible(Effect.gen(function*() {
    const wrong = checkMessageOptions(options)
    if (wrong !== undefined) return yield* wrong
    const meter = yield* Meter.currentIf(options?.metrics)
    const messages = stream instanceof FrameStream
      ? MessageStream.over(stream, { ...messageSettings(options), meter, clock: yield* Clock.Clock }, {
        subprotocol: options?.subprotocol,
        deflate: options?.deflate
      })
      : undefined
    if (messages === undefined) {
      return yield* new OptionError({
        option: "stream",
        value: stream,
        expected: "a stream that WebsocketStream.make made and that no other Websocket has taken over"
      })
    }
    // Not written here: it would keep what `make` was given, a request among it.
    yield* Effect.addFinalizer(closing(messages))
    return messages
  }))

/**
 * Sends one message to many. Succeeds when it is queued whole for each of them that is still there, and never fails.
 *
 * **Details**
 *
 * Its frame is made once, for all but those to whom it goes compressed or masked. Who does not read keeps no other receiver waiting:
 * those who have room get it at once, 1,024 in one step, and the rest when they have some. Who has closed, or does so meanwhile, is
 * passed over. Bytes are copied, and may be changed then; the payload of a `Message` may not.
 *
 * **Gotchas**
 *
 * It waits until the slowest has room, so that a sender is held up as by `send`. Not to wait for long, interrupt it: who has not got
 * the message by then does not get it, and no half of it. One member that does not read costs each message all of that time, until
 * the server's `idleDeadline` cuts it: a second would be one message a second from each sender. Too short a time passes over others,
 * and 0 does: who is behind the first 1,024, or gets it compressed, has it a little later. A receiver takes some 3
 * microseconds, so that 20 milliseconds are enough for 5,000. Where nobody is to wait at all, let each member take from a
 * `PubSub.sliding`, and miss what it is too slow for.
 *
 * **Example** (Everybody hears what anybody says, and who is slow holds a message up for 20 milliseconds at most)
 *
 * ```ts
 * import { Websocket, WebsocketClient, WebsocketServer } from "@websocket-stream/node"
 * import { Effect } from "effect"
 *
 * const all = new Set<Websocket.Websocket["Service"]>()
 * const hear = (ws: Websocket.Websocket["Service"]) => {
 *   all.add(ws)
 *   const say = (message: Websocket.Sendable) =>
 *     Websocket.broadcast(all, message).pipe(Effect.timeoutOption("20 millis"))
 *   return ws.runForEach(say).pipe(
 *     Effect.ensuring(Effect.sync(() => all.delete(ws)))
 *   )
 * }
 *
 * const program = Effect.gen(function*() {
 *   const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0 })
 *   yield* Effect.forkScoped(server.run(hear))
 *   const [ada, bob] = yield* Effect.all([1, 2].map(() => WebsocketClient.connect(WebsocketServer.url(server.address))))
 *   yield* ada!.send("Hello")
 *   const heard = yield* Effect.all([ada!.receive, bob!.receive])
 *   return heard.map((message) => message._tag === "Text" && message.text)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => ["Hello", "Hello"]
 * ```
 *
 * @category sending
 * @since 0.1.0
 */
export const broadcast = (
  receivers: Iterable<Websocket["Service"]>,
  message: Sendable,
  options?: SendOptions
): Effect.Effect<void> => Broadcast.broadcast(receivers, message, options)
