import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
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
  return { upstream, proxy }
})

/** A client and the upstream, with a proxy between them. */
const connected = Effect.gen(function*() {
  const { proxy, upstream } = yield* start
  const client = yield* Ws.dial(proxy)
  return { proxy, upstream, client, accepted: yield* upstream.accept }
})

const ends = ["the client", "the upstream"] as const

/** Who sends and who receives. */
const sides = Effect.fnUntraced(function*(end: typeof ends[number]) {
  const { accepted, client, ...rest } = yield* connected
  return end === "the client" ? { ...rest, near: client, far: accepted } : { ...rest, near: accepted, far: client }
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
  for (const end of ends) {
    it.live(`passes on what ${end} sends: texts, bytes, fragments and large messages`, () =>
      Effect.gen(function*() {
        const { far, near } = yield* sides(end)
        const messages = ["hello", "", randomBytes(3), "\u20ac\u{1f30d}".repeat(100_000), randomBytes(8 * 1024 * 1024)]
        yield* near.peer.send(...messages)
        yield* near.peer.sendFragments(["one, ", "two"])
        const received = yield* far.peer.receiveMany(messages.length + 1)
        assert.deepStrictEqual(received.map(digest), [...messages, "one, two"].map(digest))
        yield* near.peer.ping("there?")
      }))

    it.live(`passes on what ${end} closes with`, () =>
      Effect.gen(function*() {
        const { far, near } = yield* sides(end)
        yield* near.peer.send("last")
        yield* near.peer.close(4000, "enough")
        assert.strictEqual(yield* far.peer.receive, "last")
        assert.deepStrictEqual(yield* far.peer.closed, { code: 4000, reason: "enough" })
        assert.deepStrictEqual(yield* near.peer.closed, { code: 4000, reason: "enough" })
      }))

    it.live(`passes on that ${end} closes without a code`, () =>
      Effect.gen(function*() {
        const { far, near } = yield* sides(end)
        yield* near.peer.close()
        assert.deepStrictEqual(yield* far.peer.closed, { code: 1005, reason: "" })
        assert.deepStrictEqual(yield* near.peer.closed, { code: 1005, reason: "" })
      }))

    it.live(`says that ${end} broke off, in the middle of a message, too`, () =>
      Effect.gen(function*() {
        const { far, near } = yield* sides(end)
        near.socket.send("begun", { fin: false })
        yield* near.peer.ping("there?")
        near.socket.terminate()
        assert.strictEqual((yield* far.peer.closed).code, 1011)
      }))

    it.live(`has ${end} wait for a peer that does not read, whatever the size of its messages`, () =>
      Effect.gen(function*() {
        const { far, near, proxy, upstream } = yield* sides(end)
        // Goes on meanwhile, through the same proxy.
        const other = yield* Ws.dial(proxy)
        const { socket } = yield* upstream.accept
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

  it.live("says that who broke off was the client to the upstream, and the upstream to the client", () =>
    Effect.gen(function*() {
      const lost = yield* Effect.forEach(ends, (end) =>
        Effect.gen(function*() {
          const { far, near } = yield* sides(end)
          near.socket.terminate()
          return (yield* far.peer.closed).code
        }))
      assert.deepStrictEqual(lost, [1011, 1014])
    }))

  it.live("asks the upstream for what the client asked for, and for no other host", () =>
    Effect.gen(function*() {
      const { proxy, upstream } = yield* start
      const headers = [["Authorization", "Bearer abc"], ["Cookie", "a=1"], ["X-Other", "x"]] as const
      const url = (path: string) => `${proxy.url.replace(/\/$/, "")}${path}`
      for (const path of ["/rooms/7?name=%C3%A4&b=1", "//elsewhere.example/?a"]) {
        yield* WebsocketClient.connect(url(path), { headers })
        const { request } = yield* upstream.accept
        assert.strictEqual(request.url, path)
        assert.deepInclude(request.headers, { authorization: "Bearer abc", cookie: "a=1" })
        assert.notProperty(request.headers, "x-other")
      }
    }))

  it.live("lets the client and the upstream agree on a subprotocol, or on none", () =>
    Effect.gen(function*() {
      const { proxy, upstream } = yield* start
      for (const [subprotocols, agreed] of [[["x", "superchat", "chat"], "superchat"], [["x"], undefined]] as const) {
        const client = yield* WebsocketClient.connect(proxy.url, { subprotocols })
        assert.strictEqual(client.subprotocol, agreed)
        assert.strictEqual((yield* upstream.accept).socket.protocol, agreed ?? "")
      }
    }))

  it.live("answers with a 502 where there is no upstream, or one that does not take the client", () =>
    Effect.gen(function*() {
      const refusal = (url: string) =>
        Effect.scoped(WebsocketClient.connect(url)).pipe(
          Effect.flip,
          Effect.map(({ reason }) => reason._tag === "Refused" ? [reason.status, reason.body] : [reason._tag])
        )
      const gone = yield* Effect.scoped(Effect.map(WsServer.serve(), ({ url }) => url))
      assert.deepStrictEqual(
        yield* refusal((yield* Examples.serve("proxy", gone)).url),
        [502, "the upstream cannot be reached\n"]
      )
      const strict = yield* WsServer.serve({ verifyClient: () => false })
      assert.deepStrictEqual(
        yield* refusal((yield* Examples.serve("proxy", strict.url)).url),
        [502, "the upstream cannot be reached\n"]
      )
    }))

  it.live("sends 1001 both ways at SIGTERM, and ends with status 0", () =>
    Effect.gen(function*() {
      const { accepted, client, proxy } = yield* connected
      yield* proxy.kill("SIGTERM")
      assert.deepStrictEqual(yield* client.peer.closed, { code: 1001, reason: "" })
      assert.deepStrictEqual(yield* accepted.peer.closed, { code: 1001, reason: "" })
      assert.deepStrictEqual(yield* proxy.ended, { status: 0, signal: null, stderr: "" })
    }))
})
