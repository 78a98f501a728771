import { assert, describe, it, layer } from "@effect/vitest"
import { WebsocketClient } from "@websocket-stream/node"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import { randomBytes } from "node:crypto"
import type { WebSocket } from "ws"
import * as Examples from "./support/examples.ts"
import { digest, expectEcho } from "./support/peer.ts"
import * as Ws from "./support/wsPeer.ts"
import * as WsServer from "./support/wsServer.ts"

/** A proxy before a server that the test holds. */
const start = Effect.gen(function*() {
  const upstream = yield* WsServer.serve({ handleProtocols: (offered) => offered.has("superchat") && "superchat" })
  const proxy = yield* Examples.serve("proxy", upstream.url)
  // One at a time, so that whom the upstream accepts is who has connected: tests that run side by side share the two.
  const turn = yield* Semaphore.make(1)
  const meet = <A, E, R>(connect: (proxy: { readonly url: string }) => Effect.Effect<A, E, R>) =>
    turn.withPermit(Effect.all({ client: connect(proxy), accepted: upstream.accept }))
  return { ...proxy, meet }
})

/** One that the tests leave running. */
class Proxy extends Context.Service<Proxy, Pick<Effect.Success<typeof start>, "meet">>()("test/Proxy") {
  static readonly layer = Layer.effect(Proxy, start)
}

/** A client and the upstream, with the proxy between them. */
const connected = Effect.flatMap(Proxy, ({ meet }) => meet((proxy) => Ws.dial(proxy)))

const ends = ["the client", "the upstream"] as const

/** Who sends and who receives. */
const sides = Effect.fnUntraced(function*(end: typeof ends[number]) {
  const { accepted, client } = yield* connected
  return end === "the client" ? { near: client, far: accepted } : { near: accepted, far: client }
})

/** Sends a message in fragments, each when the one before has left the process: how many have. */
const sendPaced = (socket: WebSocket, fragments: ReadonlyArray<Buffer>) => {
  const progress = { left: 0 }
  const send = () => {
    const { left } = progress
    const fragment = fragments[left]
    if (fragment === undefined) return
    socket.send(fragment, { fin: left === fragments.length - 1 }, () => {
      progress.left++
      send()
    })
  }
  send()
  return progress
}

