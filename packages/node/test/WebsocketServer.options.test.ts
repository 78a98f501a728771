import { assert, describe, it } from "@effect/vitest"
import type * as WebsocketError from "@websocket-stream/node/WebsocketError"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { createServer } from "node:http"
import { join } from "node:path"
import { inspect } from "node:util"
import * as Certificate from "./support/certificate.ts"
import { serve } from "./support/http.ts"
import { socketPath } from "./support/paths.ts"
import { listening, local } from "./support/server.ts"
import { mistyped } from "./support/streams.ts"

/** The option that is to blame, and the whole message. */
const blamed = <A, R>(listen: Effect.Effect<A, WebsocketError.ListenError, R>) =>
  Effect.map(Effect.flip(listen), ({ message, reason }) => {
    if (reason._tag !== "InvalidOption") return assert.fail(`not an option's fault: ${message}`)
    return { option: reason.error.option, message }
  })

/** Fails by `make` and by `layer` alike, before anything listens. */
const expectBlamed = Effect.fnUntraced(function*(wrong: object, option: string, says: string) {
  const options = mistyped<WebsocketServer.Options>(local, wrong)
  const error = yield* blamed(Effect.scoped(WebsocketServer.make(options)))
  assert.strictEqual(error.option, option)
  assert.include(error.message, says)
  assert.deepStrictEqual(yield* blamed(Effect.scoped(Layer.build(WebsocketServer.layer(options)))), error)
})

const bytes = `it must be a whole number from 0 to ${Number.MAX_SAFE_INTEGER}`
const port = "it must be a whole number from 0 to 65535, or path be given"
const token = "it must be tokens, each of them once"

const wrong: ReadonlyArray<readonly [options: object, option: string, says: string]> = [
  [{ port: -1 }, "port", `port is -1, ${port}`],
  [{ port: 65_536 }, "port", `port is 65536, ${port}`],
  [{ port: 1.5 }, "port", `port is 1.5, ${port}`],
  [{ port: Number.NaN }, "port", `port is NaN, ${port}`],
  [{ port: "8080" }, "port", `port is 8080, ${port}`],
  [{ port: undefined }, "port", `port is undefined, ${port}`],
  [{ host: "" }, "host", `host is "", it must be a name or an address`],
  [{ host: "a\0b" }, "host", `host is "a\\u0000b", it must be a name or an address`],
  [{ host: "a".repeat(300) }, "host", "it must be what one can listen on: getaddrinfo"],
  [{ host: "192.0.2.1" }, "host", "host is 192.0.2.1, it must be what one can listen on: listen EADDRNOTAVAIL"],
  [{ host: "nowhere.invalid" }, "host", "host is nowhere.invalid, it must be what one can listen on"],
  [{ port: 8080, path: "/tmp/socket" }, "port", "port is 8080, it must be absent where a path is given"],
  [{ port: undefined, path: "" }, "path", `path is "", it must be the path of a socket`],
  [{ port: undefined, path: "a\0b" }, "path", `path is "a\\u0000b", it must be the path of a socket`],
  [{ tls: {} }, "tls", "tls is without a certificate, it must be given cert and key, or pfx"],
  [{ tls: { cert: "", key: "" } }, "tls", "tls is without a certificate, it must be given cert and key, or pfx"],
  [{ tls: { cert: "a certificate" } }, "tls", "tls is without a key, it must be given cert and key, or pfx"],
  [{ tls: { cert: "a certificate", key: [] } }, "tls", "tls is without a key, it must be given cert and key, or pfx"],
  [{ tls: { cert: "no certificate", key: "no key" } }, "tls", "tls is not usable, it must be what node:https takes"],
  [{ limits: { maxMessageSize: -1 } }, "limits.maxMessageSize", `limits.maxMessageSize is -1, ${bytes}`],
  [{ limits: { maxFrameSize: 1.5 } }, "limits.maxFrameSize", `limits.maxFrameSize is 1.5, ${bytes}`],
  [{ limits: { maxInflatedSize: Infinity } }, "limits.maxInflatedSize", `limits.maxInflatedSize is Infinity, ${bytes}`],
  [{ limits: { maxFragments: Number.NaN } }, "limits.maxFragments", `limits.maxFragments is NaN, ${bytes}`],
  [{ limits: { maxHeldBytes: "1" } }, "limits.maxHeldBytes", `limits.maxHeldBytes is 1, ${bytes}`],
  [
    { origins: ["https://example.com", "example.com"] },
    "origins[1]",
    "origins[1] is example.com, it must be an origin"
  ],
  [{ origins: ["https://example.com/"] }, "origins[0]", "origins[0] is https://example.com/, it must be an origin"],
  [{ subprotocols: ["chat", "super chat"] }, "subprotocols", `subprotocols is chat,super chat, ${token}`],
  [{ subprotocols: ["chat", "chat"] }, "subprotocols", `subprotocols is chat,chat, ${token}`],
  [{ subprotocols: [""] }, "subprotocols", token],
  [{ headers: [["X-A", "b\r\nX-C: d"]] }, "headers.X-A", "headers.X-A is not, it must be free of control"],
  [{ headers: [["X-A\r\nX-B", "c"]] }, "headers.X-A\r\nX-B", "it must be named by a token"],
  [{ headers: [["Upgrade", "h2c"]] }, "headers.Upgrade", "it must be absent: the handshake sets it"],
  [{ headers: [["sec-websocket-accept", "x"]] }, "headers.sec-websocket-accept", "it must be absent"],
  [{ headers: [["Content-Length", "0"]] }, "headers.Content-Length", "it must be absent"],
  [{ deflate: { serverMaxWindowBits: 16 } }, "deflate.serverMaxWindowBits", "it must be a whole number from 8 to 15"],
  [{ compression: { level: 10 } }, "compression.level", "compression.level is 10, it must be"],
  [{ compression: { memLevel: 0 } }, "compression.memLevel", "compression.memLevel is 0, it must be"],
  [{ compression: { threshold: -1 } }, "compression.threshold", "compression.threshold is -1, it must be"],
  [{ receiveBuffer: 0 }, "receiveBuffer", "receiveBuffer is 0, it must be a whole number from 1"],
  [{ maxConnections: 0 }, "maxConnections", "maxConnections is 0, it must be a whole number from 1"],
  [{ maxConnections: 1.5 }, "maxConnections", "maxConnections is 1.5, it must be a whole number from 1"],
  [{ maxConnections: Infinity }, "maxConnections", "maxConnections is Infinity, it must be a whole number from 1"],
  [{ drainCode: 1006 }, "drainCode", "drainCode is 1006, it must be a close code that may be sent"],
  [{ drainCode: 999 }, "drainCode", "drainCode is 999, it must be a close code that may be sent"],
  [{ linger: -1 }, "linger", "linger is -1, it must be a duration"]
]

