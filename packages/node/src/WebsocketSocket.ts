/**
 * Effect's own `Socket` and `SocketServer` over our connections: RPC, cluster and DevTools run over them unchanged. One element
 * of a pull is one message, a string for a text and bytes for a binary one.
 *
 * @since 0.1.0
 */
import type { Message } from "@websocket-stream/core/Message"
import * as Arr from "effect/Array"
import type * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import * as SocketServer from "effect/socket/SocketServer"
import * as Tracer from "effect/Tracer"
import { networkInterfaces } from "node:os"
import { closeCodeOf } from "./internal/closed.ts"
import { failsOf, logEnd } from "./internal/handlerEnd.ts"
import { MessageStream } from "./internal/messageStream.ts"
import type { Rest } from "./internal/serving.ts"
import { isSocketEnd, openFailed, socketError } from "./internal/socketErrors.ts"
import type { Websocket } from "./Websocket.ts"
import * as WebsocketClient from "./WebsocketClient.ts"
import type { ReadError, WriteError } from "./WebsocketError.ts"
import { WebsocketRequest } from "./WebsocketRequest.ts"
import * as WebsocketServer from "./WebsocketServer.ts"

/**
 * A `Socket` that connects anew for each reader: `acquire` runs in the scope of the reader, so that to reconnect is to retry the
 * scoped loop.
 *
 * **Details**
 *
 * A reader fails with a `SocketError` of these reasons.
 *
 * - `SocketOpenError` for an `acquire` that failed, with its failure as the cause; of kind `Timeout` if our deadline passed.
 * - `SocketCloseError` for a connection that ended, with the code and reason that the peer gave: 1006 for one that was lost, with
 *   what Node said as the reason, and for one that we have left.
 * - `SocketReadError` for a peer that broke the protocol, with our `ReadError` as the cause: the rule and the close code.
 *
 * A write waits for a peer that does not read, and is queued whole or not at all, however many fibers write. It fails with
 * `SocketCloseError` once either side has closed, and with `SocketWriteError` for what may not be sent, with our `WriteError` as
 * the cause. Once the scope of the reader has ended, writes wait for the next connection, also those that still waited for room
 * in the last one, and those that found its end before the reader did, if a pull tells that of it within a second; but not a
 * `writeAll` of those, because some of it may have gone. The payload is copied. A `CloseEvent` closes with its code and reason, and
 * waits for the peer to agree.
 *
 * The end of the reader's scope fails whoever pulls, at once, and closes the connection: with 1000, with 1001 if it was
 * interrupted and with 1011 if it failed.
 *
 * **Gotchas**
 *
 * A `write` by the fiber that pulls may succeed and not be sent. Where it finds that the connection has ended, of which the next pull
 * tells, it is taken for an answer that came too late: one for each message of the last pull, and further ones fail. Whoever has to
 * know of each message uses `writeAll`.
 *
 * **Example** (An echo that reconnects)
 *
 * ```ts
 * import { WebsocketClient, WebsocketSocket } from "@websocket-stream/node"
 * import { Effect, Schedule } from "effect"
 *
 * const echo = Effect.fnUntraced(function*(url: string) {
 *   const socket = yield* WebsocketSocket.toSocket(WebsocketClient.connect(url))
 *   const { writeAll } = yield* socket.writer
 *   const once = Effect.scoped(Effect.flatMap(socket.reader, ({ pull }) => Effect.forever(Effect.flatMap(pull, writeAll))))
 *   return yield* Effect.retry(once, { schedule: Schedule.spaced("10 millis"), times: 2 })
 * })
 *
 * const error = await Effect.runPromise(Effect.flip(Effect.scoped(echo("ws://127.0.0.1:1/"))))
 * error.reason._tag // => "SocketOpenError"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const toSocket = <E, R>(
  acquire: Effect.Effect<Websocket["Service"], E, R>
): Effect.Effect<Socket.Socket, never, Exclude<R, Scope.Scope>> =>
  Effect.contextWith((context: Context.Context<Exclude<R, Scope.Scope>>) => {
    const link = new Link()
    const reader = Effect.gen(function*() {
      const scope = yield* Effect.scope
      const ws = yield* acquire.pipe(
        Scope.provide(scope),
        // What the reader has comes first, its span among others.
        Effect.updateContext((input: Context.Context<never>) => Context.merge(context, input)),
        Effect.mapError(openFailed)
      )
      const reader = yield* readerOf(ws)
      // The last, so that it is the first to be undone: writes that fail because we leave find out that we have left.
      yield* Effect.acquireRelease(Effect.sync(() => link.up(ws)), () => Effect.sync(() => link.down(ws)))
      return { ...reader, pull: link.pulling(reader.pull) }
    })
    return Effect.succeed(Socket.make({
      reader,
      writer: Effect.succeed({
        write: (chunk) => link.write(chunk),
        writeAll: (chunks) => Effect.flatMap(link.connection, (ws) => writeAll(ws, chunks))
      })
    }))
  })

/**
 * A `Socket` over a connection that is open already, and that will not come again.
 *
 * **Details**
 *
 * As {@link toSocket}, but that writes do not wait for a reader, and fail after its end: there is no next connection to wait for.
 *
 * **Example** (A connection as a stream of bytes)
 *
 * ```ts
 * import { Websocket, WebsocketSocket, WebsocketStream } from "@websocket-stream/node"
 * import { Effect, Stream } from "effect"
 * import * as Socket from "effect/socket/Socket"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const [near, far] = duplexPair()
 *   const client = yield* Effect.flatMap(WebsocketStream.make(near, { role: "client" }), Websocket.make)
 *   const server = yield* Effect.flatMap(WebsocketStream.make(far, { role: "server" }), Websocket.make)
 *   yield* client.sendAll(["Hello", Uint8Array.of(33)])
 *   const bytes = Socket.toStream(WebsocketSocket.fromWebsocket(server))
 *   return yield* bytes.pipe(Stream.decodeText, Stream.take(2), Stream.mkString)
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => "Hello!"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromWebsocket = (ws: Websocket["Service"]): Socket.Socket =>
  Socket.make({
    reader: readerOf(ws),
    writer: Effect.succeed({ write: (chunk) => write(ws, chunk), writeAll: (chunks) => writeAll(ws, chunks) })
  })

/**
 * The service over connections to the URL, one for each reader.
 *
 * **Details**
 *
 * All have the same options. Where each needs its own, such as a token that is still good, `acquire` gets it before it connects:
 * `Layer.effect(Socket.Socket, toSocket(Effect.flatMap(token, connect)))`.
 *
 * **Gotchas**
 *
 * A write waits for a server that takes nothing, and a client pings nobody. A DevTools client writes what it has before its
 * application may end, and does not give up: behind DevTools that are suspended it does not end. An `acquire` may ping in the scope
 * that it runs in, and close where no pong comes. An `RpcClient` has pings of its own.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSocket = (url: string | URL, options?: WebsocketClient.Options): Layer.Layer<Socket.Socket> =>
  Layer.effect(Socket.Socket, toSocket(WebsocketClient.connect(url, options)))

/**
 * Who may connect to a server whose handlers know nothing of it.
 *
 * @category models
 * @since 0.1.0
 */
