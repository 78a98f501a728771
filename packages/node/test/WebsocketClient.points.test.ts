/** What comes at any suspension point of connecting, and comes but once. */
import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as http from "node:http"
import type { Duplex } from "node:stream"
import { Scripted } from "./support/scripted.ts"
import { Steps } from "./support/stepping.ts"
import { reasonOf } from "./support/streams.ts"
import { manyTurns } from "./support/turns.ts"

/** Dials a stream to which something happens, as soon as it is there. */
class Dialling extends http.Agent {
  private readonly socket = new Scripted()
  private isDialled = false
  private hasHappened = false
  private readonly event: (socket: Scripted) => void

  constructor(event: (socket: Scripted) => void) {
    super()
    this.event = event
  }

  readonly happen = (): void => {
    this.hasHappened = true
    if (this.isDialled) this.event(this.socket)
  }

  override createConnection(): Duplex {
    this.isDialled = true
    if (this.hasHappened) this.event(this.socket)
    return this.socket
  }
}

const events: ReadonlyArray<readonly [name: string, event: (socket: Scripted) => void, expected: object]> = [
  ["a failure", (socket) => socket.destroy(new Error("lost")), { _tag: "Io", message: "the connection failed: lost" }],
  ["a refusal that waits for no request", (socket) => socket.push(tooMany), { _tag: "Refused", status: 503 }]
]

const tooMany = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"

describe("connect", () => {
  for (const [name, event, expected] of events) {
    // The clock stands still: no deadline ends what has missed it.
    it.effect(`is told of ${name}, wherever its fiber has yielded meanwhile`, () =>
      Effect.gen(function*() {
        let points = 0
        for (const operations of [3, 4, 5]) {
          for (let point = 0, isBeforeTheEnd = true; isBeforeTheEnd; point++) {
            const steps = new Steps()
            const agent = new Dialling(event)
            const connecting = Effect.scoped(WebsocketClient.connect("ws://localhost/", { agent }))
            const fiber = yield* steps.fork(operations, reasonOf(connecting))
            for (let i = 0; i < point && isBeforeTheEnd; i++) isBeforeTheEnd = steps.step()
            agent.happen()
            yield* manyTurns
            yield* steps.untilEnded(fiber)
            assert.deepInclude(yield* Fiber.join(fiber), expected)
            points++
          }
        }
        assert.isAbove(points, 40)
      }))
  }
})
