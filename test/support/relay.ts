/** What lies between two ends of TCP, and can go wrong there: everything passes until it is stopped or cut. */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { once } from "node:events"
import * as net from "node:net"
import { type Faults, Faulty } from "../../packages/node/test/support/faulty.ts"

export interface Relay {
  /** Where to dial instead of the server. */
  readonly port: number
  /** Takes nothing any more from one side of the connections that there are: its bytes have to wait. */
  readonly stall: (side: "client" | "server") => Effect.Effect<void>
  /** Cuts the connections with a reset, at both ends. */
  readonly reset: Effect.Effect<void>
}

/** A relay to a port of this machine. Does to the bytes what faulty streams do, if it is given a seed for them. */
export const make = Effect.fnUntraced(function*(port: number, faults?: Faults) {
  const links = new Set<Link>()
  const server = net.createServer((client) => {
    const link: Link = { client, server: net.connect(port, "127.0.0.1") }
    links.add(link)
    const cut = () => {
      links.delete(link)
      destroy(link)
    }
    if (faults === undefined) {
      client.pipe(link.server).pipe(client)
      for (const socket of [client, link.server]) socket.on("error", () => {}).on("close", cut)
    } else {
      const [near, far] = [new Faulty(client, faults), new Faulty(link.server, faults)]
      near.pipe(far).pipe(near)
      // What has ended in good order is still on its way.
      for (const end of [near, far]) end.on("error", () => {}).on("close", () => !end.readableEnded && cut())
    }
  })
  yield* listen(server)
  yield* Effect.addFinalizer(() => Effect.sync(() => links.forEach(destroy)))
  const address = server.address()
  const relay: Relay = {
    port: typeof address === "object" && address !== null ? address.port : 0,
    stall: (side) => Effect.sync(() => links.forEach((link) => link[side].unpipe().pause())),
    reset: Effect.sync(() =>
      links.forEach((link) => {
        link.client.resetAndDestroy()
        link.server.resetAndDestroy()
      })
    )
  }
  return relay
})

interface Link {
  readonly client: net.Socket
  readonly server: net.Socket
}

const destroy = ({ client, server }: Link): void => {
  client.destroy()
  server.destroy()
}

const listen = (server: net.Server): Effect.Effect<void, never, Scope.Scope> =>
  Effect.asVoid(Effect.acquireRelease(
    Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
    () => Effect.sync(() => server.close())
  ))
