/** What a server does with its upgrades: a fiber for each, from the request to the end of its handler. */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Server } from "node:http"
import type { Duplex } from "node:stream"
import * as Websocket from "../Websocket.ts"
import { InvalidOption, OpenError } from "../WebsocketError.ts"
import { Refusal, WebsocketRequest } from "../WebsocketRequest.ts"
import type { Handler, RunOptions } from "../WebsocketServer.ts"
import type { Upgrade } from "../WebsocketUpgrade.ts"
import { forgetting } from "./forgetting.ts"
import { isEnd, logUnlessEnd } from "./handlerEnd.ts"
import * as Meter from "./meter.ts"
import { ReceivedRequest } from "./receivedRequest.ts"
import { Reception, type Shift } from "./reception.ts"
import { type Settings, sweepInterval } from "./serverOptions.ts"
import { sweep } from "./sweep.ts"
import { answerRequest, openUpgrade, readOffer, reject, rejectUnanswered } from "./upgrade.ts"
import { Vigil } from "./vigil.ts"

/** Takes the upgrades of an HTTP server, until the scope's end has drained them. */
export const receiveUpgrades = (settings: Settings, server: Server): Effect.Effect<Reception, never, Scope.Scope> =>
  Effect.gen(function*() {
    const clock = yield* Clock.Clock
    const fork = yield* FiberSet.makeRuntime()
    const meter = yield* Meter.currentIf(settings.options.metrics)
    const reception = new Reception(settings, meter, fork, () => clock.monotonicTimeNanosUnsafe())
    yield* Effect.forkScoped(sweep(reception.swept, sweepInterval(settings)))
    // Without a listener a failure to accept, for want of descriptors, would end the process.
    const onError = (error: Error) => fork(Effect.logWarning("WebSocket server could not accept a connection", error))
    const answersRequests = server.listenerCount("request") === 0
    yield* Effect.acquireRelease(
      Effect.sync(() => {
        server.on("upgrade", reception.onUpgrade).on("error", onError)
        if (answersRequests) server.on("request", answerRequest)
      }),
      () =>
        Effect.ensuring(
          reception.close,
          Effect.sync(() => {
            server.off("upgrade", reception.onUpgrade).off("error", onError).off("request", answerRequest)
          })
        )
    )
    return reception
  })

/** What the handlers of a connection need besides what every connection has. */
export type Rest<R> = Exclude<Exclude<R, Scope.Scope>, WebsocketRequest>

/** Runs a handler for the connections, until it is interrupted or the reception has closed. */
export const run = <A, E, R, RA>(
  reception: Reception,
  handler: Handler<A, E, R>,
  running: RunOptions<A, RA>
): Effect.Effect<never, never, Rest<R | RA>> =>
  Effect.gen(function*() {
    const fibers = yield* FiberSet.make<void, never>()
    const fork = yield* FiberSet.runtime(fibers)<Rest<R | RA>>()
    const open = new Set<Vigil>()
    const shift: Shift = {
      fibers,
      open,
      drained: yield* Deferred.make<void>(),
      isDraining: false,
      receive: (upgrade, left) => fork(Effect.ensuring(serve(reception, shift, upgrade, handler, running), left))
    }
    yield* Effect.acquireRelease(Effect.sync(() => reception.begin(shift)), () => reception.end(shift))
    yield* Deferred.await(reception.closed)
    return yield* Effect.interrupt
  }).pipe(Effect.scoped)

const serve = <A, E, R, RA>(
  reception: Reception,
  shift: Shift,
  upgrade: Upgrade,
  handler: Handler<A, E, R>,
  running: RunOptions<A, RA>
): Effect.Effect<void, never, Rest<R | RA>> =>
  forgetting(() =>
    Effect.tapError(
      readOffer(upgrade, reception.settings.options),
      (error) => Effect.sync(() => reception.meter?.refusedFor(error))
    )
      .pipe(
        Effect.flatMap((offer) => connect(reception, shift, upgrade, offer, handler, running))
      )
  ).pipe(
    Effect.catchCause(logUnlessEnd),
    Effect.ensuring(answerAnyway(reception, shift, upgrade.socket))
  )

