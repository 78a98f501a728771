/** Ours by frames: no message is put together, and nothing is answered but by the loop. */
import type * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { bind } from "./bind.ts"
import { toOthers } from "./others.ts"
import { type Listen, maxMessageSize } from "./task.ts"

type FrameStream = WebsocketStream.WebsocketStream["Service"]

export const listen: Listen = Effect.fnUntraced(function*(task) {
  const server = createServer()
  const handler = task === "echo" ? echo : broadcast(new Set())
  yield* Effect.forkScoped(
    WebsocketUpgrade.run(server, ({ stream }) => handler(stream), { limits: { maxMessageSize } })
  )
  return yield* bind(server)
})

const echo = (stream: FrameStream) => stream.runForEachArray(stream.writeAll)

const broadcast = (all: Set<FrameStream>) => (stream: FrameStream) => {
  all.add(stream)
  return stream.runForEachArray((frames) => toOthers(all, stream, (other) => other.writeAll(frames))).pipe(
    Effect.ensuring(Effect.sync(() => all.delete(stream)))
  )
}
