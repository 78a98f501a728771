/** What is said of a connection to those who only look at it: logs, spans, errors and metrics say nothing of its contents. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient, WebsocketRequest, type WebsocketServer, WebsocketStream } from "@websocket-stream/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Tracer from "effect/Tracer"
import { readdirSync, readFileSync } from "node:fs"
import { duplexPair } from "node:stream"
import { inspect } from "node:util"
import * as rawServer from "../packages/node/test/support/rawServer.ts"
import { admitting, until } from "../packages/node/test/support/server.ts"
import { inBothRoles, open, type Options, type Ws } from "./support/opened.ts"
import * as Raw from "./support/rawFrames.ts"
import type { RawPeer } from "./support/rawPeer.ts"

const secret = "7dfa21b4cc90e1f7"

/** All text that can be reached from a value, in whatever properties, and all bytes as if they were text. */
const everything = (value: unknown): string => {
  const said: Array<string> = []
  const seen = new Set<unknown>()
  const visit = (value: unknown): void => {
    if (typeof value === "string") said.push(value)
    if (typeof value !== "object" || value === null || seen.has(value)) return
    seen.add(value)
    if (ArrayBuffer.isView(value)) {
      said.push(Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("latin1"))
      return
    }
    if (value instanceof Map || value instanceof Set) visit([...value])
    for (const property of Object.values(Object.getOwnPropertyDescriptors(value))) visit(property.value)
  }
  visit(value)
  return said.join("\n")
}

/** What can be seen of an effect and its fibers from outside: all that is logged, at any level, and all spans. */
const observing = Effect.fnUntraced(function*<A, E, R>(use: (logs: ReadonlyArray<unknown>) => Effect.Effect<A, E, R>) {
  const logs: Array<unknown> = []
  const spans: Array<Tracer.NativeSpan> = []
  // As it is written to a console, and what a logger gets to see.
  const logger = Logger.map(
    Logger.make((options) => [Logger.formatStructured.log(options), options.message, options.cause.reasons]),
    (log) => void logs.push(log)
  )
  const tracer = Tracer.make({
    span: (options) => {
      const span = new Tracer.NativeSpan(options)
      spans.push(span)
      return span
    }
  })
  const context = yield* Layer.build(Logger.layer([logger]))
  const exit = yield* use(logs).pipe(
    Effect.exit,
    Effect.withTracer(tracer),
    Effect.provideService(References.MinimumLogLevel, "All"),
    Effect.provideContext(context)
  )
  const metrics = yield* Metric.dump
  return { exit, logs, spans: spans.map(exported), metrics }
  // What other tests of this process count is theirs.
}, (effect) => Effect.suspend(() => Effect.provideService(effect, Metric.MetricRegistry, new Map())))

/** What an exporter tells of a span. A span of success has its value, too, which is the connection itself. */
const exported = ({ attributes, events, kind, links, name, status }: Tracer.NativeSpan) => ({
  name,
  kind,
  attributes,
  events,
  links,
  failure: status._tag === "Ended" && Exit.isFailure(status.exit) ? status.exit.cause : undefined
})

/** Receives until the connection ends, and fails with all that can be known of it then. */
const receiving = (ws: Ws) =>
  Effect.gen(function*() {
    const failure = yield* Effect.flip(Effect.forever(ws.receive))
    const text = `${secret}\u{1f600}`.repeat(20)
    const refused = yield* Effect.forEach(
      [ws.send(secret), ws.ping(Buffer.from(text)), ws.close(1005, secret), ws.close(1000, text)],
      (attempt) => Effect.exit<unknown, unknown, never>(attempt)
    )
    return yield* Effect.fail([failure, failure.message, refused, ...refused.map(String)])
  })

const text = (payload: string | Uint8Array, fin = true): Raw.Shape => ({ opcode: Raw.text, payload, fin })
const cut = Buffer.concat([Buffer.from(secret), Uint8Array.of(0xff)])

type Use = (peer: RawPeer) => Effect.Effect<unknown>

const sending = (...frames: ReadonlyArray<Raw.Shape>): Use => (peer) =>
  Effect.andThen(peer.send([text(secret), { opcode: Raw.ping, payload: secret }, ...frames]), peer.end)

