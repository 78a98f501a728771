/** The upgrades of an HTTP server that may answer them in its own way: each is a request until it is opened. */
import * as Close from "@websocket-stream/core/Close"
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import type * as Scope from "effect/Scope"
import type { EventEmitter } from "node:events"
import { ServerResponse } from "node:http"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import * as Websocket from "../Websocket.ts"
import type { OpenError } from "../WebsocketError.ts"
import type { UpgradeOptions } from "../WebsocketHttpServer.ts"
import * as WebsocketUpgrade from "../WebsocketUpgrade.ts"
import { drain } from "./drain.ts"
import { requestErrorOf } from "./handlerEnd.ts"
import { cannotOpen } from "./invalidOption.ts"
import { checkMessageOptions } from "./messageOptions.ts"
import { MessageStream } from "./messageStream.ts"
import * as Meter from "./meter.ts"
import type { Settings } from "./serverOptions.ts"
import type { Timepiece } from "./timepiece.ts"
import { timerMillis } from "./timerMillis.ts"
import { Vigil, type Watch } from "./vigil.ts"

/** Those of one server. */
export class HttpUpgrades {
  readonly settings: Settings
  readonly watch: Watch
  readonly open = new Set<HttpUpgrade>()
  isDraining = false
  private connections = 0

  constructor(settings: Settings, timepiece: Timepiece) {
    this.settings = settings
    this.watch = { deadlines: settings.deadlines, timepiece }
  }

  /** Takes a place, if there is one. */
  takePlace(): boolean {
    if (this.isDraining || this.connections >= this.settings.maxConnections) return false
    this.connections++
    return true
  }

  leavePlace(): void {
    this.connections--
  }

  /** Asks every peer to leave, and waits for all until the deadline. What is left then is interrupted, and cut. */
  get drain(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isDraining = true
      const leave = (upgrade: HttpUpgrade) => upgrade.leave(this.settings.drainCode)
      const left = Effect.forEach([...this.open], leave, { concurrency: "unbounded", discard: true })
      return drain(left, this.settings.drainDeadline, (error) => {
        for (const upgrade of this.open) upgrade.cut(error)
      })
    })
  }
}

/** The request of an upgrade, as its HTTP server has it. */
export interface HttpRequest {
  readonly fiber: Fiber.Fiber<unknown, unknown>
  /** Tells the server that there will be no response. */
  readonly upgraded: Effect.Effect<void>
}

export class HttpUpgrade {
  /** That of Effect's request, whatever middleware has made of it: Node's is the same. */
  static of({ source }: { readonly source: object }): HttpUpgrade | undefined {
    return upgrades.get(source)
  }

  readonly all: HttpUpgrades
  private readonly upgrade: WebsocketUpgrade.Upgrade
  private readonly attached = Latch.makeUnsafe(false)
  private httpListeners: ReadonlyArray<EventListener> = []
  private request: HttpRequest | undefined = undefined
  private holdsPlace = false
  private wasRefused = false
  /** The watch over its connection, once that is open. */
  vigil: Vigil | undefined = undefined

  constructor(all: HttpUpgrades, upgrade: WebsocketUpgrade.Upgrade) {
    this.all = all
    this.upgrade = upgrade
    upgrades.set(upgrade.request, this)
    // As Node ends a connection behind its last response: a peer that keeps its side open would hold it for ever. And behind the
    // end of the peer's side: a handler that waits would hold its place for somebody who has left.
    upgrade.socket.once("finish", destroy).once("end", abandon).on("drain", drained)
  }

  /** Has a handler of HTTP answer, which may begin to once its listeners are on the socket. */
  answerBy(handle: () => void): void {
    const listeners = noteListeners(this.upgrade.socket, "close")
    handle()
    this.httpListeners = listeners()
    this.attached.openUnsafe()
  }

  get ready(): Effect.Effect<void> {
    return this.attached.await
  }

  beginRequest(request: HttpRequest): void {
    this.request = request
  }

  /** Takes a place for as long as the scope is open or the connection, which may be another scope's. Answers whether there was one. */
  get enter(): Effect.Effect<boolean, never, Scope.Scope> {
    return Effect.suspend(() => {
      const { all } = this
      if (all.takePlace()) {
        this.holdsPlace = true
        return Effect.as(Effect.addFinalizer(() => Effect.sync(() => this.endPlace())), true)
      }
      return Effect.succeed(false)
    })
  }

  /**
   * Cuts a client that for the `idleDeadline` takes nothing of its response: Node takes any progress for a sign of life. Nobody reads
   * such a socket, so that nobody would see the end of its peer, and over TLS Node tells of no write behind one that failed by itself,
   * as that of a session ticket does.
   */
  beginResponse(): void {
    const { all: { settings: { deadlines: { idleDeadline } } }, upgrade: { socket } } = this
    if (this.wasOpened || idleDeadline === Infinity || !(socket instanceof Socket)) return
    socket.setTimeout(timerMillis(idleDeadline)).on("timeout", expired)
  }

  get wasOpened(): boolean {
    return this.vigil !== undefined
  }

