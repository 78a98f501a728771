import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import type { OpenError } from "@websocket-stream/node/WebsocketError"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { proper, serve } from "./support/rawServer.ts"
import { mistyped, reasonOf } from "./support/streams.ts"

const wrong: ReadonlyArray<readonly [option: string, value: unknown, options: object]> = [
  ["subprotocols", ["chat", "chat"], { subprotocols: ["chat", "chat"] }],
  ["headers.Upgrade", "given", { headers: [["Upgrade", "h2c"]] }],
  ["limits.maxFrameSize", -1, { limits: { maxFrameSize: -1 } }],
  ["limits.maxMessageSize", Infinity, { limits: { maxMessageSize: Infinity } }],
  ["limits.maxFragments", 1.5, { limits: { maxFragments: 1.5 } }],
  ["mode", "block", { mode: "block" }],
  ["linger", "soon", { linger: "soon" }],
  ["linger", -1, { linger: -1 }],
  ["openDeadline", "soon", { openDeadline: "soon" }],
  ["openDeadline", "-1 seconds", { openDeadline: "-1 seconds" }],
  ["maxRedirects", -1, { maxRedirects: -1 }],
  ["maxRedirects", Infinity, { maxRedirects: Infinity }],
  ["socketPath", `""`, { socketPath: "" }],
  ["socketPath", `"/tmp/a\\u0000b"`, { socketPath: "/tmp/a\0b" }],
  ["socketPath", `/${"x".repeat(107)}`, { socketPath: `/${"x".repeat(107)}` }]
]

const wrongForMessages: typeof wrong = [
  ["receiveBuffer", 0, { receiveBuffer: 0 }],
  ["compression.threshold", -1, { compression: { threshold: -1 } }],
  ["compression.level", 10, { compression: { level: 10 } }],
  ["compression.memLevel", 0, { compression: { memLevel: 0 } }],
  ["closeDeadline", "soon", { closeDeadline: "soon" }],
  ["closeDeadline", -1, { closeDeadline: -1 }],
  ["deflate.serverMaxWindowBits", 16, { deflate: { serverMaxWindowBits: 16 } }]
]

/** Fails of the option by name and value, and the server has never heard of us. */
const isRefused = <A>(
  connect: (url: string, options: WebsocketClient.Options) => Effect.Effect<A, OpenError, Scope.Scope>
) =>
  Effect.fnUntraced(function*(option: string, value: unknown, options: object) {
    const { sockets, url } = yield* serve((socket, request) => socket.write(proper(request)))
    const reason = yield* reasonOf(Effect.asVoid(connect(url, mistyped<WebsocketClient.Options>({}, options))))
    if (reason._tag !== "InvalidOption") return assert.fail(reason.message)
    assert.deepStrictEqual([reason.error.option, reason.error.value], [option, value])
    // Who comes now is the first.
    yield* WebsocketClient.connectStream(url)
    assert.strictEqual(yield* Queue.size(sockets), 1)
  })

describe("an option that cannot be used is refused by name before anything is dialled", () => {
  for (const [option, value, options] of [...wrong, ...wrongForMessages]) {
    it.live(`by connect: ${option} of ${JSON.stringify(value) ?? String(value)}`, () =>
      isRefused(WebsocketClient.connect)(option, value, options))
  }
  for (const [option, value, options] of wrong) {
    it.live(`by connectStream: ${option} of ${JSON.stringify(value)}`, () =>
      isRefused(WebsocketClient.connectStream)(option, value, options))
  }

  it.live("tls that Node does not take, and no key gets into the error", () =>
    Effect.gen(function*() {
      const { sockets, port, url } = yield* serve((socket, request) => socket.write(proper(request)))
      const options = { tls: { key: "secret", cert: "secret" } }
      const error = yield* Effect.flip(Effect.asVoid(WebsocketClient.connect(`wss://127.0.0.1:${port}/`, options)))
      if (error.reason._tag !== "InvalidOption") return assert.fail(error.message)
      assert.strictEqual(error.reason.error.option, "tls")
      assert.notInclude(error.message + JSON.stringify(error.reason), "secret")
      yield* WebsocketClient.connectStream(url)
      assert.strictEqual(yield* Queue.size(sockets), 1)
    }))
})
