/** The process of the load: opens connections by the thousand and runs messages over them. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { obey } from "../support/commands.ts"
import { Failure } from "../support/failure.ts"
import * as Exchange from "./exchange.ts"
import * as Pool from "./pool.ts"
import * as Run from "./run.ts"

export interface OpenOptions extends Pool.Options {
  /** Bytes of a message. */
  readonly size: number
}

export type Kind = "echo" | "broadcast" | "paced" | "ping" | "close"

export interface RunOptions {
  readonly pool: number
  readonly kind: Kind
  readonly seconds: number
  /** Messages a second over all connections, for the kind `paced`. */
  readonly perSecond?: number | undefined
}

interface Opened extends Pool.Pool {
  readonly message: Exchange.Exchange
  readonly depth: number
}

/** Seconds for what is in flight at the end. */
const answerDeadline = 60

const pools = new Map<number, Opened>()
let opened = 0

const run = ({ connections, depth, message, shared }: Opened, { kind, perSecond = 0, seconds }: RunOptions) => {
  switch (kind) {
    case "echo":
      return Run.echo(connections, shared, { exchange: message, depth, seconds })
    case "broadcast":
      return Run.broadcast(connections, shared, { exchange: message, depth: 1, seconds })
    case "paced":
      return Run.paced(connections, shared, { exchange: message, depth: 1, seconds, perSecond })
    case "ping":
      return Run.echo(connections, shared, { exchange: Exchange.ping, depth: 1, seconds: 0 })
    case "close":
      return Run.echo(connections, shared, { exchange: Exchange.close, depth: 1, seconds: 0 })
  }
}

const commands = {
  /** Opens a pool of connections, and answers its number. */
  open: (options: OpenOptions) =>
    Effect.gen(function*() {
      const message = Exchange.message(options.protocol, options.size)
      const pool = yield* Pool.open(options)
      pools.set(opened, { ...pool, message, depth: options.depth })
      return opened++
    }),

  /** Runs one kind of messages over a pool. */
  run: (options: RunOptions) =>
    Effect.gen(function*() {
      const pool = pools.get(options.pool)!
      const seen = yield* Effect.timeoutOrElse(run(pool, options), {
        duration: Duration.seconds(options.seconds + answerDeadline),
        orElse: () => Effect.fail(new Failure({ message: `no answer to everything within ${answerDeadline} s` }))
      })
      if (options.kind === "close") yield* pool.closed
      return seen
    }),

  /** Ends the connections of a pool. */
  reset: (pool: number) => Effect.suspend(() => pools.get(pool)!.reset)
}

export type LoadCommands = typeof commands

obey(commands)