describe("examples/proxy", { timeout: Examples.timeout }, () => {
  layer(Proxy.layer, { excludeTestServices: true, timeout: Examples.timeout })((it) => {
    for (const end of ends) {
      it.effect(`passes on what ${end} sends: texts, bytes, fragments and large messages`, () =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          const messages = [
            "hello",
            "",
            randomBytes(3),
            "\u20ac\u{1f30d}".repeat(100_000),
            randomBytes(8 * 1024 * 1024)
          ]
          yield* near.peer.send(...messages)
          yield* near.peer.sendFragments(["one, ", "two"])
          const received = yield* far.peer.receiveMany(messages.length + 1)
          assert.deepStrictEqual(received.map(digest), [...messages, "one, two"].map(digest))
          yield* near.peer.ping("there?")
        }))

      it.effect(`passes on what ${end} closes with`, () =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          yield* near.peer.send("last")
          yield* near.peer.close(4000, "enough")
          assert.strictEqual(yield* far.peer.receive, "last")
          assert.deepStrictEqual(yield* far.peer.closed, { code: 4000, reason: "enough" })
          assert.deepStrictEqual(yield* near.peer.closed, { code: 4000, reason: "enough" })
        }))

      it.effect(`passes on that ${end} closes without a code`, () =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          yield* near.peer.close()
          assert.deepStrictEqual(yield* far.peer.closed, { code: 1005, reason: "" })
          assert.deepStrictEqual(yield* near.peer.closed, { code: 1005, reason: "" })
        }))

      it.effect(`says that ${end} broke off, in the middle of a message, too`, () =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          near.socket.send("begun", { fin: false })
          yield* near.peer.ping("there?")
          near.socket.terminate()
          assert.strictEqual((yield* far.peer.closed).code, 1011)
        }))

      it.effect(`has ${end} wait for a peer that does not read, whatever the size of its messages`, () =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          // Goes on meanwhile, through the same proxy.
          const { accepted: { socket }, client: other } = yield* connected
          socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }))
          far.socket.pause()
          yield* near.peer.send("before")
          const fragments = Array.from({ length: 64 }, () => randomBytes(1024 * 1024))
          const progress = sendPaced(near.socket, fragments)
          for (let before = -1; before < progress.left;) {
            before = progress.left
            for (let i = 0; i < 50; i++) yield* expectEcho(other.peer, `${i}`)
          }
          // What the system holds on both ways, and next to nothing of the proxy's.
          assert.isBelow(progress.left, 32)
          far.socket.resume()
          const received = yield* far.peer.receiveMany(2)
          assert.deepStrictEqual(received.map(digest), ["before", Buffer.concat(fragments)].map(digest))
        }))
    }

    it.effect("says that who broke off was the client to the upstream, and the upstream to the client", () =>
      Effect.gen(function*() {
        const lost = yield* Effect.forEach(ends, (end) =>
          Effect.gen(function*() {
            const { far, near } = yield* sides(end)
            near.socket.terminate()
            return (yield* far.peer.closed).code
          }))
        assert.deepStrictEqual(lost, [1011, 1014])
      }))

    it.effect("asks the upstream for what the client asked for, and for no other host", () =>
      Effect.gen(function*() {
        const { meet } = yield* Proxy
        const headers = [["Authorization", "Bearer abc"], ["Cookie", "a=1"], ["X-Other", "x"]] as const
        for (const path of ["/rooms/7?name=%C3%A4&b=1", "//elsewhere.example/?a"]) {
          const { accepted: { request } } = yield* meet(({ url }) =>
            WebsocketClient.connect(`${url.replace(/\/$/, "")}${path}`, { headers })
          )
          assert.strictEqual(request.url, path)
          assert.deepInclude(request.headers, { authorization: "Bearer abc", cookie: "a=1" })
          assert.notProperty(request.headers, "x-other")
        }
      }))

    it.effect("lets the client and the upstream agree on a subprotocol, or on none", () =>
      Effect.gen(function*() {
        const { meet } = yield* Proxy
        for (const [subprotocols, agreed] of [[["x", "superchat", "chat"], "superchat"], [["x"], undefined]] as const) {
          const { accepted, client } = yield* meet(({ url }) => WebsocketClient.connect(url, { subprotocols }))
          assert.strictEqual(client.subprotocol, agreed)
          assert.strictEqual(accepted.socket.protocol, agreed ?? "")
        }
      }))
  })

  it.live("answers with a 502 where there is no upstream, or one that does not take the client", () =>
    Effect.gen(function*() {
      const scope = yield* Scope.fork(yield* Effect.scope)
      const strict = yield* Scope.provide(WsServer.serve({ verifyClient: () => false }), scope)
      const proxy = yield* Examples.serve("proxy", strict.url)
      const refusal = WebsocketClient.connect(proxy.url).pipe(
        Effect.flip,
        Effect.map(({ reason }) => reason._tag === "Refused" ? [reason.status, reason.body] : [reason._tag])
      )
      assert.deepStrictEqual(yield* refusal, [502, "the upstream cannot be reached\n"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* refusal, [502, "the upstream cannot be reached\n"])
    }))

  it.live("sends 1001 both ways at SIGTERM, and ends with status 0", () =>
    Effect.gen(function*() {
      const { ended, kill, meet } = yield* start
      const { accepted, client } = yield* meet((proxy) => Ws.dial(proxy))
      yield* kill("SIGTERM")
      assert.deepStrictEqual(yield* client.peer.closed, { code: 1001, reason: "" })
      assert.deepStrictEqual(yield* accepted.peer.closed, { code: 1001, reason: "" })
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))
})