export type Admission<R = WebsocketRequest | Scope.Scope> = WebsocketServer.RunOptions<unknown, R>

/**
 * A server that runs the handler for each connection's `Socket`.
 *
 * **Details**
 *
 * Fails with a `SocketServerOpenError` that has our `ListenError` as its cause. A handler may end with the `SocketError` that its
 * connection ended with; other failures are logged, and end their connection alone. Interrupting `run` drains the connections.
 *
 * `admit` finds out who may connect, by the headers of the request say, and with the services that the layer is given. A handler
 * knows nothing of it, nor of the request: for one that has to, `RpcServer.layerProtocolWebsocket` is over an HTTP server, which
 * `WebsocketHttpServer` can be.
 *
 * Give an `RpcServer` over it a `concurrency`. Its handlers wait for a client that does not read, and without a limit there are as
 * many of them as that client likes to ask for. All clients share the limit, so that one which does not read can use it up,
 * until the `idleDeadline` ends its connection.
 *
 * **Example** (Remote procedures)
 *
 * ```ts
 * import { WebsocketSocket } from "@websocket-stream/node"
 * import { Effect, Layer, Schema } from "effect"
 * import * as NetAddress from "effect/net/NetAddress"
 * import * as Rpc from "effect/rpc/Rpc"
 * import * as RpcClient from "effect/rpc/RpcClient"
 * import * as RpcGroup from "effect/rpc/RpcGroup"
 * import * as RpcSerialization from "effect/rpc/RpcSerialization"
 * import * as RpcServer from "effect/rpc/RpcServer"
 * import * as SocketServer from "effect/socket/SocketServer"
 *
 * class Procedures extends RpcGroup.make(Rpc.make("Upper", { payload: { text: Schema.String }, success: Schema.String })) {}
 *
 * const handlers = Procedures.toLayer({ Upper: ({ text }) => Effect.succeed(text.toUpperCase()) })
 *
 * const server = RpcServer.layer(Procedures, { concurrency: 16 }).pipe(
 *   Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
 *   Layer.provideMerge(WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port: 0 }))
 * )
 *
 * const program = Effect.gen(function*() {
 *   const { address } = yield* SocketServer.SocketServer
 *   const protocol = Layer.provide(
 *     RpcClient.layerProtocolSocket(),
 *     WebsocketSocket.layerSocket(NetAddress.formatUrlUnsafe(address, "ws"))
 *   )
 *   return yield* RpcClient.make(Procedures).pipe(
 *     Effect.flatMap((client) => client.Upper({ text: "Hello" })),
 *     Effect.scoped,
 *     Effect.provide(protocol)
 *   )
 * })
 *
 * const layers = Layer.provideMerge(server, RpcSerialization.layerNdjson)
 * await Effect.runPromise(Effect.provide(program, layers)) // => "HELLO"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerSocketServer = <R = never>(
  options: WebsocketServer.Options,
  running: Admission<R> = everybody
): Layer.Layer<
  SocketServer.SocketServer,
  SocketServer.SocketServerError,
  Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>
> =>
  Layer.effect(
    SocketServer.SocketServer,
    Effect.gen(function*() {
      // As it is: a server runs none for it.
      const admission = running === everybody ? everybody : within(yield* Effect.context<Rest<R>>(), running)
      const server = yield* WebsocketServer.make(options)
      const address = server.address._tag === "Unix"
        ? NetAddress.unixPathAddress(server.address.path)
        : yield* Effect.fromResult(inetAddress(server.address))
      return SocketServer.SocketServer.of({
        address,
        run: (handler) => server.run((ws) => Effect.catchCause(handler(fromWebsocket(ws)), endQuietly(ws)), admission)
      })
    }).pipe(Effect.mapError((cause) =>
      new SocketServer.SocketServerError({ reason: new SocketServer.SocketServerOpenError({ cause }) })
    ))
  )

const everybody: Admission<never> = { admit: Effect.void }

// What the layer was given comes before what whoever runs the server has, as in the handlers of an `RpcServer`. Not its scope, nor
// its span: both may be over, and those of the connection end and tell of what is done for it.
const within = <R>(context: Context.Context<Rest<R>>, running: Admission<R>): Admission => {
  const given: Context.Context<any> = Context.omit(Scope.Scope, WebsocketRequest, Tracer.ParentSpan)(context)
  return { ...running, admit: Effect.provideContext(running.admit, given) }
}

// With the number of the interface, which a link-local address names.
const inetAddress = ({ host, port }: { readonly host: string; readonly port: number }) =>
  NetAddress.inetAddressFromHostString(
    host,
    port,
    NetAddress.scopeIdsFromInterfaces(Object.entries(networkInterfaces()))
  )

// Which connection a socket writes to that has one after the other.
class Link {
  readonly connection: Effect.Effect<Websocket["Service"]> = Effect.suspend(() =>
    this.current === undefined ? this.isUp.whenOpen(this.connection) : Effect.succeed(this.current)
  )

  private current: Websocket["Service"] | undefined = undefined
  private readonly isUp = Latch.makeUnsafe(false)
  private puller: Fiber.Fiber<unknown, unknown> | undefined = undefined
  // Messages of the last pull, each of which may have an answer that comes too late.
  private answerable = 0
  // Closed while somebody pulls who has not been told of the end.
  private readonly isTold = Latch.makeUnsafe(true)

  /** Notes who pulls, how much, and that it was told of the end. */
  pulling<A, E>(pull: Effect.Effect<Arr.NonEmptyReadonlyArray<A>, E>): Effect.Effect<Arr.NonEmptyReadonlyArray<A>, E> {
    const noted = Effect.mapBoth(pull, {
      onFailure: (error) => {
        this.isTold.openUnsafe()
        return error
      },
      onSuccess: (elements) => {
        this.answerable = elements.length
        return elements
      }
    })
    return Effect.withFiber((fiber) => {
      this.puller = fiber
      this.answerable = 0
      this.isTold.closeUnsafe()
      return noted
    })
  }

  up(ws: Websocket["Service"]): void {
    this.current = ws
    this.isTold.openUnsafe()
    this.isUp.openUnsafe()
  }

  down(ws: Websocket["Service"]): void {
    if (this.current !== ws) return
    this.current = undefined
    this.puller = undefined
    this.isUp.closeUnsafe()
    this.isTold.openUnsafe()
  }

  // A failed write has sent nothing. An `RpcClient` makes a defect of it; but calls that still wait when its reader has told it
  // of the end fail as they should.
  write(chunk: Uint8Array | string | Socket.CloseEvent): Effect.Effect<void, Socket.SocketError> {
    const orAgain =
      (ws: Websocket["Service"]) => (error: Socket.SocketError): Effect.Effect<void, Socket.SocketError> =>
        Effect.gen({ self: this }, function*() {
          if (error.reason._tag !== "SocketCloseError") return yield* error
          if (yield* this.isUnheard(ws)) return
          if (!(yield* this.isLeft(ws))) return yield* error
          yield* this.write(chunk)
        })
    return Effect.flatMap(this.connection, (ws) => Effect.catch(write(ws, chunk), orAgain(ws)))
  }

  // An `RpcClient` acknowledges what it reads of a stream, in the fiber that reads: a defect of that would be the stream's end,
  // where the next pull tells of the connection's. One for each message, so that who writes and never pulls hears of it, too.
  private isUnheard(ws: Websocket["Service"]): Effect.Effect<boolean> {
    return Effect.withFiber((fiber) =>
      Effect.succeed(this.current === ws && this.puller === fiber && this.answerable-- > 0)
    )
  }

  // The reader may not have come to the end yet, as it is busy with what was before it, or waits for those who are to take that.
  // Where it does not write itself, it may as well be what waits for this very write, or not pull again: so that it has its time,
  // and no more, and a few turns to leave.
  private isLeft(ws: Websocket["Service"]): Effect.Effect<boolean> {
    return Effect.withFiber((fiber) =>
      this.current !== ws || this.puller === fiber
        ? Effect.succeed(this.current !== ws)
        : Effect.andThen(this.telling, this.isLeftWithin(ws, turnsToLeave))
    )
  }

  private readonly telling: Effect.Effect<unknown> = Effect.suspend(() =>
    this.puller?.pollUnsafe() === undefined ? Effect.timeoutOption(this.isTold.await, timeToBeTold) : Effect.void
  )

  private isLeftWithin(ws: Websocket["Service"], turns: number): Effect.Effect<boolean> {
    return Effect.suspend(() =>
      this.current === ws && turns > 0
        ? Effect.andThen(Effect.yieldNow, this.isLeftWithin(ws, turns - 1))
        : Effect.succeed(this.current !== ws)
    )
  }
}

