/** From Effect's HTTP server to ours: its application, its requests and its upgrades, as they have to be for our WebSockets. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid, identity } from "effect/Function"
import * as Headers from "effect/http/Headers"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpMiddleware from "effect/http/HttpMiddleware"
import type * as HttpServer from "effect/http/HttpServer"
import * as HttpServerError from "effect/http/HttpServerError"
import { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Scope from "effect/Scope"
import * as Socket from "effect/socket/Socket"
import type { EventEmitter } from "node:events"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { OpenError } from "../WebsocketError.ts"
import { fromWebsocket } from "../WebsocketSocket.ts"
import { declineHttp, isToWebsocket } from "./declining.ts"
import { errorOf, failsOnlyOf, isEnd, logEnd, logFailure, logIfOverrun, requestErrorOf } from "./handlerEnd.ts"
import { HttpUpgrade, type HttpUpgrades, noteListeners } from "./httpUpgrade.ts"
import { sweepInterval } from "./serverOptions.ts"
import { isSocketEnd, openFailed } from "./socketErrors.ts"
import { sweep } from "./sweep.ts"
import { receiveUpgrade } from "./upgrade.ts"
import { vigilsOf } from "./vigil.ts"

type App = Effect.Effect<HttpServerResponse.HttpServerResponse, unknown, HttpServerRequest | Scope.Scope>

/** Serves requests as Effect's server does, and upgrades to WebSocket as ours, until the scope closes. */
export const serve = Effect.fnUntraced(function*(
  http: HttpServer.HttpServer["Service"],
  server: EventEmitter,
  all: HttpUpgrades,
  app: App,
  middleware: HttpMiddleware.HttpMiddleware | undefined
) {
  const counted = all.settings.options.metrics === true ? countingRefusals : identity<App>
  const answered = counted(settled(app))
  const scope = yield* Effect.scope
  // Both are this scope's from the first: an interruption on the way would leave what runs in them.
  const requests = yield* Scope.fork(scope)
  const handlers = yield* Scope.fork(scope, "parallel")
  yield* Effect.forkIn(sweep(() => vigilsOf(all.open), sweepInterval(all.settings), all.watch.timepiece), handlers)
  const handler = yield* NodeHttpServer.makeUpgradeHandler<HttpServerRequest | Scope.Scope, unknown>(
    standIn,
    answered,
    {
      scope: handlers,
      // Once more, for those whom middleware does not let through.
      middleware: (app: App) => counted(Effect.andThen(ready, Effect.suspend(() => middleware?.(app) ?? app)))
    }
  )
  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (!isToWebsocket(request)) return handler(request, socket, head)
    const upgrade = receiveUpgrade(request, socket, head)
    if (upgrade === undefined) return
    // RFC 9110 7.8: a client may list others, too. Effect's handler knows the name alone.
    if (request.headers.upgrade !== undefined) request.headers.upgrade = "websocket"
    new HttpUpgrade(all, upgrade).answerBy(() => handler(request, socket, head))
  }
  // Effect's handler of upgrades would answer: not those with a body in chunks, and nothing behind them on the connection.
  yield* declineHttp(server)
  yield* Scope.addFinalizerExit(scope, (exit) =>
    // To close the scope of the requests is to stop listening, and to wait for every connection.
    Effect.all([Scope.close(requests, exit), all.drain], { concurrency: "unbounded" }).pipe(
      Effect.andThen(Scope.close(handlers, exit)),
      Effect.ensuring(Effect.sync(() => server.off("upgrade", onUpgrade)))
    ))
  // Effect's own server listens for upgrades, too. A fiber that has just yielded has no need to before that is undone, so that
  // no upgrade can come in between.
  yield* Effect.yieldNow
  yield* Effect.acquireUseRelease(
    Effect.sync(() => noteListeners(server, "upgrade")),
    () => Scope.provide(http.serve(answered, middleware!), requests),
    (listeners) =>
      Effect.sync(() => {
        for (const listener of listeners()) server.off("upgrade", listener)
        server.on("upgrade", onUpgrade)
      })
  )
})

const ready = Effect.flatMap(HttpServerRequest, (request) => {
  const upgrade = HttpUpgrade.of(request)
  return HttpEffect.withPreResponseHandler(upgrade?.ready ?? Effect.void, beginning(upgrade))
})

const beginning = (upgrade: HttpUpgrade | undefined): HttpEffect.PreResponseHandler => (_, response) =>
  Effect.sync(() => {
    upgrade?.beginResponse()
    return endingConnection(response)
  })

// RFC 9112 9.6: who ends the connection behind a response "MUST send the "close" connection option". Node parses no more of one that
// was to be upgraded, and would offer to keep it: a client's next request would be lost.
const endingConnection = (response: HttpServerResponse.HttpServerResponse): HttpServerResponse.HttpServerResponse => {
  const { connection } = response.headers
  if (connection === undefined) return HttpServerResponse.setHeader(response, "connection", "close")
  return connection.toLowerCase().includes("close")
    ? response
    : HttpServerResponse.setHeader(response, "connection", `${connection}, close`)
}

