import { assert, describe, it } from "@effect/vitest"
import { Opcode } from "@websocket-stream/core"
import { WebsocketUpgrade } from "@websocket-stream/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Examples from "./support/examples.ts"
import { expectEcho } from "./support/peer.ts"
import { listen } from "./support/transports.ts"
import * as Ws from "./support/wsPeer.ts"

/** The program, connected to a server that the test holds. */
const connected = Effect.gen(function*() {
  const { accepted, address } = yield* Ws.wait("TCP")
  const program = yield* Examples.run("echo-client", address.url)
  const peer = yield* accepted
  assert.strictEqual(yield* program.line, `connected to ${address.url}`)
  return { ...program, peer }
})

const failure = Effect.fnUntraced(function*(...args: ReadonlyArray<string>) {
  const { ended } = yield* Examples.run("echo-client", ...args)
  return yield* ended
})

describe("examples/echo-client", { timeout: Examples.timeout }, () => {
  it.live("echoes to ws, answers pings, confirms the close, and ends with status 0", () =>
    Effect.gen(function*() {
      const { ended, peer } = yield* connected
      yield* expectEcho(peer, "hello")
      yield* expectEcho(peer, "")
      yield* expectEcho(peer, randomBytes(1024 * 1024))
      yield* peer.sendFragments(["one, ", "two"])
      assert.strictEqual(yield* peer.receive, "one, two")
      yield* peer.ping("there?")
      yield* peer.close(4000, "enough")
      assert.deepStrictEqual(yield* peer.closed, { code: 4000, reason: "enough" })
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("echoes to a server of ours until it closes", () =>
    Effect.gen(function*() {
      const { address, server } = yield* listen("TCP")
      const answers = yield* Deferred.make<ReadonlyArray<string>, unknown>()
      yield* Effect.forkScoped(WebsocketUpgrade.run(server, ({ stream }) =>
        Effect.gen(function*() {
          yield* stream.write(Opcode.Text, "hello")
          yield* stream.write(Opcode.Ping, "there?")
          yield* stream.write(Opcode.Close, Uint8Array.of(0x03, 0xe8))
          return [yield* stream.read, yield* stream.read, yield* stream.read].map(({ opcode, payload }) =>
            `${Opcode.name(opcode)} ${Buffer.from(payload).toString("latin1")}`
          )
        }).pipe(Deferred.into(answers))))
      const { ended } = yield* Examples.run("echo-client", address.url)
      assert.deepStrictEqual(yield* Deferred.await(answers), ["Pong there?", "Text hello", "Close \x03\xe8"])
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("says 1001 at SIGTERM, and ends with status 0", () =>
    Effect.gen(function*() {
      const { ended, kill, peer } = yield* connected
      yield* kill("SIGTERM")
      assert.deepStrictEqual(yield* peer.closed, { code: 1001, reason: "" })
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
    }))

  it.live("says in one line that the server broke off", () =>
    Effect.gen(function*() {
      const { accepted, address } = yield* Ws.accept("TCP")
      const { ended } = yield* Examples.run("echo-client", address.url)
      const { socket } = yield* accepted
      socket.terminate()
      const stderr = "the peer ended the connection (1006 AbnormalClosure)\n"
      assert.deepStrictEqual(yield* ended, { status: 1, signal: null, stderr })
    }))

  it.live("says in one line what is wrong with the URL", () =>
    Effect.gen(function*() {
      const stderr = "url is http://127.0.0.1/, it must be an absolute URL of scheme ws: or wss:\n"
      assert.deepStrictEqual(yield* failure("http://127.0.0.1/"), { status: 1, signal: null, stderr })
    }))

  it.live("says in one line that nobody listens", () =>
    Effect.gen(function*() {
      const { port } = new URL((yield* Effect.scoped(listen("TCP"))).address.url)
      const stderr = `the connection failed: connect ECONNREFUSED 127.0.0.1:${port}\n`
      assert.deepStrictEqual(yield* failure(`ws://127.0.0.1:${port}/`), { status: 1, signal: null, stderr })
    }))

  it.live("says in one line that the server speaks no WebSocket", () =>
    Effect.gen(function*() {
      const { address } = yield* listen("TCP")
      const stderr = "the server answered with status 200 OK instead of 101 (RFC 6455 4.1)\n"
      assert.deepStrictEqual(yield* failure(address.url), { status: 1, signal: null, stderr })
    }))
})
