/**
 * What a process does with its WebSockets, as Effect's metrics: those of the servers, clients and `Websocket`s that were made
 * with `metrics: true`.
 *
 * The counts are read when metrics are, and not pushed at each message: what a message costs is one addition.
 *
 * **Example** (What an exporter gets to see)
 *
 * ```ts
 * import { Websocket, WebsocketMetrics, WebsocketStream } from "@websocket-stream/node"
 * import { Effect, Metric } from "effect"
 * import { duplexPair } from "node:stream"
 *
 * const program = Effect.gen(function*() {
 *   const [near, far] = duplexPair()
 *   const client = yield* Effect.flatMap(WebsocketStream.make(near, { role: "client" }), Websocket.make)
 *   const server = yield* Effect.flatMap(WebsocketStream.make(far, { role: "server" }), (stream) =>
 *     Websocket.make(stream, { metrics: true }))
 *   yield* client.send("Hello")
 *   yield* server.receive
 *   const { count } = yield* Metric.value(WebsocketMetrics.bytesReceived)
 *   const { value } = yield* Metric.value(WebsocketMetrics.connectionsOpen)
 *   return { count, value }
 * })
 *
 * await Effect.runPromise(Effect.scoped(program)) // => { count: 5, value: 1 }
 * ```
 *
 * @since 0.1.0
 */
import * as Metric from "effect/Metric"

/**
 * Connections that are open now.
 *
 * @category connections
 * @since 0.1.0
 */
export const connectionsOpen = Metric.gauge("websocket.connections.open", {
  description: "WebSocket connections that are open"
})

/**
 * Connections that servers have accepted.
 *
 * @category connections
 * @since 0.1.0
 */
export const connectionsAccepted = Metric.counter("websocket.connections.accepted", {
  description: "WebSocket connections that servers accepted",
  incremental: true
})

/**
 * Opening handshakes that servers have refused, by the HTTP status.
 *
 * @category connections
 * @since 0.1.0
 */
export const connectionsRefused = Metric.frequency("websocket.connections.refused", {
  description: "WebSocket opening handshakes that servers refused, by HTTP status"
})

/**
 * Connections that have ended, by the close code that ended them: the one of the side that began, what a peer was told that
 * broke the protocol, 1005 where no code was given and 1006 where there was no closing handshake.
 *
 * @category connections
 * @since 0.1.0
 */
export const closes = Metric.frequency("websocket.closes", {
  description: "WebSocket connections that ended, by close code"
})

// The attribute and its values are those of OpenTelemetry's semantic conventions.
const receive = { "network.io.direction": "receive" }
const transmit = { "network.io.direction": "transmit" }

// By this attribute and these names Effect's exporters know a unit, which is 1 otherwise. Prometheus has no label of it.
const bytes = { unit: "bytes" }
const seconds = { unit: "seconds" }

/**
 * Messages received.
 *
 * @category traffic
 * @since 0.1.0
 */
export const messagesReceived = Metric.counter("websocket.messages", {
  description: "WebSocket messages",
  attributes: receive,
  incremental: true
})

/**
 * Messages sent.
 *
 * @category traffic
 * @since 0.1.0
 */
export const messagesSent = Metric.counter("websocket.messages", {
  description: "WebSocket messages",
  attributes: transmit,
  incremental: true
})

/**
 * Bytes of messages received, as they came: compressed where they were.
 *
 * @category traffic
 * @since 0.1.0
 */
export const bytesReceived = Metric.counter("websocket.io", {
  description: "Bytes of WebSocket messages",
  attributes: { ...receive, ...bytes },
  incremental: true
})

/**
 * Bytes of messages sent, as they went: compressed where they were.
 *
 * @category traffic
 * @since 0.1.0
 */
export const bytesSent = Metric.counter("websocket.io", {
  description: "Bytes of WebSocket messages",
  attributes: { ...transmit, ...bytes },
  incremental: true
})

/**
 * Bytes that open connections hold: received and not taken, or sent and not gone.
 *
 * @category traffic
 * @since 0.1.0
 */
export const bytesBuffered = Metric.gauge("websocket.bytes.buffered", {
  description: "Bytes that open WebSocket connections hold",
  attributes: bytes
})

/**
 * How long pongs took, in seconds: those of `ping`, and of a server's heartbeat.
 *
 * @category traffic
 * @since 0.1.0
 */
export const roundTrip = Metric.histogram("websocket.ping.duration", {
  description: "Seconds from a WebSocket ping to its pong",
  attributes: seconds,
  boundaries: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
})
