import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { expectEnds, kinds, quiet, tryAll } from "./support/failing.ts"
import { asText } from "./support/frames.ts"
import { make, type Stream } from "./support/streams.ts"

/** Writes frames one after the other, and notes each before it is tried. */
const writing = (stream: Stream, name: string, tried: Array<string>) =>
  Effect.forEach(Array.from({ length: 12 }, (_, i) => `${name} ${i} ${"x".repeat(i * 3)}`), (payload) => {
    tried.push(payload)
    return stream.write(Opcode.Text, payload)
  })

const reading = (stream: Stream, received: Array<string>) =>
  Effect.forever(Effect.map(stream.read, (frame) => received.push(asText(frame))))

/** What our operations fail of. Where the stream itself does not fail they wait, until the end of the scope. */
const reasonOf = {
  "no fault": "Closed 1006",
  "reset": "Io ECONNRESET",
  "half-close": "Closed 1006",
  "write fails": "Io EPIPE",
  "never drains": "Closed 1006",
  "destroy fails": "Closed 1006"
} as const

describe("a stream with a fault", () => {
  for (const kind of kinds) {
    it.live(`${kind}: all operations end, by a typed error or well, and what came is the first of what was sent`, () =>
      Effect.gen(function*() {
        const reasons = new Set<string>()
        yield* tryAll(
          kind,
          Effect.fnUntraced(function*({ far, near, ours, start, theirs, ...trial }) {
            const { received, sent, theirReceived, theirSent } = trial
            const stream = yield* Scope.provide(make(ours, { role: "server" }), near)
            const peer = yield* Scope.provide(make(theirs, { role: "client" }), far)
            const all = [
              yield* start(reading(stream, received)),
              yield* start(writing(stream, "ours", sent)),
              yield* start(reading(peer, theirReceived)),
              yield* start(writing(peer, "theirs", theirSent))
            ]
            yield* quiet(all, () => received.length + theirReceived.length + ours.bytes)
            yield* Scope.close(near, Exit.void)
            for (const { _tag, ...rest } of yield* expectEnds(all.slice(0, 2))) {
              reasons.add("code" in rest ? `${_tag} ${rest.code}` : _tag)
            }
            yield* Scope.close(far, Exit.void)
            yield* expectEnds(all)
            return [stream, peer]
          })
        )
        assert.deepStrictEqual([...reasons], [reasonOf[kind]])
      }))
  }
})
