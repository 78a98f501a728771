/** What every client of the soak has, of whatever kind it is. */
import type { WebsocketError } from "@websocket-stream/node"
import type * as Effect from "effect/Effect"
import type { Random } from "effect/Random"
import type * as Scope from "effect/Scope"
import type { Broken, Incoming, Outgoing } from "./numbered.ts"
import type { Greeting } from "./server.ts"

export interface Client {
  readonly id: number
  readonly url: string
  readonly port: number
  /** Seeded: one client does the same again. Drawn from by one fiber. */
  readonly random: Random
  readonly incoming: Incoming
  readonly outgoing: Outgoing
  /** Waits until all who are busy have gone. */
  readonly othersGone: Effect.Effect<void>
  /** Counts what is no message: pings that were answered, and how hostile clients were. */
  readonly count: (what: string, times?: number) => void
}

export interface Kind {
  readonly name: string
  /** How many of a hundred clients. */
  readonly share: number
  /** Whether it does nothing but wait, and takes no place from those who are busy. */
  readonly isIdle?: boolean
  /** Whether every message of either side comes. Of others all that come are the first ones, and in order. */
  readonly isWhole: boolean
  readonly live: (
    client: Client,
    kind: string
  ) => Effect.Effect<
    void,
    Broken | WebsocketError.OpenError | WebsocketError.ReadError | WebsocketError.WriteError,
    Scope.Scope
  >
}

export const greeting = (client: Client, kind: string, push?: Greeting["push"]): string => {
  const greeting: Greeting = { client: client.id, kind, ...(push === undefined ? {} : { push }) }
  return JSON.stringify(greeting)
}