  /** Whether the WebSocket has ended, or is about to. */
  get isOver(): boolean {
    return this.vigil?.stream.isOver === true
  }

  /** Counts what the client gets in place of a WebSocket: the first that it is told. */
  refused(status: number): Effect.Effect<void> {
    return Effect.map(Meter.currentIf(this.all.settings.options.metrics), (meter) => {
      if (this.wasOpened || this.wasRefused) return
      this.wasRefused = true
      meter?.refused(status)
    })
  }

  /** As `open`, with further headers of the 101. */
  openWith(headers: HeaderLines): Effect.Effect<Websocket.Websocket["Service"], OpenError, Scope.Scope> {
    return this.open({ headers: [...this.all.settings.options.headers ?? [], ...headers] })
  }

  /** Shakes hands. */
  open(options: UpgradeOptions | undefined): Effect.Effect<Websocket.Websocket["Service"], OpenError, Scope.Scope> {
    // An interruption between the 101 and the end of the request would have a 503 written into the connection.
    return Effect.uninterruptible(Effect.gen({ self: this }, function*() {
      const { all, upgrade } = this
      if (this.wasOpened) {
        return yield* Effect.die(new Error("this request was upgraded already: it opens one WebSocket"))
      }
      // Gets a 503, as a request does that the shutdown interrupts.
      if (all.isDraining) return yield* Effect.interrupt
      const merged = { ...all.settings.options, ...options }
      const wrong = checkMessageOptions(merged)
      if (wrong !== undefined) return yield* cannotOpen(wrong)
      // Behind everything that closes the connection.
      yield* Effect.addFinalizer(() => Effect.sync(() => this.unwatch()))
      const meter = yield* Meter.currentIf(merged.metrics)
      const connection = yield* Effect.tapError(
        WebsocketUpgrade.accept(upgrade, merged),
        // Whatever the handler makes of it, the client has got its answer.
        (error) => this.refused(requestErrorOf(error)?.status ?? 500)
      )
      yield* this.endRequest
      // They were checked, and the stream is nobody else's.
      const ws = yield* Effect.orDie(Websocket.make(connection.stream, { ...merged, ...connection }))
      meter?.accepted()
      this.watch(ws)
      return ws
    }))
  }

  /** Says why to the peer, and waits for it and for the handler. */
  leave(code: number): Effect.Effect<unknown> {
    return Effect.suspend(() => {
      const { stream } = this.vigil!
      stream.begone(Close.make(code))
      return Effect.andThen(Fiber.await(this.request!.fiber), stream.closed)
    })
  }

  interrupt(): void {
    this.request?.fiber.interruptUnsafe()
  }

  cut(error: Error): void {
    this.interrupt()
    this.vigil?.stream.cut(error)
  }

  // A request ends with its socket, and its fiber is interrupted. That of a WebSocket may have messages yet to receive, and is
  // told behind them. What the HTTP server put on the socket to see its end is all that it put there before `attached`.
  private get endRequest(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { socket } = this.upgrade
      socket.off("finish", destroy).off("end", abandon).off("drain", drained)
      for (const listener of this.httpListeners) socket.off("close", listener)
      return this.request?.upgraded ?? Effect.void
    })
  }

  private watch(ws: Websocket.Websocket["Service"]): void {
    const { open, watch } = this.all
    if (!(ws instanceof MessageStream)) throw new TypeError("a Websocket that Websocket.make did not make")
    this.vigil = new Vigil(ws, watch, this)
    open.add(this)
  }

  private unwatch(): void {
    const wasOpen = this.all.open.delete(this)
    if (wasOpen && !this.holdsPlace) this.all.leavePlace()
  }

  // Behind the request; its connection may be open for longer.
  private endPlace(): void {
    this.holdsPlace = false
    if (!this.all.open.has(this)) this.all.leavePlace()
  }
}

export type EventListener = (...args: Array<any>) => void

/** Begins to note who listens for an event. What it answers ends that, and tells. */
export const noteListeners = (emitter: EventEmitter, event: string): () => ReadonlyArray<EventListener> => {
  const listeners: Array<EventListener> = []
  const note = (name: string | symbol, listener: EventListener) => {
    if (name === event) listeners.push(listener)
  }
  emitter.on("newListener", note)
  return () => {
    emitter.off("newListener", note)
    return listeners
  }
}

// By Node's request.
const upgrades = new WeakMap<object, HttpUpgrade>()

// Node tells no response of an upgrade that its socket has room again, and who writes a long one would wait for ever.
function drained(this: Duplex): void {
  const response: unknown = Reflect.get(this, "_httpMessage")
  if (response instanceof ServerResponse) response.emit("drain")
}

function destroy(this: Duplex): void {
  this.destroy()
}

// A response may pause: its client is not late, and the next write begins the time anew.
function expired(this: Duplex): void {
  if (this.writableLength > 0 || this.writableEnded) this.destroy()
}

// Behind what it was told by then. Effect interrupts nobody for a socket that was ended: that is the end of a response. One of TLS
// Node ends by itself, a tick later.
function abandon(this: Duplex): void {
  if (this.writableLength === 0) this.destroy()
  else if (!this.writableEnded) this.write("", () => this.destroy())
}