// Effect's handler knows a connection that was upgraded by the `WebSocket` that it got, and writes no HTTP into it any more.
const standIn: Effect.Effect<any> = Effect.succeed({
  handleUpgrade: (_request: unknown, _socket: unknown, _head: unknown, callback: (ws: unknown) => void) =>
    callback({ readyState: 1, addEventListener: constVoid, removeEventListener: constVoid, close: constVoid })
})

/** The application, with requests that upgrade to our WebSockets, and with responses for what comes of that. */
const settled = (app: App): App =>
  Effect.withFiber((fiber) => {
    const request = Context.getUnsafe(fiber.context, HttpServerRequest)
    const upgrade = HttpUpgrade.of(request)
    if (upgrade === undefined) return Effect.catchCause(app, refused)
    const upgraded = Effect.ignore(Effect.scoped(Effect.flatMap(request.upgrade, ({ reader }) => reader)))
    upgrade.beginRequest({ fiber, upgraded })
    const admitted = app.pipe(
      Effect.provideService(HttpServerRequest, upgradable(request, upgrade)),
      Effect.catchCause((cause) => upgrade.wasOpened ? ended(upgrade, cause) : refused(cause))
    )
    return Effect.flatMap(upgrade.enter, (hasRoom) => hasRoom ? admitted : turnedAway)
  })

/** The application, with what it answers counted where that is in place of a WebSocket. */
const countingRefusals = (app: App): App =>
  Effect.flatMap(HttpServerRequest, (request) => {
    const upgrade = HttpUpgrade.of(request)
    return upgrade === undefined ? app : Effect.onExit(app, (exit) => countRefusal(upgrade, exit))
  })

const countRefusal = (
  upgrade: HttpUpgrade,
  exit: Exit.Exit<HttpServerResponse.HttpServerResponse, unknown>
): Effect.Effect<void> => {
  if (upgrade.wasOpened) return Effect.void
  if (Exit.isSuccess(exit)) return upgrade.refused(exit.value.status)
  return Effect.flatMap(
    HttpServerError.causeResponse(exit.cause),
    // That of a client which has not waited for one.
    ([{ status }]) => status === 499 ? Effect.void : upgrade.refused(status)
  )
}

const turnedAway = Effect.succeed(HttpServerResponse.empty({ status: 503 }))

const upgradable = (request: HttpServerRequest, upgrade: HttpUpgrade): HttpServerRequest => {
  const upgradeWith: HttpServerRequest["upgradeWith"] = ({ headers }) =>
    socketOf(upgrade, Object.entries(Headers.fromInput(headers)))
  const modify: HttpServerRequest["modify"] = (options) => upgradable(request.modify(options), upgrade)
  // Whoever knows more of a request than its interface says finds it.
  return Object.create(request, {
    upgrade: { get: () => upgradeWith({}) },
    upgradeWith: { value: upgradeWith },
    modify: { value: modify }
  })
}

const socketOf = (upgrade: HttpUpgrade, headers: OpeningHandshake.HeaderLines): Effect.Effect<Socket.Socket> =>
  Effect.sync(() => {
    // Writers wait for the reader. There is no next connection that they could wait for behind the end of this one.
    const opened = Deferred.makeUnsafe<Socket.Writer, Socket.SocketError>()
    const open = upgrade.openWith(headers).pipe(
      Effect.mapBoth({ onFailure: openFailed, onSuccess: fromWebsocket }),
      Effect.tap(({ writer }) => Deferred.into(writer, opened)),
      Effect.tapError((error) => Deferred.fail(opened, error))
    )
    return Socket.make({
      reader: Effect.flatMap(open, ({ reader }) => reader),
      writer: Effect.succeed({
        write: (chunk) => Effect.flatMap(Deferred.await(opened), (writer) => writer.write(chunk)),
        writeAll: (chunks) => Effect.flatMap(Deferred.await(opened), (writer) => writer.writeAll(chunks))
      })
    })
  })

// A refusal is a response like any other, so that middleware sees its status; where there was an upgrade it has been sent.
const refused = <E>(cause: Cause.Cause<E>): Effect.Effect<HttpServerResponse.HttpServerResponse, E> => {
  const [error, ...others] = cause.reasons.map(errorOf)
  const open = Socket.isSocketError(error) && error.reason._tag === "SocketOpenError" ? error.reason.cause : error
  const requestError = open instanceof OpenError ? requestErrorOf(open) : undefined
  if (others.length > 0 || requestError === undefined) return Effect.failCause(cause)
  const { body, headers, status } = OpeningHandshake.reject(requestError)
  return Effect.succeed(HttpServerResponse.text(body, { status, headers: Object.fromEntries(headers) }))
}

const ended = <E>(
  upgrade: HttpUpgrade,
  cause: Cause.Cause<E>
): Effect.Effect<HttpServerResponse.HttpServerResponse, E, HttpServerRequest> => {
  if (Cause.hasInterruptsOnly(cause)) return Effect.andThen(logIfOverrun(upgrade.vigil), Effect.failCause(cause))
  if (upgrade.isOver && failsOnlyOf(cause, (error) => isEnd(error) || isSocketEnd(error))) {
    return Effect.as(logEnd(cause), HttpServerResponse.empty())
  }
  // Here and once: the middleware that logs requests would tell of a response that nobody got.
  return Effect.andThen(
    HttpMiddleware.withLoggerDisabled(logFailure(cause)),
    Effect.failCause(cause)
  )
}
