/** A `WebsocketStream` or `Websocket` of ours and a peer, connected to each other: both ends in one test's hands. */
import {
  type Websocket,
  WebsocketClient,
  WebsocketServer,
  type WebsocketStream,
  WebsocketUpgrade
} from "@websocket-stream/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { socketPath } from "../../packages/node/test/support/paths.ts"
import type { Address, Transport } from "./transports.ts"
import { addressOf, certificate, listen } from "./transports.ts"

export interface Met<O, P> {
  readonly ours: O
  readonly peer: P
  /** Closes our end, as the end of its scope does. */
  readonly hangUp: Effect.Effect<void>
}

export type Meeting<P> = Met<WebsocketStream.WebsocketStream["Service"], P>

export type Ws = Websocket.Websocket["Service"]

export type MessageMeeting<P> = Met<Ws, P>

/** A peer that waits for us. */
export interface Waiting<P> {
  readonly address: Address
  readonly accepted: Effect.Effect<P>
}

/** We are the server. */
export const asServer = <P, R>(transport: Transport, connect: (address: Address) => Effect.Effect<P, never, R>) =>
  meet(Effect.gen(function*() {
    const { address, server } = yield* listen(transport)
    const upgrades = yield* Queue.unbounded<WebsocketUpgrade.Upgrade>()
    yield* WebsocketUpgrade.runUpgrades(server, (upgrade) => Queue.offer(upgrades, upgrade)).pipe(
      Effect.forkScoped({ startImmediately: true })
    )
    const open = Queue.take(upgrades).pipe(
      // The page of a browser is of another origin: it was loaded from another port.
      Effect.flatMap((upgrade) => WebsocketUpgrade.accept(upgrade, { origins: () => true })),
      Effect.map(({ stream }) => stream)
    )
    return { open, peer: connect(address) }
  }))

/** We are the client. */
export const asClient = <P, R>(
  transport: Transport,
  wait: (transport: Transport) => Effect.Effect<Waiting<P>, never, R>
) =>
  meet(Effect.gen(function*() {
    const { accepted, address } = yield* wait(transport)
    const open = WebsocketClient.connectStream(address.url, {
      socketPath: address.socketPath,
      tls: address.ca === undefined ? undefined : { ca: address.ca }
    })
    return { open, peer: accepted }
  }))

/** We are the server, of messages. */
export const asMessageServer = <P, R>(
  transport: Transport,
  connect: (address: Address) => Effect.Effect<P, never, R>,
  options?: WebsocketServer.ServingOptions
) =>
  meet(Effect.gen(function*() {
    const path = transport === "a unix socket" ? yield* socketPath : undefined
    const server = yield* WebsocketServer.make({
      origins: () => true,
      ...options,
      ...(path === undefined ? { host: "127.0.0.1", port: 0 } : { path }),
      tls: transport === "TLS" ? certificate : undefined
    })
    const arrivals = yield* Queue.unbounded<{ readonly ws: Ws; readonly left: Deferred.Deferred<void> }>()
    const handler = Effect.fnUntraced(function*(ws: Ws) {
      const left = yield* Deferred.make<void>()
      yield* Queue.offer(arrivals, { ws, left })
      yield* Deferred.await(left)
    })
    yield* Effect.forkScoped(server.run(handler), { startImmediately: true })
    const port = server.address._tag === "Tcp" ? server.address.port : 0
    const open = Effect.gen(function*() {
      const { left, ws } = yield* Queue.take(arrivals)
      yield* Effect.addFinalizer(() => Deferred.succeed(left, undefined))
      return ws
    })
    return { open, peer: connect(addressOf(transport, { port, socketPath: path ?? "" })) }
  }))

/** We are the client, of messages. */
export const asMessageClient = <P, R>(
  transport: Transport,
  wait: (transport: Transport) => Effect.Effect<Waiting<P>, never, R>,
  options?: WebsocketClient.Options
) =>
  meet(Effect.gen(function*() {
    const { accepted, address } = yield* wait(transport)
    const open = WebsocketClient.connect(address.url, {
      ...options,
      socketPath: address.socketPath,
      tls: address.ca === undefined ? undefined : { ca: address.ca }
    })
    return { open, peer: accepted }
  }))

const meet = <O, P, E, E2, R, R2, R3>(
  ends: Effect.Effect<
    {
      readonly open: Effect.Effect<O, E2, R2>
      readonly peer: Effect.Effect<P, never, R3>
    },
    E,
    R
  >
) =>
  Effect.gen(function*() {
    const { open, peer } = yield* ends
    const scope = yield* Scope.fork(yield* Effect.scope)
    const met = yield* Effect.all({ ours: Scope.provide(open, scope), peer }, { concurrency: "unbounded" })
    const meeting: Met<O, P> = { ...met, hangUp: Scope.close(scope, Exit.void) }
    return meeting
  })
