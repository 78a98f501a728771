/** The process of the server under the soak. It sends numbered messages back, keeps books, and tells how it is. */
import { type Websocket, WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as LogLevel from "effect/LogLevel"
import * as Schedule from "effect/Schedule"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { collected } from "../../bench/support/collected.ts"
import { obey } from "../../bench/support/commands.ts"
import { type Resources, resources, steadyResources } from "../support/resources.ts"
import { Broken, Incoming, Outgoing } from "./numbered.ts"

/** What a client says first. */
export interface Greeting {
  readonly client: number
  readonly kind: string
  /** So many messages of so many bytes are sent to it. Otherwise all of its own come back. */
  readonly push?: { readonly count: number; readonly size: number }
}

/** What went over the connections of one kind of clients. */
export interface Traffic {
  connections: number
  received: number
  sent: number
  bytes: number
}

export interface Rest {
  readonly traffic: { readonly [kind: string]: Traffic }
  /** Laws that were broken, and what was logged as a warning or worse. */
  readonly problems: ReadonlyArray<string>
  /** Bytes after a collection. */
  readonly heap: number
  readonly resident: number
  readonly external: number
  /** What the process has open. */
  readonly resources: Resources
  /** The most connections, and the most bytes of the process, since the last rest. */
  readonly most: { readonly connections: number; readonly resident: number }
  /** Milliseconds, since the last rest and without the collections that are asked for. */
  readonly delay: { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Bytes. */
export const maxMessageSize = 8 * 1024 * 1024

/**
 * How long a closing may take: behind what a slow reader was sent, and on a machine that has other things to do. By default a
 * peer that takes more than 5 seconds is cut, and loses what it has not read.
 */
export const patience = "1 minute"

const traffic: Record<string, Traffic> = {}
const problems: Array<string> = []
const most = { connections: 0, resident: 0 }
// Looks every so many milliseconds, and how much later it does so is what the loop was late.
const resolution = 10
const delay = monitorEventLoopDelay({ resolution })

const openConnections = () => resources()["TCPSocketWrap"] ?? 0

const tell = (problem: string) => {
  if (problems.length < 20) problems.push(problem)
}

const handler = (ws: Websocket.Websocket["Service"]) =>
  Effect.gen(function*() {
    const first = yield* ws.receive
    const greeting: Greeting = JSON.parse(Buffer.from(first.payload).toString())
    const { client, kind, push } = greeting
    const [incoming, outgoing] = [new Incoming(client), new Outgoing(client)]
    const books = traffic[kind] ??= { connections: 0, received: 0, sent: 0, bytes: 0 }
    books.connections++
    yield* (push === undefined ? answer(ws, incoming, outgoing) : pour(ws, outgoing, push)).pipe(
      Effect.ensuring(Effect.sync(() => {
        books.received += incoming.received
        books.sent += outgoing.sent
        books.bytes += incoming.bytes + outgoing.bytes
      }))
    )
  })

const answer = (ws: Websocket.Websocket["Service"], incoming: Incoming, outgoing: Outgoing) =>
  ws.runForEach((message) =>
    Effect.suspend(() => {
      const body = incoming.take(message)
      return ws.send(
        message._tag === "Text" ? outgoing.text(Buffer.from(body).toString()) : outgoing.binary(body)
      )
    })
  )

const pour = (ws: Websocket.Websocket["Service"], outgoing: Outgoing, push: NonNullable<Greeting["push"]>) => {
  const body = Buffer.alloc(push.size, 7)
  return Effect.replicateEffect(Effect.suspend(() => ws.send(outgoing.binary(body))), push.count, { discard: true })
}

// Of a handler that fails: a law was broken, or we have thrown.
const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
  if (LogLevel.isLessThan(logLevel, "Warn")) return
  const reasons = cause.reasons.map((reason) => {
    if (reason._tag === "Interrupt") return "an interruption"
    const error = reason._tag === "Fail" ? reason.error : reason.defect
    return error instanceof Broken
      ? error.message
      : error instanceof Error
      ? error.stack ?? error.message
      : String(error)
  })
  tell(`the server logs "${String(message)}": ${reasons.join("; ")}`)
})

const commands = {
  /** Listens, and answers where. */
  listen: (options: { readonly idleDeadline: number }) =>
    Effect.gen(function*() {
      const server = yield* WebsocketServer.make({
        host: "127.0.0.1",
        port: 0,
        deflate: true,
        compression: { threshold: 64 },
        limits: { maxMessageSize },
        heartbeat: options.idleDeadline / 3,
        idleDeadline: options.idleDeadline,
        closeDeadline: patience
      })
      yield* Effect.forkScoped(server.run(handler))
      yield* Effect.forkScoped(
        Effect.sync(() => {
          most.connections = Math.max(most.connections, openConnections())
          most.resident = Math.max(most.resident, process.memoryUsage.rss())
        }).pipe(Effect.delay("100 millis"), Effect.forever)
      )
      delay.enable()
      return WebsocketServer.url(server.address)
    }).pipe(Effect.provide(Logger.layer([logger]))),

  /** Waits until nobody is connected, and tells what is left then. */
  rest: () =>
    Effect.gen(function*() {
      const gone = Effect.suspend(() => openConnections() === 0 ? Effect.void : Effect.fail("connected"))
      yield* Effect.retry(gone, { times: 600, schedule: Schedule.spaced("50 millis") }).pipe(
        Effect.catch(() => Effect.sync(() => tell(`${openConnections()} connections do not end`)))
      )
      const milliseconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - resolution)
      const seen = {
        p50: milliseconds(delay.percentile(50)),
        p99: milliseconds(delay.percentile(99)),
        max: milliseconds(delay.max)
      }
      delay.disable()
      const { external, heapUsed, rss } = yield* collected
      const rest: Rest = {
        traffic,
        problems: problems.splice(0),
        heap: heapUsed,
        resident: rss,
        external,
        resources: yield* steadyResources,
        most: { ...most },
        delay: seen
      }
      most.connections = most.resident = 0
      delay.reset()
      delay.enable()
      return rest
    })
}

export type SoakCommands = typeof commands

obey(commands)
