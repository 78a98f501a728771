/** What the metrics of `WebsocketMetrics` are read from: one set of plain counts for each of Effect's metric registries. */
import type * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { Closing } from "@websocket-stream/core/Connection"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import * as Metric from "effect/Metric"
import * as WebsocketMetrics from "../WebsocketMetrics.ts"

/** A connection, as far as it is counted. */
export interface Metered {
  readonly bufferedBytes: number
}

export class Meter {
  messagesReceived = 0
  messagesSent = 0
  bytesReceived = 0
  bytesSent = 0
  private readonly connections = new Set<Metered>()
  private readonly context: Context.Context<never>

  constructor(context: Context.Context<never>) {
    this.context = context
    const { connections } = this
    counter(WebsocketMetrics.messagesReceived, context, () => this.messagesReceived)
    counter(WebsocketMetrics.messagesSent, context, () => this.messagesSent)
    counter(WebsocketMetrics.bytesReceived, context, () => this.bytesReceived)
    counter(WebsocketMetrics.bytesSent, context, () => this.bytesSent)
    gauge(WebsocketMetrics.connectionsOpen, context, () => connections.size)
    gauge(WebsocketMetrics.bytesBuffered, context, () => {
      let bytes = 0
      for (const { bufferedBytes } of connections) bytes += bufferedBytes
      return bytes
    })
    // A series that begins with its first event has no rate to tell of it.
    WebsocketMetrics.connectionsAccepted.valueUnsafe(context)
    WebsocketMetrics.roundTrip.valueUnsafe(context)
  }

  opened(connection: Metered): void {
    this.connections.add(connection)
  }

  ended(connection: Metered, closing: Closing): void {
    if (!this.connections.delete(connection)) return
    WebsocketMetrics.closes.updateUnsafe(`${decidingClose(closing)?.code ?? CloseCode.AbnormalClosure}`, this.context)
  }

  answered(roundTrip: Duration.Duration): void {
    WebsocketMetrics.roundTrip.updateUnsafe(Duration.toSeconds(roundTrip), this.context)
  }

  accepted(): void {
    WebsocketMetrics.connectionsAccepted.updateUnsafe(1, this.context)
  }

  refused(status: number): void {
    WebsocketMetrics.connectionsRefused.updateUnsafe(`${status}`, this.context)
  }
}

/** The counts of this fiber's registry, for those who asked to be counted. */
export const currentIf = (metrics: boolean | undefined): Effect.Effect<Meter | undefined> =>
  metrics === true ? current : Effect.succeed(undefined)

const current: Effect.Effect<Meter> = Effect.map(Effect.context(), (context) => {
  const registry = Context.get(context, Metric.MetricRegistry)
  const known = meters.get(registry)
  if (known !== undefined) return known
  // Attributes of whoever came first are not those of all.
  const meter = new Meter(Context.make(Metric.MetricRegistry, registry))
  meters.set(registry, meter)
  return meter
})

const meters = new WeakMap<object, Meter>()

// A Close frame of ours that nobody answered has closed nothing; one that says what the peer did wrong asks for no answer.
const decidingClose = ({ by, received, sent }: Closing): Close.Close | undefined => {
  const isAnswered = received !== undefined && received.code !== CloseCode.AbnormalClosure
  if (by === "Us") return isAnswered ? sent : undefined
  return isAnswered ? received : sent
}

const counter = (metric: Metric.Counter<number>, context: Context.Context<never>, count: () => number): void => {
  Metric.registerUnsafe(metric, context, { ...unused, get: () => ({ count: count(), incremental: true }) })
}

const gauge = (metric: Metric.Gauge<number>, context: Context.Context<never>, value: () => number): void => {
  Metric.registerUnsafe(metric, context, { ...unused, get: () => ({ value: value() }) })
}

const unused = { update: constVoid, modify: constVoid }