const ends: ReadonlyArray<readonly [how: string, use: Use, options?: Options]> = [
  ["closes", sending({ opcode: Raw.close, payload: Raw.closeBody(4000) })],
  ["ends TCP", sending()],
  ["ends TCP in the middle of a message", sending(text(secret, false))],
  ["resets it", (peer) => Effect.andThen(peer.send([text(secret)]), Effect.sync(() => peer.socket.resetAndDestroy()))],
  ["sends a text that is none", sending(text(cut))],
  [
    "closes with a reason that is no text",
    sending({ opcode: Raw.close, payload: Buffer.concat([Uint8Array.of(3, 232), cut]) })
  ],
  ["sends an opcode that is none", sending({ opcode: 3, payload: secret })],
  ["continues nothing", sending({ opcode: Raw.continuation, payload: secret })],
  ["sends too much", sending(text(secret.repeat(2))), { limits: { maxMessageSize: secret.length } }],
  ["masks as it may not", (peer) => sending({ ...text(secret), masked: peer.role !== "client" })(peer)],
  [
    "compresses what does not inflate",
    sending({ ...text(secret), rsv: Raw.rsv1 }),
    { extensions: "permessage-deflate; server_no_context_takeover; client_no_context_takeover", deflate: true }
  ]
]

describe("nothing of a message is in logs, spans, errors or metrics", () => {
  inBothRoles((role) => {
    for (const [how, use, options] of ends) {
      it.live(`of a connection whose peer ${how}`, () =>
        Effect.gen(function*() {
          const { exit, ...seen } = yield* observing((logs) =>
            Effect.gen(function*() {
              const { closed, outcome, peer } = yield* open(role, {
                ...options,
                use: receiving,
                metrics: true,
                closeDeadline: 0
              })
              yield* use(peer)
              const ended = yield* outcome
              yield* closed
              // A client has nobody who would log for it.
              if (role === "server") yield* until(() => logs.length > 0)
              return ended
            })
          )
          const ended = yield* exit
          assert.isTrue(Exit.isFailure(ended))
          assert.notInclude(everything(ended), secret)
          assert.isAbove(seen.spans.length, 0)
          assert.notInclude(everything(seen), secret)
        }))
    }
  })
})

describe("no credential and no query is in logs, spans, errors or metrics", () => {
  const headers: WebsocketClient.Options["headers"] = [
    ["Authorization", `Bearer ${secret}`],
    ["Cookie", `id=${secret}`]
  ]
  const handlers: ReadonlyArray<readonly [what: string, handler: WebsocketServer.Handler<void, unknown, never>]> = [
    ["a handler that fails", () => Effect.fail("boom")],
    ["a handler that dies", () => Effect.die(new Error("boom"))],
    ["a connection that ends", (ws) => Effect.forever(ws.receive)]
  ]
  for (const [what, handler] of handlers) {
    it.live(`of ${what}`, () =>
      Effect.gen(function*() {
        const { exit, ...seen } = yield* observing(() =>
          Effect.scoped(Effect.gen(function*() {
            const { port } = yield* admitting({ handler, admit: Effect.void }, { metrics: true })
            const url = `ws://user:${secret}@127.0.0.1:${port}/room?token=${secret}`
            const ws = yield* WebsocketClient.connect(url, { headers, metrics: true })
            yield* Effect.forkScoped(ws.close(4000))
            return yield* Effect.flip(ws.receive)
          }))
        )
        assert.isTrue(Exit.isSuccess(exit))
        assert.isAbove(seen.logs.length, 0)
        assert.isAbove(seen.spans.length, 1)
        assert.notInclude(everything([exit, seen]), secret)
      }))
  }

  it.live("of a client that is refused, and of one that is not answered", () =>
    Effect.gen(function*() {
      const { exit, ...seen } = yield* observing(() =>
        Effect.scoped(Effect.gen(function*() {
          const admit = new WebsocketRequest.Refusal({ status: 401 })
          const { port } = yield* admitting({ handler: () => Effect.void, admit }, { metrics: true })
          const silent = yield* rawServer.serve((socket) => socket.destroy())
          return yield* Effect.forEach([port, silent.port], (port) =>
            WebsocketClient.connect(`ws://user:${secret}@127.0.0.1:${port}/room?token=${secret}`, { headers }).pipe(
              Effect.scoped,
              Effect.flip,
              Effect.map((error) => [error, error.message])
            ))
        }))
      )
      assert.lengthOf(yield* exit, 2)
      assert.isAbove(seen.spans.length, 1)
      assert.notInclude(everything([exit, seen]), secret)
    }))
})