const connect = <A, E, R, RA>(
  reception: Reception,
  shift: Shift,
  upgrade: Upgrade,
  offer: OpeningHandshake.Offer,
  handler: Handler<A, E, R>,
  running: RunOptions<A, RA>
): Effect.Effect<unknown, E | OpenError | OptionError | Refusal, Rest<R | RA>> => {
  const request = new ReceivedRequest(upgrade.request, offer)
  return forgetting(() =>
    Effect.flatMap(
      enter(reception, shift, upgrade, offer, running),
      (guest) => guest === undefined ? Effect.void : handler(guest.ws, guest.admitted)
    )
  ).pipe(
    Effect.scoped,
    // No failure of the span, either.
    Effect.catchIf(isEnd, logEnd),
    Effect.provideService(WebsocketRequest, request),
    traced(request)
  )
}

// Answers nothing for a client that was turned away.
const enter = <A, RA>(
  reception: Reception,
  shift: Shift,
  upgrade: Upgrade,
  offer: OpeningHandshake.Offer,
  running: RunOptions<A, RA>
) =>
  Effect.gen(function*() {
    const { meter, settings: { handshakeDeadline, options } } = reception
    const admitted = yield* Effect.tapErrorTag(
      inTime(running.admit, handshakeDeadline),
      "Refusal",
      (refusal) => refuse(reception, upgrade, refusal)
    )
    if (shift.isDraining) {
      yield* reception.turnAway(upgrade.socket)
      return undefined
    }
    const watch = yield* watching(reception, shift)
    const connection = yield* openUpgrade(upgrade, offer, { ...options, ...running.answer?.(admitted) }, true)
    const ws = yield* Websocket.make(connection.stream, { ...options, ...connection })
    watch(ws)
    meter?.accepted()
    return { ws, admitted }
  })

// A race takes two fibers more, of which there is no need where everybody is admitted.
const inTime = <A, R>(admit: Effect.Effect<A, Refusal, R>, deadline: Duration.Duration): Effect.Effect<A, Refusal, R> =>
  Exit.isExit(admit) ? admit : Effect.timeoutOrElse(admit, { duration: deadline, orElse: tookTooLong })

const tookTooLong = () => new Refusal({ status: 503, body: "it took too long to find out who may connect\n" })

const logEnd = (error: unknown) => Effect.logDebug("WebSocket connection ended", error)

// Whoever answers also ends by destroying the socket.
const answerAnyway = (reception: Reception, shift: Shift, socket: Duplex): Effect.Effect<void> =>
  Effect.suspend(() => {
    if (socket.destroyed) return Effect.void
    // What the draining has interrupted is no bug.
    if (shift.isDraining) return reception.turnAway(socket)
    reception.meter?.refused(500)
    return rejectUnanswered(socket)
  })

// Taken before the connection is opened, so that it is watched until it is closed for good.
const watching = (
  reception: Reception,
  shift: Shift
): Effect.Effect<(ws: Websocket.Websocket["Service"]) => void, never, Scope.Scope> =>
  Effect.gen(function*() {
    const { now, settings, swept } = reception
    const { open } = shift
    let vigil: Vigil | undefined
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        if (vigil === undefined) return
        swept.delete(vigil)
        open.delete(vigil)
      })
    )
    return (ws) => {
      vigil = new Vigil(ws, settings, now)
      swept.add(vigil)
      open.add(vigil)
      // The fiber may have been made to yield since it looked.
      if (shift.isDraining) reception.dismiss(vigil)
    }
  })

const refuse = (
  { meter }: Reception,
  upgrade: Upgrade,
  refusal: Refusal
): Effect.Effect<void, OpenError> => {
  const response = OpeningHandshake.refuse(refusal)
  if (Result.isFailure(response)) return new OpenError({ reason: new InvalidOption({ error: response.failure }) })
  meter?.refused(response.success.status)
  return reject(upgrade, response.success)
}

// Named by OpenTelemetry's semantic conventions. Not the query, nor any other header: there may be secrets in them.
const traced =
  ({ headers, path, remoteAddress }: WebsocketRequest["Service"]) => <A, E, R>(self: Effect.Effect<A, E, R>) =>
    // Asks for no parent, whatever its type says.
    Effect.withSpan(self, "websocket.handler", {
      kind: "server",
      attributes: {
        "network.protocol.name": "websocket",
        "url.path": path,
        ...attribute("client.address", remoteAddress),
        ...attribute("user_agent.original", headers["user-agent"])
      },
      captureStackTrace: false
    }) as Effect.Effect<A, E, R>

// Exporters would write "undefined".
const attribute = (name: string, value: string | undefined) => value === undefined ? undefined : { [name]: value }
