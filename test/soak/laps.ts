/**
 * A lap: so many clients come and go, and then nobody is connected. What is left of memory is compared from lap to lap, so that
 * no client that happens to be in the middle of something disturbs it.
 */
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Random from "effect/Random"
import type { Child } from "../../bench/support/child.ts"
import { collected } from "../../bench/support/collected.ts"
import { between } from "./bodies.ts"
import type { Client, Kind } from "./client.ts"
import * as Clients from "./clients.ts"
import * as Hostile from "./hostile.ts"
import { Broken, Incoming, Outgoing } from "./numbered.ts"
import * as RawClients from "./rawClients.ts"
import type { Rest, SoakCommands, Traffic } from "./server.ts"

export const kinds: ReadonlyArray<Kind> = [...Clients.kinds, ...RawClients.kinds, ...Hostile.kinds]

export interface Lap {
  /** Clients since the first lap. */
  readonly clients: number
  readonly rest: Rest
  /** Bytes of the clients' process after a collection. */
  readonly clientHeap: number
}

export interface Course {
  readonly server: Child<SoakCommands>
  readonly url: string
  readonly seed: number
  /** What was sent and received by the clients of each kind. */
  readonly traffic: Record<string, Traffic>
  /** What was counted besides. */
  readonly counts: Map<string, number>
  /** Laws that were broken, and by whom. */
  readonly problems: Array<string>
}

/** Clients that are busy at a time. The idle ones are there besides. */
const atOnce = 24

/** Runs so many clients, from this number on, until all have gone and the server is at rest. */
export const run = (course: Course, first: number, count: number) =>
  Effect.gen(function*() {
    const { problems, server, traffic } = course
    const othersGone = yield* Deferred.make<void>()
    const ids = Array.from({ length: count }, (_, i) => first + i)
    const one = (id: number) => live(course, id, Deferred.await(othersGone))
    const idle: Array<number> = []
    const busy: Array<number> = []
    for (const id of ids) ((yield* kindOf(course, id)).isIdle === true ? idle : busy).push(id)
    const waiting = yield* Effect.forEach(idle, (id) => Effect.forkChild(one(id)))
    yield* Effect.forEach(busy, one, { concurrency: atOnce, discard: true })
    yield* Deferred.succeed(othersGone, undefined)
    yield* Fiber.joinAll(waiting)
    const rest = yield* server.ask("rest")
    problems.push(...rest.problems)
    for (const { isWhole, name } of kinds) {
      if (isWhole) problems.push(...compare(name, traffic[name], rest.traffic[name]))
    }
    const { heapUsed } = yield* collected
    const lap: Lap = { clients: first + count, rest, clientHeap: heapUsed }
    return lap
  })

/** Every kind is among as many clients as there are shares of it, in an order that the seed shuffles. */
const kindOf = ({ seed }: Course, id: number): Effect.Effect<Kind> => {
  const round = Math.floor(id / shares.length)
  return Effect.map(Random.withSeed(Random.shuffle(shares), `${seed} ${round}`), (kinds) => kinds[id % shares.length]!)
}

const shares = kinds.flatMap((kind) => Array.from({ length: kind.share }, () => kind))

const live = Effect.fnUntraced(function*(course: Course, id: number, othersGone: Effect.Effect<void>) {
  const kind = yield* kindOf(course, id)
  const random = yield* Random.withSeed(Effect.service(Random.Random), `${course.seed} ${id}`)
  const client: Client = {
    id,
    url: course.url,
    port: Number(new URL(course.url).port),
    random,
    incoming: new Incoming(id),
    outgoing: new Outgoing(id),
    othersGone,
    count: (what, times = 1) => course.counts.set(what, (course.counts.get(what) ?? 0) + times)
  }
  yield* kind.live(client, kind.name).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({ duration: patience(kind), orElse: () => stuck(client) }),
    Effect.catchCause((cause) =>
      Effect.sync(() => course.problems.push(`client ${id}, ${kind.name}: ${String(Cause.squash(cause))}`))
    )
  )
  const books = course.traffic[kind.name] ??= { connections: 0, received: 0, sent: 0, bytes: 0 }
  books.connections++
  books.received += client.incoming.received
  books.sent += client.outgoing.sent
  books.bytes += client.incoming.bytes + client.outgoing.bytes
})

const patience = ({ name }: Kind) => name === "silent" ? "1 hour" : "3 minutes"

const stuck = ({ id, incoming, outgoing }: Client) =>
  new Broken({ message: `client ${id}: stuck after ${outgoing.sent} messages sent and ${incoming.received} received` })

// Twice over, because whoever gets all of its messages back has shown it already; but not that none came besides.
const compare = (kind: string, clients: Traffic | undefined, server: Traffic | undefined): ReadonlyArray<string> => {
  if (clients === undefined) return []
  const same = clients.sent === server?.received && clients.received === server?.sent &&
    clients.connections === server.connections && clients.bytes === server.bytes
  return same ? [] : [`${kind}: the clients count ${JSON.stringify(clients)}, the server ${JSON.stringify(server)}`]
}

/** A number to begin with, where none is given. */
export const anySeed = Effect.map(Effect.service(Random.Random), (random) => between(random, 1, 2 ** 31))
