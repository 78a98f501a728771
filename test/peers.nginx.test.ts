import { assert, describe, layer } from "@effect/vitest"
import { WebsocketClient, WebsocketRequest, WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { on } from "node:events"
import * as Chromium from "./support/chromium.ts"
import * as Meeting from "./support/meeting.ts"
import { frameMessageConversations, messageConversations } from "./support/messageConversations.ts"
import { isMissing, Nginx } from "./support/nginx.ts"
import { expectEcho } from "./support/peer.ts"
import type { Address, Transport } from "./support/transports.ts"
import * as Web from "./support/webPeer.ts"
import * as Ws from "./support/wsPeer.ts"

const local = { host: "127.0.0.1", port: 0 }

/** A server that echoes. */
const serve = Effect.fnUntraced(function*(options?: WebsocketServer.ServingOptions) {
  const server = yield* WebsocketServer.make({ ...local, ...options })
  const running = yield* Effect.forkScoped(
    server.run((ws) => Stream.runForEach(ws.messages, (message) => ws.send(message))),
    { startImmediately: true }
  )
  return { address: { url: WebsocketServer.url(server.address) }, running }
})

const conversations = [...messageConversations, ...frameMessageConversations]

// apt-get install nginx
describe.skipIf(isMissing)("behind nginx", () => {
  layer(Nginx.layer, { excludeTestServices: true, timeout: "60 seconds" })((it) => {
    describe("ws as the client of a WebsocketServer", () => {
      const connect = (address: Address) => Effect.flatMap(Nginx, ({ proxied }) => Ws.connect(proxied(address)))
      for (const { hold, name } of conversations) {
        it.effect(name, () => hold(Meeting.asMessageServer("TCP", connect, { deflate: true })))
      }
    })

    describe("ws as the server of a Websocket", () => {
      const wait = Effect.fnUntraced(function*(transport: Transport) {
        const { proxied } = yield* Nginx
        const { accepted, address } = yield* Ws.wait(transport)
        return { accepted, address: proxied(address) }
      })
      for (const { hold, name } of conversations) {
        it.effect(name, () => hold(Meeting.asMessageClient("TCP", wait, { deflate: true })))
      }
    })

    it.effect("pages of the proxy's host may connect, others get a 403", () =>
      Effect.gen(function*() {
        const { origin, proxied } = yield* Nginx
        const { url } = proxied((yield* serve()).address)
        const dial = (origin: string) => WebsocketClient.connect(url, { headers: [["Origin", origin]] })
        const ws = yield* dial(origin)
        yield* ws.send("Hello")
        assert.deepInclude(yield* ws.receive, { text: "Hello" })
        for (const other of ["http://evil.example", "http://127.0.0.1", "null"]) {
          const { reason } = yield* Effect.flip(dial(other))
          assert.deepInclude(reason, { _tag: "Refused", status: 403 })
        }
      }))

    it.effect("where the proxy keeps the host to itself, its origin has to be named", () =>
      Effect.gen(function*() {
        const { origin, proxied } = yield* Nginx
        const dial = (address: Address) =>
          WebsocketClient.connect(proxied(address, { keepsHost: false }).url, { headers: [["Origin", origin]] })
        const unnamed = yield* serve()
        assert.deepInclude((yield* Effect.flip(dial(unnamed.address))).reason, { _tag: "Refused", status: 403 })
        const named = yield* serve({ origins: [origin] })
        const ws = yield* dial(named.address)
        assert.deepInclude(yield* ws.close(), { code: 1000 })
      }))

    it.effect("heartbeats keep an idle connection, which the proxy would end after two seconds", () =>
      Effect.gen(function*() {
        const { proxied } = yield* Nginx
        const { address } = yield* serve({ heartbeat: "200 millis" })
        const { peer, socket } = yield* Ws.dial(proxied(address, { isImpatient: true }))
        const pings = on(socket, "ping", { close: ["close"] })
        for (let seconds = 0; seconds < 2.5; seconds += 0.2) {
          assert.isFalse((yield* Effect.promise(() => pings.next())).done, "the connection ended")
        }
        yield* expectEcho(peer, "still there")
      }))

    it.effect("without heartbeats it does", () =>
      Effect.gen(function*() {
        const { proxied } = yield* Nginx
        const { address } = yield* serve({ heartbeat: "1 minute" })
        const peer = yield* Ws.connect(proxied(address, { isImpatient: true }))
        assert.deepInclude(yield* peer.closed, { code: 1006 })
      }))

    it.effect("a server that drains says 1001 to the client", () =>
      Effect.gen(function*() {
        const { proxied } = yield* Nginx
        const { address, running } = yield* serve()
        const peer = yield* Ws.connect(proxied(address))
        yield* expectEcho(peer, "Hello")
        const draining = yield* Effect.forkScoped(Fiber.interrupt(running), { startImmediately: true })
        assert.deepInclude(yield* peer.closed, { code: 1001 })
        yield* Fiber.join(draining)
      }))

    it.effect("a refusal is the client's, with its headers and body", () =>
      Effect.gen(function*() {
        const { proxied } = yield* Nginx
        const server = yield* WebsocketServer.make(local)
        const admit = new WebsocketRequest.Refusal({
          status: 401,
          headers: [["WWW-Authenticate", "Basic"]],
          body: "who are you?"
        })
        yield* Effect.forkScoped(server.run(() => Effect.void, { admit }), { startImmediately: true })
        const { url } = proxied({ url: WebsocketServer.url(server.address) })
        const { reason } = yield* Effect.flip(WebsocketClient.connect(url))
        assert.deepInclude(reason, { _tag: "Refused", status: 401, body: "who are you?" })
        assert.strictEqual(reason._tag === "Refused" && reason.headers["www-authenticate"], "Basic")
      }))
  })

  describe.skipIf(Chromium.isMissing)("and a page in Chromium", () => {
    layer(Layer.merge(Nginx.layer, Chromium.Chromium.layer), { excludeTestServices: true, timeout: "60 seconds" })(
      (it) => {
        it.effect("connects to the host that it came from", () =>
          Effect.gen(function*() {
            const { origin, proxied } = yield* Nginx
            const { address } = yield* serve()
            const page = yield* Chromium.openPage
            yield* Effect.promise(() => page.goto(`${origin}/`))
            const peer = yield* Web.connectPage(page, proxied(address))
            yield* expectEcho(peer, "Hello")
            yield* peer.close(4001, "bye")
            assert.deepStrictEqual(yield* peer.closed, { code: 4001, reason: "bye" })
          }))
      }
    )
  })
})
