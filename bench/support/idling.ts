/** What a connection costs over which nothing goes: memory, its opening, and how all of them answer at once. */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import type { Seen } from "../load/run.ts"
import type { Contestant } from "./contestants.ts"
import * as Descriptors from "./descriptors.ts"
import { type Crowd, openAll, startLoads } from "./loads.ts"
import { checkRoom } from "./room.ts"
import { startServer } from "./servers.ts"

export interface Idle {
  readonly contestant: Contestant
  readonly connections: number
  /** Bytes of a connection. */
  readonly resident: number
  readonly heap: number
  /** Microseconds of CPU to accept one, by a process that is new. */
  readonly acceptCpu: number
  /** The same of as many again, when the first have closed, if that was asked for. */
  readonly againCpu: number | undefined
  /** Connections accepted in a second. */
  readonly acceptRate: number
  /** All answer a ping: not where there is no protocol. */
  readonly pings: Answered | undefined
  /** All send a message back. */
  readonly messages: Answered
}

export interface Answered extends Seen {
  /** Microseconds of the server's CPU for one. */
  readonly serverCpu: number
}

/** Opens so many connections to a contestant's server, lets all of them answer, closes them, and opens as many `again` if told to. */
export const idle = (contestant: Contestant, connections: number, { again }: { readonly again: boolean }) =>
  Effect.gen(function*() {
    yield* Descriptors.check(connections)
    yield* checkRoom(connections)
    const tell = (what: string) => Console.error(`${connections} idle, ${contestant.name}: ${what}`)
    const { cpu, listen, memory } = yield* startServer(contestant, connections)
    const loads = yield* startLoads(connections)
    const port = yield* listen("echo")
    const options = { port, protocol: contestant.protocol, size: 125 }

    // What is loaded and compiled for the first of them is not the cost of one.
    const first = yield* openAll(loads, { ...options, connections: Math.min(connections, 200) })
    yield* first.run("echo")
    yield* first.reset
    const before = yield* memory

    const open = Effect.gen(function*() {
      const before = yield* cpu
      const started = performance.now()
      const crowd = yield* openAll(loads, { ...options, connections })
      const seconds = (performance.now() - started) / 1000
      const each = ((yield* cpu) - before) / connections
      yield* tell(`open after ${seconds.toFixed(1)} s`)
      return { crowd, seconds, each }
    })
    const leave = (crowd: Crowd) => contestant.protocol === "tcp" ? crowd.reset : crowd.run("close")

    const opened = yield* open
    const { crowd } = opened
    const after = yield* memory

    const answered = Effect.fnUntraced(function*(kind: "echo" | "ping") {
      const before = yield* cpu
      const seen = yield* crowd.run(kind)
      const serverCpu = ((yield* cpu) - before) / seen.messages
      yield* tell(`${seen.messages} answers in ${seen.seconds.toFixed(2)} s`)
      const answered: Answered = { ...seen, serverCpu }
      return answered
    })
    const pings = contestant.protocol === "tcp" ? undefined : yield* answered("ping")
    const messages = yield* answered("echo")
    yield* leave(crowd)
    yield* tell("closed")

    // Of the first, many were accepted by code that was not compiled yet, beside the threads that compile it.
    const reopened = again ? yield* Effect.delay(open, "1 second") : undefined
    if (reopened !== undefined) yield* leave(reopened.crowd)
    const seen: Idle = {
      contestant,
      connections,
      resident: (after.resident - before.resident) / connections,
      heap: (after.heap - before.heap) / connections,
      acceptCpu: opened.each,
      againCpu: reopened?.each,
      acceptRate: connections / opened.seconds,
      pings,
      messages
    }
    return seen
  }).pipe(Effect.scoped)
