import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Examples from "./support/examples.ts"
import * as WsServer from "./support/wsServer.ts"

const subscriptions = ["news", "weather"]

/** A program that subscribes to both, and what it prints. */
const subscribe = (url: string, ...flags: ReadonlyArray<string>) =>
  Examples.run("reconnect", url, ...flags, ...subscriptions)

/** The next connection, once its subscriptions have come. */
const subscribed = Effect.fnUntraced(function*(server: Effect.Success<ReturnType<typeof WsServer.serve>>) {
  const connection = yield* server.accept
  assert.deepStrictEqual(yield* connection.peer.receiveMany(2), subscriptions)
  return connection
})

describe("examples/reconnect", { timeout: Examples.timeout }, () => {
  it.live("comes back whenever it is cut off, subscribes again, and misses nothing of what is sent from then on", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve()
      const { ended, kill, line } = yield* subscribe(server.url)
      const send = Effect.fnUntraced(function*(peer: WsServer.Accepted["peer"], from: number) {
        const numbers = Array.from({ length: 100 }, (_, i) => `${from + i}`)
        yield* peer.send(...numbers)
        return numbers
      })
      const takes = Effect.fnUntraced(function*(expected: ReadonlyArray<string>) {
        assert.deepStrictEqual(yield* Effect.replicateEffect(line, expected.length), expected)
      })
      const first = yield* subscribed(server)
      yield* takes(yield* send(first.peer, 0))
      first.socket.terminate()

      // What comes ahead of a close is still printed.
      const second = yield* subscribed(server)
      const sent = yield* send(second.peer, 100)
      yield* second.peer.close(1012, "restarting")
      yield* takes(sent)

      const third = yield* subscribed(server)
      yield* takes(yield* send(third.peer, 200))
      yield* kill("SIGTERM")
      assert.deepStrictEqual(yield* third.peer.closed, { code: 1001, reason: "" })
      const { signal, status, stderr } = yield* ended
      assert.deepStrictEqual({ signal, status }, { signal: null, status: 0 })
      assert.deepStrictEqual(stderr.split("\n").map((line) => line.replace(/; again in .*/, "")), [
        "connected",
        "the peer ended the connection (1006 AbnormalClosure)",
        "connected",
        "the peer ended the connection (1012 ServiceRestart: restarting)",
        "connected",
        ""
      ])
    }))

  it.live("tries again while the server is too busy, and gives up at once when it is not let in", () =>
    Effect.gen(function*() {
      const statuses = [503, 429, 401]
      const server = yield* WsServer.serve({
        verifyClient: (_, answer) => answer(false, statuses.shift() ?? assert.fail("came back after a 401"))
      })
      const { ended } = yield* subscribe(server.url)
      const { signal, status, stderr } = yield* ended
      assert.deepStrictEqual({ signal, status }, { signal: null, status: 1 })
      const told = stderr.trimEnd().split("\n").map((line) => /status (\d+).*?(; again in .*)?$/.exec(line))
      const again = told.map((match) => [match?.[1], match?.[2] !== undefined])
      assert.deepStrictEqual(again, [["503", true], ["429", true], ["401", false]])
      assert.deepStrictEqual(statuses, [])
    }))

  it.live("waits longer each time for a server that drops it before it has said anything", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve()
      const { ended } = yield* subscribe(server.url)
      for (let i = 0; i < 4; i++) (yield* subscribed(server)).socket.terminate()
      yield* (yield* subscribed(server)).peer.close(1000)
      const { stderr } = yield* ended
      const delays = [...stderr.matchAll(/; again in (\d+)ms$/gm)].map(([, milliseconds]) => Number(milliseconds))
      assert.strictEqual(delays.length, 4)
      // Doubled, and then shaken by a fifth.
      for (const [i, delay] of delays.entries()) assert.isAbove(delay, delays[i - 1] ?? 0)
    }))

  it.live("gives up on what it was told wrong", () =>
    Effect.gen(function*() {
      const { ended } = yield* subscribe("http://127.0.0.1/")
      const stderr = "url is http://127.0.0.1/, it must be an absolute URL of scheme ws: or wss:\n"
      assert.deepStrictEqual(yield* ended, { status: 1, signal: null, stderr })
    }))

  it.live("ends when the server says that all is done", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve()
      const { ended, line } = yield* subscribe(server.url)
      const { peer } = yield* subscribed(server)
      yield* peer.send("last")
      yield* peer.close(1000)
      assert.strictEqual(yield* line, "last")
      assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "connected\n" })
    }))

  it.live("leaves a server that does not answer its pings for the next that does", () =>
    Effect.gen(function*() {
      const server = yield* WsServer.serve({ autoPong: false })
      const { line } = yield* subscribe(server.url, "--heartbeat", "200")
      yield* subscribed(server)
      const { peer, socket } = yield* subscribed(server)
      socket.on("ping", () => socket.pong())
      yield* peer.send("here")
      assert.strictEqual(yield* line, "here")
    }))
})
