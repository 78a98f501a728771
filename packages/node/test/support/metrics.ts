/** What the metrics of `WebsocketMetrics` say. */
import * as WebsocketMetrics from "@websocket-stream/node/WebsocketMetrics"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { type Options, turn } from "./server.ts"

/** Everything that an exporter gets to see, in the registry of whoever asks. */
export const values = Effect.gen(function*() {
  const count = (metric: Metric.Counter<number>) => Effect.map(Metric.value(metric), ({ count }) => count)
  const gauge = (metric: Metric.Gauge<number>) => Effect.map(Metric.value(metric), ({ value }) => value)
  const frequency = (metric: Metric.Frequency) =>
    Effect.map(Metric.value(metric), ({ occurrences }) => Object.fromEntries(occurrences))
  return {
    open: yield* gauge(WebsocketMetrics.connectionsOpen),
    accepted: yield* count(WebsocketMetrics.connectionsAccepted),
    refused: yield* frequency(WebsocketMetrics.connectionsRefused),
    closes: yield* frequency(WebsocketMetrics.closes),
    messagesReceived: yield* count(WebsocketMetrics.messagesReceived),
    messagesSent: yield* count(WebsocketMetrics.messagesSent),
    bytesReceived: yield* count(WebsocketMetrics.bytesReceived),
    bytesSent: yield* count(WebsocketMetrics.bytesSent),
    buffered: yield* gauge(WebsocketMetrics.bytesBuffered),
    roundTrips: (yield* Metric.value(WebsocketMetrics.roundTrip)).count
  }
})

export type Values = Effect.Success<typeof values>

export const nothing: Values = {
  open: 0,
  accepted: 0,
  refused: {},
  closes: {},
  messagesReceived: 0,
  messagesSent: 0,
  bytesReceived: 0,
  bytesSent: 0,
  buffered: 0,
  roundTrips: 0
}

export const eventually = (holds: (values: Values) => boolean): Effect.Effect<Values> =>
  Effect.flatMap(values, (seen) => holds(seen) ? Effect.succeed(seen) : Effect.andThen(turn, eventually(holds)))

/** Runs a test with a registry of its own. */
export const alone = <A, E, R>(test: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.suspend(() => Effect.provideService(test, Metric.MetricRegistry, new Map()))

export const metered: Options = { metrics: true }
