/** Our end of a connection as a `Websocket`, whose peer is the test. */
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { duplexPair } from "node:stream"
import { constants, deflateRawSync, type ZlibOptions } from "node:zlib"
import { Scripted } from "./scripted.ts"
import { make } from "./streams.ts"

export type Ws = Websocket.Websocket["Service"]

/** Compression in which no message has to do with the one before. */
export const withoutTakeover: Websocket.Options = { deflate: PermessageDeflate.defaults }

/** Compression in which each message may refer to those before. */
export const takeover: PermessageDeflate.Parameters = {
  ...PermessageDeflate.defaults,
  serverNoContextTakeover: false,
  clientNoContextTakeover: false
}

/** Both ends of a connection as streams of frames. */
export const streams = Effect.gen(function*() {
  const [near, far] = duplexPair()
  const client = yield* WebsocketStream.make(near, { role: "client" })
  const server = yield* WebsocketStream.make(far, { role: "server" })
  return { client, server }
})

/** For a peer that reads frames, and does not agree to close. */
export const brief: Websocket.Options = { closeDeadline: "100 millis" }

/** A message as RFC 7692 7.2.1 has it compressed. */
export const deflated = (payload: Uint8Array, options?: ZlibOptions): Uint8Array =>
  deflateRawSync(payload, { ...options, finishFlush: constants.Z_SYNC_FLUSH }).subarray(0, -4)

/** A server's, over a scripted stream. Its scope waits for nobody. */
export const scripted = Effect.fnUntraced(function*(
  options?: Websocket.Options,
  duplexOptions?: ConstructorParameters<typeof Scripted>[0]
) {
  const duplex = new Scripted(duplexOptions)
  const stream = yield* make(duplex, { role: "server", rsv1: options?.deflate !== undefined })
  const ws = yield* Websocket.make(stream, { closeDeadline: 0, ...options })
  return { duplex, ws }
})

/** Starts a message whose second piece comes when it is told to. */
export const inPieces = Effect.fnUntraced(function*(ws: Ws) {
  const goOn = yield* Deferred.make<void>()
  const pieces = Stream.concat(Stream.make("1"), Stream.fromEffect(Effect.as(Deferred.await(goOn), "2")))
  const sending = yield* Effect.forkChild(ws.sendStream("text", pieces), { startImmediately: true })
  return { finish: Effect.andThen(Deferred.succeed(goOn, undefined), Fiber.await(sending)) }
})