const deadlines: ReadonlyArray<readonly [option: string, expected: string]> = [
  ["handshakeDeadline", "a finite duration above zero"],
  ["drainDeadline", "a finite duration above zero"],
  ["closeDeadline", "a finite duration above zero"],
  ["heartbeat", "a duration above zero"],
  ["idleDeadline", "a duration above zero"],
  ["maxLife", "a duration above zero"],
  ["handlerDeadline", "a duration above zero"]
]

describe("What bad options get: a ListenError that names the option and its value", () => {
  for (const [options, option, says] of wrong) {
    it.live(`${JSON.stringify(options)}: ${says}`, () => expectBlamed(options, option, says))
  }

  for (const [option, expected] of deadlines) {
    for (const value of [0, -1, Number.NaN, "soon"]) {
      it.live(`${option} of ${value}`, () =>
        expectBlamed({ [option]: value }, option, `${option} is ${value}, it must be ${expected}`))
    }

    const mayBeEndless = !expected.includes("finite")
    it.live(`${option} that is endless, which it ${mayBeEndless ? "may" : "may not"} be`, () =>
      Effect.gen(function*() {
        const listen = Effect.asVoid(listening({ [option]: Duration.infinity }))
        if (mayBeEndless) return yield* listen
        const error = yield* blamed(listen)
        assert.strictEqual(error.option, option)
        assert.include(error.message, `it must be ${expected}`)
      }))
  }

  it.live("a port in use", () =>
    Effect.gen(function*() {
      const { port } = yield* serve
      const error = yield* blamed(listening({ port }))
      assert.strictEqual(error.option, "port")
      assert.include(
        error.message,
        `port is ${port}, it must be free: stop what listens there, or choose another (listen EADDRINUSE`
      )
    }))

  it.live("a path in use, which goes on to be served", () =>
    Effect.gen(function*() {
      const path = yield* socketPath
      const { address } = yield* WebsocketServer.make({ path })
      assert.deepStrictEqual(address, { _tag: "Unix", path })
      const error = yield* blamed(WebsocketServer.make({ path }))
      assert.strictEqual(error.option, "path")
      assert.include(
        error.message,
        `path is ${path}, it must be free: remove what somebody left there, or choose another (listen EADDRINUSE`
      )
    }))

  it.live("a path in a directory that is not there", () =>
    Effect.gen(function*() {
      const path = join(yield* socketPath, "socket")
      const error = yield* blamed(WebsocketServer.make({ path }))
      assert.strictEqual(error.option, "path")
      assert.include(error.message, `path is ${path}, it must be what one can listen on`)
    }))

  it.live("a path below a file", () =>
    Effect.gen(function*() {
      const path = yield* socketPath
      yield* WebsocketServer.make({ path })
      const error = yield* blamed(WebsocketServer.make({ path: join(path, "socket") }))
      assert.strictEqual(error.option, "path")
    }))

  it.live("a path that is longer than a socket's may be", () =>
    Effect.gen(function*() {
      const path = (yield* socketPath).padEnd(process.platform === "linux" ? 107 : 103, "x")
      for (const longer of [`${path}x`, `${path.slice(0, -1)}é`]) {
        const { message, option } = yield* blamed(WebsocketServer.make({ path: longer }))
        assert.strictEqual(option, "path")
        assert.include(message, longer)
      }
      yield* Effect.scoped(WebsocketServer.make({ path }))
    }))

  it.live("a key that is not that of the certificate, and is not shown", () =>
    Effect.gen(function*() {
      const [{ cert }, { key }] = [Certificate.make(), Certificate.make()]
      const error = yield* Effect.flip(listening({ tls: { cert, key } }))
      assert.include(error.message, "tls is not usable")
      const shown = inspect(error, { depth: Infinity }) + error.message
      for (const line of key.split("\n").filter((line) => line.length > 20)) assert.notInclude(shown, line)
    }))

  it.live("a server that does not listen, to attach to", () =>
    Effect.gen(function*() {
      const error = yield* blamed(WebsocketServer.attach(createServer()))
      assert.strictEqual(error.option, "server")
      const expected =
        "server is not listening, it must be one that listens: wait for its event listening before you attach"
      assert.strictEqual(error.message, expected)
    }))

  it.live("an option of one to attach to", () =>
    Effect.gen(function*() {
      const { server } = yield* serve
      const error = yield* blamed(WebsocketServer.attach(server, { maxConnections: 0 }))
      assert.strictEqual(error.option, "maxConnections")
      assert.strictEqual(server.listenerCount("upgrade"), 0)
    }))

  it.live("takes deadlines that are no whole number of milliseconds, or of its quarters, and one of months", () =>
    Effect.gen(function*() {
      yield* listening({ handshakeDeadline: "1500 micros" })
      yield* listening({ handshakeDeadline: "10 millis" })
      yield* listening({ handshakeDeadline: "60 days" })
    }))
})

