/** Every example once more, with a relay in between that splits and delays: what it says is what it says over a socket. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { randomBytes } from "node:crypto"
import { Chat } from "../examples/chat/chat.ts"
import { serve } from "../examples/start/server.ts"
import { injected } from "../packages/node/test/support/faulty.ts"
import { ChatServer, enter, listen } from "./support/chat.ts"
import * as Examples from "./support/examples.ts"
import { expectEcho, type FramePeer } from "./support/peer.ts"
import * as Relay from "./support/relay.ts"
import * as Ws from "./support/wsPeer.ts"
import * as WsServer from "./support/wsServer.ts"

/** A way to the same place that leads through a faulty relay. */
const through = Effect.fnUntraced(function*(url: string, seed = 1) {
  const detour = new URL(url)
  const relay = yield* Relay.make(Number(detour.port), { seed })
  detour.port = `${relay.port}`
  return { ...relay, url: detour.href }
})

const talk = Effect.fnUntraced(function*(peer: FramePeer) {
  yield* expectEcho(peer, "hello")
  yield* expectEcho(peer, "")
  yield* expectEcho(peer, randomBytes(100_000))
  yield* peer.sendFragments(["one, ", "two"])
  assert.strictEqual(yield* peer.receive, "one, two")
  yield* peer.ping("there?")
  yield* peer.close(4000, "enough")
  assert.deepStrictEqual(yield* peer.closed, { code: 4000, reason: "enough" })
})

describe("over streams that split and delay", { timeout: Examples.timeout }, () => {
  it.live("echo-server, and proxy before it", () =>
    Effect.gen(function*() {
      const before = injected.pieces
      const echo = yield* through((yield* Examples.serve("echo-server")).url)
      yield* talk(yield* Ws.connect(echo))
      const proxy = yield* through((yield* Examples.serve("proxy", echo.url)).url, 2)
      yield* talk(yield* Ws.connect(proxy))
      assert.isAbove(injected.pieces - before, 500)
    }))

  it.live("poll-loop", () =>
    Effect.gen(function*() {
      const { url } = yield* through((yield* Examples.serve("poll-loop")).url)
      yield* talk(yield* Ws.connect({ url }))
    }))

  it.live("echo-client", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve()
      const { ended } = yield* Examples.run("echo-client", (yield* through(server.url)).url)
      const { peer } = yield* server.accept
      yield* talk(peer)
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("reconnect, which comes back when the connection is reset", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve()
      const relay = yield* through(server.url)
      const { line } = yield* Examples.run("reconnect", relay.url, "news")
      for (const message of ["first", "second"]) {
        const { peer } = yield* server.accept
        assert.strictEqual(yield* peer.receive, "news")
        yield* peer.send(message)
        assert.strictEqual(yield* line, message)
        yield* relay.reset
      }
    }))

  it.live("one-port", () =>
    Effect.gen(function*() {
      const server = yield* Examples.serveWith({ TOKEN: "secret" }, "one-port")
      const { url } = yield* through(server.url)
      const headers = { Authorization: "Bearer secret" }
      const response = yield* Effect.promise(() => fetch(new URL("/whoami", url), { headers }))
      assert.strictEqual(response.status, 200)
      const ws = yield* WebsocketClient.connect(new URL("/echo", url.replace("http", "ws")), {
        headers: Object.entries(headers)
      })
      yield* ws.receive
      yield* ws.send("hello")
      assert.strictEqual(Buffer.from((yield* ws.receive).payload).toString(), "hello")
    }))

  it.live("rpc", () =>
    Effect.gen(function*() {
      const { url } = yield* through((yield* Examples.serve("rpc/server")).url)
      const { ended, line } = yield* Examples.run("rpc/client", url, "--below", "20")
      const lines = yield* Effect.replicateEffect(line, 9)
      assert.deepStrictEqual(lines, ["2", "3", "5", "7", "11", "13", "17", "19", "the server has found 8 so far"])
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("chat", () =>
    Effect.gen(function*() {
      const { host } = yield* listen(0)
      const relay = yield* through(`http://${host}/`)
      yield* Effect.gen(function*() {
        const ada = yield* enter("Ada", "lobby")
        const bob = yield* enter("Bob", "lobby")
        yield* ada.say("hello")
        assert.strictEqual((yield* bob.hearNext("Said")).text, "hello")
      }).pipe(Effect.provideService(ChatServer, { host: new URL(relay.url).host }))
    }))

  it.live("start, with the inspector's echo", () =>
    Effect.gen(function*() {
      const context = yield* Layer.build(Layer.merge(Chat.layer, NodeServices.layer))
      const port = yield* Effect.provideContext(serve({ port: 0 }), context)
      yield* talk(yield* Ws.connect(yield* through(`ws://127.0.0.1:${port}/echo`)))
    }))
})
