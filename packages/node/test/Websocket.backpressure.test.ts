import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { asText, encode, text } from "./support/frames.ts"
import { turns } from "./support/streams.ts"
import { scripted } from "./support/websockets.ts"

describe("a Websocket", () => {
  it.effect("reads no more of its stream while what was read fills its receiveBuffer, however much of that is taken", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ receiveBuffer: 1024 })
      // A chunk of many small messages fills it several times.
      const names = Array.from({ length: 300 }, (_, i) => `${i}`)
      const chunks = [0, 100, 200].map((from) => encode("server", ...names.slice(from, from + 100).map(text)))
      for (const chunk of chunks) duplex.push(chunk)
      yield* turns
      const unread = duplex.readableLength
      assert.isAbove(unread, 0)
      const received: Array<string> = []
      const receive = (count: number) =>
        Effect.repeat(Effect.map(ws.receive, (message) => received.push(asText(message))), { times: count - 1 })
      yield* receive(50)
      assert.strictEqual(duplex.readableLength, unread)
      yield* receive(250)
      assert.deepStrictEqual(received, names)
      assert.strictEqual(duplex.readableLength, 0)
    }))
})
