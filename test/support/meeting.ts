/** A `WebsocketStream` of ours and a peer, connected to each other: both ends in one test's hands. */
import { WebsocketClient, type WebsocketStream, WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import type { Address, Transport } from "./transports.ts"
import { listen } from "./transports.ts"

export interface Meeting<P> {
  readonly ours: WebsocketStream.WebsocketStream["Service"]
  readonly peer: P
  /** Closes our end, as the end of its scope does. */
  readonly hangUp: Effect.Effect<void>
}

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
      Effect.flatMap((upgrade) => WebsocketUpgrade.accept(upgrade)),
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

const meet = <P, E, E2, R, R2, R3>(
  ends: Effect.Effect<
    {
      readonly open: Effect.Effect<WebsocketStream.WebsocketStream["Service"], E2, R2>
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
    const meeting: Meeting<P> = { ...met, hangUp: Scope.close(scope, Exit.void) }
    return meeting
  })
