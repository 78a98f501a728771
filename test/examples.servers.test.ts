import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { randomBytes } from "node:crypto"
import * as Examples from "./support/examples.ts"
import { digest, expectEcho, type Peer } from "./support/peer.ts"
import * as Ws from "./support/wsPeer.ts"

// A hundred at a time, because a listening socket has a queue of 511.
const connectMany = (url: string, count: number) =>
  Effect.all(Array.from({ length: count }, () => Ws.connect({ url })), { concurrency: 100 })

for (const name of ["echo-server", "poll-loop"]) {
  describe(`examples/${name}`, { timeout: Examples.timeout }, () => {
    layer(Examples.Server.layer(name), { excludeTestServices: true, timeout: Examples.timeout })((it) => {
      it.effect("says where it listens, and echoes texts, bytes and fragments", () =>
        Effect.gen(function*() {
          const { url } = yield* Examples.Server
          assert.match(url, /^ws:\/\/127\.0\.0\.1:\d+\/?$/)
          const peer = yield* Ws.connect({ url })
          yield* expectEcho(peer, "hello")
          yield* expectEcho(peer, "")
          yield* expectEcho(peer, randomBytes(1024 * 1024))
          yield* peer.sendFragments(["one, ", "two"])
          assert.strictEqual(yield* peer.receive, "one, two")
        }))

      it.effect("answers pings and confirms a close", () =>
        Effect.gen(function*() {
          const peer = yield* Ws.connect(yield* Examples.Server)
          yield* peer.ping("there?")
          yield* peer.close(4000, "enough")
          assert.deepStrictEqual(yield* peer.closed, { code: 4000, reason: "enough" })
        }))

      it.effect("goes on when a client breaks off or breaks the protocol", () =>
        Effect.gen(function*() {
          const address = yield* Examples.Server
          const other = yield* Ws.connect(address)
          const vanishing = yield* Ws.dial(address)
          vanishing.socket.terminate()
          const wrong = yield* Ws.dial(address)
          // A frame of a reserved opcode, around ws's own sender.
          Reflect.get(wrong.socket, "_socket").write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))
          assert.strictEqual((yield* wrong.peer.closed).code, 1002)
          yield* expectEcho(other, "still here")
        }))

      it.effect("stops reading from a client that does not read, serves the others, and loses nothing", () =>
        Effect.gen(function*() {
          const address = yield* Examples.Server
          // What a client has still to compress looks like what the server does not take.
          const slow = yield* Ws.dial(address, { perMessageDeflate: false })
          const other = yield* Ws.connect(address)
          // More than the system's buffers of both directions hold together.
          const messages = Array.from({ length: 32 }, () => randomBytes(1024 * 1024))
          slow.socket.pause()
          yield* slow.peer.send(...messages)
          // Until the server takes no more of it, while it goes on with the other.
          for (let before = Infinity; slow.socket.bufferedAmount < before;) {
            before = slow.socket.bufferedAmount
            for (let i = 0; i < 20; i++) yield* expectEcho(other, `${i}`)
          }
          assert.isAbove(slow.socket.bufferedAmount, 0)
          slow.socket.resume()
          const received = yield* slow.peer.receiveMany(messages.length)
          assert.deepStrictEqual(received.map(digest), messages.map(digest))
        }))

      // What the loop is there for.
      if (name === "poll-loop") {
        it.effect("serves 1,000 connections at once", () =>
          Effect.gen(function*() {
            const { url } = yield* Examples.Server
            const peers = yield* connectMany(url, 1000)
            const echoes = (peer: Peer, client: number) =>
              Effect.forEach([1, 2, 3], (turn) => expectEcho(peer, `${turn} of client ${client}`))
            yield* Effect.forEach(peers, echoes, { concurrency: "unbounded" })
          }))
      }

      it.effect("says in one line that the port is in use, and what to do", () =>
        Effect.gen(function*() {
          const { port } = new URL((yield* Examples.Server).url)
          const { ended } = yield* Examples.run(name, "--port", port)
          const { signal, status, stderr } = yield* ended
          assert.deepStrictEqual({ status, signal }, { status: 1, signal: null })
          assert.match(
            stderr,
            new RegExp(`^port (is )?${port}\\b.* stop what listens there, or (choose|take) another\\b.*\\n$`)
          )
          assert.match(stderr, / in use\b/)
        }))
    })

    for (const signal of ["SIGTERM", "SIGINT"] as const) {
      it.live(`sends 1001 to every client at ${signal}, and ends with status 0`, () =>
        Effect.gen(function*() {
          const { ended, kill, url } = yield* Examples.serve(name)
          const peers = yield* connectMany(url, 20)
          // Served, and not on their way only.
          yield* Effect.forEach(peers, (peer) => expectEcho(peer, "hello"))
          yield* kill(signal)
          const closings = yield* Effect.forEach(peers, (peer) => peer.closed)
          assert.deepStrictEqual(closings, peers.map(() => ({ code: 1001, reason: "" })))
          assert.deepStrictEqual(yield* ended, { status: 0, signal: null, stderr: "" })
        }))
    }
  })
}