describe("WebsocketServer.layerConfig", () => {
  const from = (values: unknown) =>
    WebsocketServer.layerConfig({
      host: Config.String("HOST"),
      port: Config.Int("PORT"),
      maxConnections: Config.Int("MAX_CONNECTIONS"),
      drainDeadline: Config.Duration("DRAIN_DEADLINE")
    }).pipe(
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(values))),
      Layer.build
    )
  const values = { HOST: "127.0.0.1", PORT: "0", MAX_CONNECTIONS: "7", DRAIN_DEADLINE: "3 seconds" }

  it.live("reads its options from the configuration", () =>
    Effect.gen(function*() {
      const { address } = Context.get(yield* from(values), WebsocketServer.WebsocketServer)
      assert.strictEqual(address._tag === "Tcp" && address.host, "127.0.0.1")
    }))

  it.live("fails with a ConfigError for what is missing there, and a ListenError for what is out of range", () =>
    Effect.gen(function*() {
      const missing = yield* Effect.flip(from({ ...values, PORT: undefined }))
      assert.strictEqual(missing._tag, "ConfigError")
      const wrong = yield* Effect.flip(from({ ...values, MAX_CONNECTIONS: "0" }))
      assert.strictEqual(wrong._tag, "ListenError")
      assert.include(wrong.message, "maxConnections is 0")
    }))
})
