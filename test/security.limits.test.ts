/** Limits that fail closed, and lengths that no limit may miss, each requirement by its number. */
import { assert, describe, it } from "@effect/vitest"
import { Limits } from "@websocket-stream/core"
import { WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as http from "../packages/node/test/support/http.ts"
import { assertFrames, closeByPeer, protocolError, run } from "./support/cases.ts"
import { inBothRoles, open } from "./support/opened.ts"
import * as Raw from "./support/rawFrames.ts"

describe("limits", () => {
  const values = [-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, "1000"]
  for (const limit of ["maxMessageSize", "maxFrameSize", "maxInflatedSize", "maxFragments", "maxHeldBytes"] as const) {
    it.live(`R6: ${limit} is validated, and the error names it`, () =>
      Effect.gen(function*() {
        const { port, server } = yield* http.serve
        const url = `ws://127.0.0.1:${port}/`
        const errors = yield* Queue.unbounded<string>()
        let limits: Limits.Options = {}
        yield* WebsocketUpgrade.runUpgrades(server, (upgrade) =>
          Effect.catch(WebsocketUpgrade.accept(upgrade, { limits }), ({ message }) =>
            Queue.offer(errors, message))).pipe(Effect.forkScoped({ startImmediately: true }))
        for (const value of values) {
          const expected = `limits.${limit} is ${value}, it must be a whole number from 0 to 9007199254740991`
          const wrong = Object.assign({}, { [limit]: value })
          limits = wrong
          const refused = yield* Effect.flip(Effect.scoped(WebsocketClient.connect(url)))
          assert.include(refused.message, "status 500")
          assert.strictEqual(yield* Queue.take(errors), expected)
          limits = {}
          const error = yield* Effect.flip(Effect.scoped(WebsocketClient.connect(url, { limits: wrong })))
          assert.strictEqual(error.message, expected)
        }
      }))
  }

  inBothRoles((role) => {
    it.live("R6: a limit that is missing or undefined is the default", () =>
      Effect.gen(function*() {
        const size = role === "server" ? Limits.defaultServerMaxMessageSize : Limits.defaultClientMaxMessageSize
        for (const limits of [undefined, {}, { maxMessageSize: undefined, maxFrameSize: undefined }]) {
          const announced = BigInt(size + 1)
          yield* run(role, {
            name: "",
            options: { limits },
            send: [{ opcode: Raw.binary, announced }],
            fails: { code: 1009, reason: "FrameTooLarge" }
          })
        }
      }))

    it.live("R6: a limit of 2^32 is one, and so is 0", () =>
      Effect.gen(function*() {
        yield* run(role, {
          name: "",
          options: { limits: { maxMessageSize: 2 ** 32 } },
          send: [{ opcode: Raw.binary, announced: 2n ** 32n + 1n }],
          fails: { code: 1009, reason: "FrameTooLarge" }
        })
        yield* run(role, {
          name: "",
          options: { limits: { maxMessageSize: 0 } },
          send: [{ opcode: Raw.binary }, { opcode: Raw.binary, payload: "a" }],
          answers: [{ opcode: Raw.binary }],
          fails: { code: 1009, reason: "FrameTooLarge" }
        })
      }))

    it.live("R4: a message as large as the default limit is taken, whole and in as many fragments as are let in", () =>
      Effect.gen(function*() {
        const size = role === "server" ? Limits.defaultServerMaxMessageSize : Limits.defaultClientMaxMessageSize
        const opened = yield* open(role)
        const { peer } = opened
        const encode = (shape: Raw.Shape) => Raw.encode(shape, peer.role === "client")
        const whole = { opcode: Raw.binary, payload: Buffer.alloc(size, "Fragment") }
        const part = whole.payload.subarray(0, size / Limits.defaultMaxFragments)
        const amid = encode({ opcode: Raw.continuation, payload: part, fin: false })
        yield* peer.write(encode(whole))
        yield* peer.write(encode({ opcode: Raw.binary, payload: part, fin: false }))
        yield* peer.write(Buffer.alloc((Limits.defaultMaxFragments - 2) * amid.length, amid))
        yield* peer.write(encode({ opcode: Raw.continuation, payload: part }))
        assertFrames(yield* peer.frames(2), role, [whole, whole])
        yield* closeByPeer(opened, role)
      }))

    it.live("R6: pings between fragments do not count against the message", () =>
      run(role, {
        name: "",
        options: { limits: { maxMessageSize: 10, maxFragments: 2 } },
        send: [
          { opcode: Raw.binary, payload: "12345", fin: false },
          ...Array.from({ length: 5 }, () => ({ opcode: Raw.ping, payload: "123456" })),
          { opcode: Raw.continuation, payload: "67890" }
        ],
        answers: [
          ...Array.from({ length: 5 }, () => ({ opcode: Raw.pong, payload: "123456" })),
          { opcode: Raw.binary, payload: "1234567890" }
        ]
      }))

    for (const announced of [2n ** 63n, 2n ** 63n + 5n, 2n ** 64n - 1n]) {
      it.live(`R10: a length of ${announced} has its top bit set, and is refused whatever the limit`, () =>
        run(role, {
          name: "",
          options: { limits: { maxMessageSize: Number.MAX_SAFE_INTEGER } },
          send: [{ opcode: Raw.binary, announced, payload: "payload" }],
          fails: protocolError("LengthTopBit")
        }))
    }

    for (const announced of [2n ** 53n, 2n ** 53n + 1n, 2n ** 62n, 2n ** 63n - 1n]) {
      it.live(`R10: a length of ${announced} is more than any limit`, () =>
        run(role, {
          name: "",
          options: { limits: { maxMessageSize: Number.MAX_SAFE_INTEGER } },
          send: [{ opcode: Raw.binary, announced, payload: "payload" }],
          fails: { code: 1009, reason: "FrameTooLarge" }
        }))
    }
  })
})
