/** What a server does with its upgrades: takes them, as long as it lives, and has a handler run for each. */
import { RequestError } from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Iterable from "effect/Iterable"
import type * as Scope from "effect/Scope"
import * as Tracer from "effect/Tracer"
import type { IncomingMessage, Server } from "node:http"
import type { Duplex } from "node:stream"
import type { WebsocketRequest } from "../WebsocketRequest.ts"
import type { Handler, RunOptions } from "../WebsocketServer.ts"
import { declineHttp } from "./declining.ts"
import { FrontDoor } from "./frontDoor.ts"
import { Guest, type Host } from "./guest.ts"
import * as Meter from "./meter.ts"
import { unlessSucceeded } from "./ownListeners.ts"
import { Reception, type Shift, type Visitor } from "./reception.ts"
import { type Settings, sweepInterval } from "./serverOptions.ts"
import { sweep } from "./sweep.ts"
import { Timepiece } from "./timepiece.ts"
import { receiveUpgrade, reject, requestListener } from "./upgrade.ts"

/**
 * Takes the upgrades of an HTTP server from when it listens on, until the scope's end has drained them. Before anybody is asked to
 * leave, `stopListening` may see to it that nobody comes.
 */
export const receiveUpgrades = (
  settings: Settings,
  server: Server,
  stopListening: () => void
): Effect.Effect<Reception, never, Scope.Scope> =>
  Effect.gen(function*() {
    const timepiece = new Timepiece(yield* Clock.Clock)
    const fork = yield* FiberSet.makeRuntime()
    const meter = yield* Meter.currentIf(settings.options.metrics)
    const reception = new Reception(settings, meter, fork, timepiece, stopListening)
    let door: FrontDoor | undefined
    const swept = () => door === undefined ? reception.swept : Iterable.prepend(reception.swept, door)
    yield* Effect.forkScoped(sweep(swept, sweepInterval(settings), timepiece))
    // Without a listener a failure to accept, for want of descriptors, would end the process.
    const onError = (error: Error) => fork(Effect.logWarning("WebSocket server could not accept a connection", error))
    const onUpgrade = unlessSucceeded(server, "upgrade", reception.onUpgrade)
    const onRequest = requestListener(server)
    const onConnect = (request: IncomingMessage, socket: Duplex, head: Uint8Array) => {
      const tunnel = receiveUpgrade(request, socket, head)
      if (tunnel !== undefined) fork(reject(tunnel, OpeningHandshake.reject(notGet)))
    }
    // For as long as we listen, which is until the last connection has left.
    if (!settings.ownsServer) yield* declineHttp(server)
    const open = () => {
      door = FrontDoor.open(server, reception)
      server.on("upgrade", onUpgrade).on("error", onError).on("request", onRequest)
      // Without a listener Node hangs up without a word.
      if (settings.ownsServer) server.on("connect", onConnect)
    }
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        if (server.listening) open()
        else server.once("listening", open)
      }),
      () =>
        Effect.ensuring(
          reception.close,
          Effect.sync(() => {
            door?.close()
            server.off("listening", open).off("upgrade", onUpgrade).off("error", onError)
            server.off("request", onRequest).off("connect", onConnect)
          })
        )
    )
    return reception
  })

const notGet = new RequestError({ reason: { _tag: "MethodNotGet", method: "CONNECT" } })

/** What the handlers of a connection need besides what every connection has. */
export type Rest<R> = Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>

/** Runs a handler for the connections, until it is interrupted or the reception has closed. */
export const run = <A, E, R, RA>(
  reception: Reception,
  handler: Handler<A, E, R>,
  running: RunOptions<A, RA>
): Effect.Effect<never, never, Rest<R | RA>> =>
  Effect.gen(function*() {
    // In one map: where many have added to a context, what each connection adds would be a copy of all of it.
    const context = Context.makeUnsafe<Rest<R | RA>>((yield* Effect.context<Rest<R | RA>>()).mapUnsafe)
    const isTraced = (yield* Tracer.Tracer) !== Tracer.nativeTracer
    const guests = new Set<Visitor>()
    const shift: Shift = {
      guests,
      drained: yield* Deferred.make<void>(),
      isDraining: false,
      receive: (upgrade, offer) => new Guest(host, upgrade, offer).enter()
    }
    const host: Host<A, E, R, RA> = { reception, shift, handler, running, context, isTraced }
    // Behind the draining, those that have not left by themselves.
    yield* Effect.addFinalizer(() =>
      Effect.forEach(Array.from(guests), (guest) => guest.dismissed, { concurrency: "unbounded", discard: true })
    )
    yield* Effect.acquireRelease(Effect.sync(() => reception.begin(shift)), () => reception.end(shift))
    yield* Deferred.await(reception.closed)
    return yield* Effect.interrupt
  }).pipe(Effect.scoped)