describe("what is printed of a connection or a request is what it is, and nothing that it holds", () => {
  // One memory is read into for all of them.
  const printed = (value: unknown) => inspect(value, { depth: Infinity, maxArrayLength: Infinity })

  it.live("of a Websocket of either side", () =>
    Effect.gen(function*() {
      const served = yield* Deferred.make<Ws>()
      const handler = (ws: Ws) => Effect.andThen(Deferred.succeed(served, ws), ws.closed)
      const { port } = yield* admitting({ handler, admit: Effect.void }, { subprotocols: ["chat"] })
      const client = yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/?token=${secret}`, {
        subprotocols: ["chat"]
      })
      const server = yield* Deferred.await(served)
      const what = { _id: "@websocket-stream/node/Websocket", subprotocol: "chat" }
      for (const ws of [client, server]) {
        assert.deepStrictEqual(JSON.parse(JSON.stringify(ws)), { ...what, closing: {} })
        assert.strictEqual(
          printed(ws),
          printed({ ...what, closing: { by: undefined, sent: undefined, received: undefined } })
        )
      }
      yield* client.close(4000, "enough")
      const close = { code: 4000, reason: "enough" }
      const ended = { by: "Us", sent: close, received: close }
      assert.deepStrictEqual(JSON.parse(JSON.stringify(client)), { ...what, closing: ended })
    }))

  it.live("of a WebsocketRequest, which may hold credentials anywhere but in its path", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<WebsocketRequest.WebsocketRequest["Service"]>()
      const admit = WebsocketRequest.WebsocketRequest.use((request) => Deferred.succeed(asked, request))
      const { port } = yield* admitting({ handler: () => Effect.void, admit })
      yield* WebsocketClient.connect(`ws://127.0.0.1:${port}/room?token=${secret}`, {
        headers: [["Authorization", `Bearer ${secret}`]],
        subprotocols: ["chat", secret]
      })
      const request = yield* Deferred.await(asked)
      const what = { _id: "@websocket-stream/node/WebsocketRequest", path: "/room", remoteAddress: "127.0.0.1" }
      assert.deepStrictEqual(JSON.parse(JSON.stringify(request)), what)
      assert.strictEqual(printed(request), printed(what))
    }))

  it.effect("of a WebsocketStream", () =>
    Effect.gen(function*() {
      const stream = yield* WebsocketStream.make(duplexPair()[0], { role: "server", head: Buffer.from(secret) })
      const what = { _id: "@websocket-stream/node/WebsocketStream", role: "server", mode: "Block" }
      assert.deepStrictEqual(JSON.parse(JSON.stringify(stream)), what)
      assert.strictEqual(printed(stream), printed(what))
    }))
})

const source = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

const sources = (directory: string): ReadonlyArray<string> =>
  readdirSync(new URL(`../${directory}`, import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${directory}/${name}`)

// A client sends credentials, and takes them off before a redirect; it compares none with what a peer sent.
const clients = ["basicAuth.ts", "redirect.ts", "target.ts", "open.ts", "WebsocketClient.ts"]

it("R16: the servers look at no secret, so that they compare none; who admits does, in constant time where we show how", () => {
  const servers = [...sources("packages/core/src"), ...sources("packages/node/src")].filter((path) =>
    !clients.some((name) => path.endsWith(`/${name}`))
  )
  assert.isAbove(servers.length, 40)
  for (const path of servers) {
    const code = source(path).replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")
    assert.notMatch(code, /authorization|cookie|password/i, path)
  }
  const example = source("examples/one-port.ts")
  assert.include(example, "timingSafeEqual(digest(a), digest(b))")
  assert.notMatch(example, /authorization.*===/)
})
