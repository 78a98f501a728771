/** Servers: ours beside Effect's own. See docs/comparison.md. */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { assert, describe, it } from "@effect/vitest"
import { WebsocketHttpServer, WebsocketServer } from "@websocket-stream/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Scope from "effect/Scope"
import type { Socket } from "effect/socket/Socket"
import * as TestClock from "effect/testing/TestClock"
import { createServer } from "node:http"
import { type Serve, servers } from "./support/columns.ts"
import * as Raw from "./support/rawFrames.ts"
import * as RawPeer from "./support/rawPeer.ts"
import { settled } from "./support/settled.ts"

// The last of them interrupts itself.
const ends = [Effect.void, Effect.fail("secret"), Effect.die("secret"), Effect.interrupt]

/** What a client is told by the Close frame, for each way in which a handler can end. */
const codesOf = (serve: Serve) =>
  Effect.forEach(ends, (end) =>
    Effect.gen(function*() {
      const { port } = yield* serve((socket) => Effect.scoped(Effect.andThen(socket.reader, end)))
      const peer = yield* RawPeer.dial(port)
      const close = yield* peer.frame
      peer.socket.destroy()
      return Raw.readClose(close).code
    }).pipe(Effect.scoped))

const echo = ({ reader, writer }: Socket) =>
  Effect.scoped(Effect.gen(function*() {
    const { pull } = yield* reader
    const { writeAll } = yield* writer
    return yield* Effect.forever(Effect.flatMap(pull, writeAll))
  }))

/** Talks with a server, and shuts it down. */
const shutDown = (serve: Serve) =>
  Effect.gen(function*() {
    const { port, shutDown } = yield* serve(echo)
    const peer = yield* RawPeer.dial(port)
    yield* peer.send([{ opcode: Raw.text, payload: "Hello" }])
    yield* peer.frame
    return { peer, closing: yield* Effect.forkScoped(shutDown, { startImmediately: true }) }
  })

type ShuttingDown = Effect.Success<ReturnType<typeof shutDown>>

const askedToLeave = ({ peer }: ShuttingDown) => Effect.map(peer.frame, (close) => Raw.readClose(close).code)

/** Leaves when it is asked to, and waits for the end of the server: what the peer was told. */
const leave = Effect.fnUntraced(function*({ closing, peer }: ShuttingDown) {
  const close = yield* peer.frame
  yield* peer.send([{ opcode: Raw.close, payload: close.payload }])
  yield* peer.end
  yield* Fiber.join(closing)
  return Raw.readClose(close).code
})

const http = {
  ours: WebsocketHttpServer.layerServer(createServer, { host: "127.0.0.1", port: 0 }),
  theirs: NodeHttpServer.layerServer(createServer, { host: "127.0.0.1", port: 0 })
}

/** The same for an HTTP server of Effect's, whose one route upgrades. */
const serveHttp = (layer: Layer.Layer<HttpServer.HttpServer, unknown>): Serve => (handler) =>
  Effect.gen(function*() {
    const route = HttpRouter.add(
      "GET",
      "/",
      Effect.gen(function*() {
        const request = yield* HttpServerRequest.HttpServerRequest
        yield* handler(yield* request.upgrade)
        return HttpServerResponse.empty()
      })
    )
    const served = HttpRouter.serve(route, { disableLogger: true, disableListenLog: true })
    const scope = yield* Scope.fork(yield* Effect.scope)
    const context = yield* Layer.buildWithScope(Layer.provideMerge(served, layer), scope)
    const { address } = Context.get(context, HttpServer.HttpServer)
    return { port: "port" in address ? address.port : 0, shutDown: Scope.close(scope, Exit.void) }
  }).pipe(Effect.provide(Logger.layer([])), Effect.orDie)

describe("how a server's handler ended", () => {
  it.live("ours says 1000, 1011, 1011 or 1001, ws nothing", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* codesOf(servers.ours), [1000, 1011, 1011, 1001])
      assert.deepStrictEqual(yield* codesOf(servers.ws), [undefined, undefined, undefined, undefined])
    }))

  it.live("under an HTTP server: ours and Effect's own say 1000, 1011, 1011 or 1001", () =>
    Effect.gen(function*() {
      assert.deepStrictEqual(yield* codesOf(serveHttp(http.ours)), [1000, 1011, 1011, 1001])
      assert.deepStrictEqual(yield* codesOf(serveHttp(http.theirs)), [1000, 1011, 1011, 1001])
    }))
})

describe("a shutdown with a silent peer", () => {
  it.effect("ours ends by the drain deadline, ws does not", () =>
    Effect.gen(function*() {
      const ours = yield* shutDown(servers.ours)
      const theirs = yield* shutDown(servers.ws)
      assert.deepStrictEqual([yield* askedToLeave(ours), yield* askedToLeave(theirs)], [1001, undefined])
      yield* TestClock.adjust(WebsocketServer.defaultDrainDeadline)
      yield* Fiber.join(ours.closing)
      yield* settled(() => theirs.peer.waiting())
      // By 30 seconds of its own, which no clock of Effect's moves.
      assert.isUndefined(theirs.closing.pollUnsafe())
      theirs.peer.socket.destroy()
      yield* Fiber.join(theirs.closing)
    }))
})

describe("a shutdown with a healthy peer", () => {
  it.effect("of an HTTP server: ours asks the peer to leave at once, Effect's own after 20 seconds", () =>
    Effect.gen(function*() {
      const ours = yield* shutDown(serveHttp(http.ours))
      assert.strictEqual(yield* leave(ours), 1001)
      const theirs = yield* shutDown(serveHttp(http.theirs))
      yield* TestClock.adjust("19999 millis")
      yield* settled(() => theirs.peer.waiting())
      assert.strictEqual(theirs.peer.waiting(), 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* leave(theirs), 1001)
    }))
})