// What a write that nobody can send is late to fail where its reader does not pull. Less than what an `RpcClient` waits for an answer
// to its ping, which may be such a write.
const timeToBeTold = "1 second"

// Of 2,048 operations each.
const turnsToLeave = 16

const readerOf = (ws: Websocket["Service"]): Effect.Effect<Socket.Reader, never, Scope.Scope> =>
  Effect.as(
    Effect.addFinalizer((exit) => leave(ws, closeCodeOf(exit))),
    {
      pull: Effect.mapBoth(ws.receiveAll, { onFailure: failureOf(ws), onSuccess: Arr.map(contentOf) }),
      upgrade: Socket.SocketUpgradeError.unsupported
    }
  )

// The handshake is waited for where the connection's own scope ends. Here it would delay what an `RpcServer` does behind it: to
// interrupt the handlers of a client that is gone.
const leave = (ws: Websocket["Service"], code: number): Effect.Effect<void> =>
  ws instanceof MessageStream ? Effect.sync(() => ws.leave(code)) : Effect.ignore(ws.close(code))

const contentOf = (message: Message): string | Uint8Array => message._tag === "Text" ? message.text : message.payload

const write = (
  ws: Websocket["Service"],
  chunk: Uint8Array | string | Socket.CloseEvent
): Effect.Effect<void, Socket.SocketError> =>
  Effect.mapError(Socket.isCloseEvent(chunk) ? ws.close(chunk.code, chunk.reason) : ws.send(chunk), failureOf(ws))

const writeAll = (
  ws: Websocket["Service"],
  chunks: Arr.NonEmptyReadonlyArray<Uint8Array | string>
): Effect.Effect<void, Socket.SocketError> => Effect.mapError(ws.sendAll(chunks), failureOf(ws))

// Expected, also where Effect's own handlers make a defect of it: what became of its connection is no news to the server.
const endQuietly = (ws: Websocket["Service"]) => <E>(cause: Cause.Cause<E>): Effect.Effect<void, E> =>
  failsOf(cause, (error) => isEndOf(ws, error)) ? logEnd(cause) : Effect.failCause(cause)

const isEndOf = (ws: Websocket["Service"], error: unknown): boolean => isSocketEnd(error) && owners.get(error) === ws

const failureOf = (ws: Websocket["Service"]) => (error: ReadError | WriteError): Socket.SocketError => {
  const failure = socketError(error)
  owners.set(failure, ws)
  return failure
}

// Of another connection it is no end of this one. Whether this one is over does not tell: its reader has closed it by then.
const owners = new WeakMap<Socket.SocketError, Websocket["Service"]>()
