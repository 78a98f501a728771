import { assert, describe, it } from "@effect/vitest"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import type { Duplex } from "node:stream"
import { expectEnds, kinds, quiet, tryAll } from "./support/failing.ts"
import { asText } from "./support/frames.ts"
import { make } from "./support/streams.ts"
import { takeover, type Ws } from "./support/websockets.ts"

const open = (duplex: Duplex, role: "client" | "server") =>
  Effect.flatMap(
    make(duplex, { role, rsv1: true }),
    (stream) =>
      Websocket.make(stream, {
        deflate: takeover,
        compression: { threshold: 40 }
      })
  )

/** Sends messages one after the other, some compressed and some in pieces, and notes each before it is tried. */
const sending = (ws: Ws, name: string, tried: Array<string>) =>
  Effect.forEach(Array.from({ length: 12 }, (_, i) => `${name} ${i} ${"x".repeat(i * 9)}`), (text, i) => {
    tried.push(text)
    if (i % 4 === 3) return ws.sendStream("text", Stream.make(text.slice(0, 5), text.slice(5)))
    return i % 4 === 2 ? ws.sendAll([text]) : ws.send(text)
  })

const receiving = (ws: Ws, received: Array<string>) =>
  ws.runForEach((message) => Effect.sync(() => received.push(asText(message))))

/** What our operations may fail of, besides a close by the scope's end. */
const reasonsOf = {
  "no fault": ["Closed"],
  "reset": ["Closed", "Io ECONNRESET"],
  "half-close": ["Closed"],
  "write fails": ["Closed", "Io EPIPE"],
  "never drains": ["Closed"],
  "destroy fails": ["Closed"]
} as const

describe("a connection over a stream with a fault", () => {
  for (const kind of kinds) {
    it.effect(`${kind}: all operations end, by a typed error or well, and what came is the first of what was sent`, () =>
      Effect.gen(function*() {
        const reasons = new Set<string>()
        yield* tryAll(
          kind,
          Effect.fnUntraced(function*({ far, near, ours, start, theirs, ...trial }) {
            const { received, sent, theirReceived, theirSent } = trial
            const ws = yield* Scope.provide(open(ours, "server"), near)
            const peer = yield* Scope.provide(open(theirs, "client"), far)
            const all = [
              yield* start(receiving(ws, received)),
              yield* start(sending(ws, "ours", sent)),
              yield* start(ws.ping()),
              yield* start(ws.closed),
              yield* start(receiving(peer, theirReceived)),
              yield* start(sending(peer, "theirs", theirSent)),
              yield* start(peer.ping())
            ]
            const progress = () => received.length + theirReceived.length + ours.bytes
            yield* quiet(all, progress)
            const closing = yield* start(Effect.andThen(ws.close(4000), Scope.close(near, Exit.void)))
            yield* quiet([closing], progress)
            // Whoever still waits for the peer has waited long enough.
            yield* TestClock.adjust("1 minute")
            for (const { _tag, ...rest } of yield* expectEnds([closing, ...all.slice(0, 4)])) {
              reasons.add(_tag === "Io" && "code" in rest ? `${_tag} ${rest.code}` : _tag)
            }
            const leaving = yield* start(Scope.close(far, Exit.void))
            yield* quiet([leaving], progress)
            yield* TestClock.adjust("1 minute")
            yield* expectEnds([leaving, ...all])
            return [ws, peer]
          })
        )
        assert.includeMembers<string>([...reasonsOf[kind]], [...reasons])
      }))
  }
})
