/** What the servers that are ours share. */
// Not by the index, which loads the HTTP server of Effect, too: more than a quarter of what it takes to start.
import type * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"
import { type Listen, maxMessageSize } from "./task.ts"

type Ws = Websocket.Websocket["Service"]

/** How a connection is served, for each task. */
export interface Handlers {
  readonly echo: (ws: Ws) => Effect.Effect<unknown, unknown>
  readonly broadcast: (ws: Ws, all: ReadonlySet<Ws>) => Effect.Effect<unknown, unknown>
}

/** The load counts bytes, and pings are none of those it waits for. The other servers send none. */
export const withoutPings = { heartbeat: "1 day", idleDeadline: "3 days" } as const

/** A server of messages as its user would start it. */
export const listen = ({ broadcast, echo }: Handlers): Listen =>
  Effect.fnUntraced(function*(task) {
    const server = yield* WebsocketServer.make({
      host: "127.0.0.1",
      port: 0,
      maxConnections: 1_000_000,
      limits: { maxMessageSize },
      ...withoutPings
    })
    const all = new Set<Ws>()
    const handler = (ws: Ws) => {
      if (task === "echo") return echo(ws)
      all.add(ws)
      return Effect.ensuring(broadcast(ws, all), Effect.sync(() => all.delete(ws)))
    }
    yield* Effect.forkScoped(server.run(handler))
    return server.address._tag === "Tcp" ? server.address.port : 0
  })
