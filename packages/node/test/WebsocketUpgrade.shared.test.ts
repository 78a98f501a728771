import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Scheduler from "effect/Scheduler"
import type * as Scope from "effect/Scope"
import type { Server } from "node:http"
import { asText } from "./support/frames.ts"
import { exchange, request, serve } from "./support/http.ts"
import { manyTurns } from "./support/server.ts"
import { expectEcho } from "./support/streams.ts"

describe("Several who listen for the upgrades of one server", () => {
  /** A server that one runs on, and after it another; what is logged at level Error is its to take. */
  const shared = Effect.fnUntraced(function*(
    ...runs: ReadonlyArray<(server: Server) => Effect.Effect<unknown, unknown, Scope.Scope>>
  ) {
    const logged = yield* Queue.unbounded<Cause.Cause<unknown>>()
    const logger = Logger.make<unknown, void>(({ cause, logLevel }) => {
      if (logLevel === "Error") Queue.offerUnsafe(logged, cause)
    })
    const { port, server } = yield* serve
    for (const run of runs) {
      yield* Effect.forkScoped(Effect.provide(run(server), Logger.layer([logger])), { startImmediately: true })
    }
    return { logged, port, url: `ws://127.0.0.1:${port}/` }
  })

  const attach = (server: Server) =>
    Effect.flatMap(
      WebsocketServer.attach(server),
      ({ run }) => run((ws) => ws.runForEach((message) => ws.send(message)))
    )

  /** Takes its time, as who asks a database does. */
  const attachSlowly = (server: Server) =>
    Effect.flatMap(
      WebsocketServer.attach(server),
      ({ run }) => run(() => Effect.die("it was not to be opened"), { admit: Effect.asVoid(manyTurns) })
    )

  const run = (server: Server) =>
    WebsocketUpgrade.run(server, ({ stream }) => Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll)))

  const refuse = (server: Server) =>
    WebsocketUpgrade.runUpgrades(
      server,
      (upgrade) => WebsocketUpgrade.reject(upgrade, { status: 403, headers: [], body: "" })
    )

  /** As who knows the handshake and has no need of `accept`. */
  const answerByHand = (server: Server) =>
    WebsocketUpgrade.runUpgrades(server, ({ head, request, socket }) => {
      const accept = OpeningHandshake.acceptKey(String(request.headers["sec-websocket-key"]))
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
      )
      return Effect.flatMap(
        WebsocketStream.make(socket, { role: "server", head }),
        (stream) => Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll))
      )
    })

  const part = (path: string) => (server: Server) =>
    WebsocketUpgrade.runUpgrades(
      server,
      (upgrade) =>
        upgrade.request.url === path
          ? Effect.flatMap(
            WebsocketUpgrade.accept(upgrade),
            ({ stream }) => Effect.andThen(stream.write(Opcode.Text, path), stream.read)
          )
          : Effect.void
    )

  it.live("may part its paths", () =>
    Effect.gen(function*() {
      const { logged, url } = yield* shared(part("/a"), part("/b"))
      for (const path of ["/a", "/b"]) {
        const stream = yield* WebsocketClient.connectStream(new URL(path, url).href)
        assert.strictEqual(asText(yield* stream.read), path)
      }
      assert.lengthOf(yield* Queue.clear(logged), 0)
    }))

  for (
    const [names, option, ...runs] of [
      ["run twice", "upgrade", run, run],
      ["run, and refuse", undefined, run, refuse],
      ["answer by hand, and run", "upgrade", answerByHand, run],
      ["are attached, and run", "upgrade", attach, run],
      ["run, and are attached", "upgrade", run, attach],
      ["run, and are attached with an admission", "server", run, attachSlowly]
    ] as const
  ) {
    it.live(`and ${names}: each client gets one answer, and the log says what to do`, () =>
      Effect.gen(function*() {
        const { logged, url } = yield* shared(...runs)
        const stream = yield* WebsocketClient.connectStream(url)
        yield* expectEcho(stream)
        if (option !== undefined) {
          assert.match(
            String(Cause.squash(yield* Queue.take(logged))),
            new RegExp(`OpenError: ${option} is answered already, it must be answered by one .* end the others`)
          )
        }
        yield* expectEcho(stream)
        assert.lengthOf(yield* Queue.clear(logged), 0)
      }))
  }

  for (const operations of [3, 4, 5, 6, 7, 8]) {
    it.live(`and run twice, where each yields after ${operations} steps: each client gets one answer`, () =>
      Effect.gen(function*() {
        const stepped = (server: Server) =>
          WebsocketUpgrade.runUpgrades(server, (upgrade) =>
            WebsocketUpgrade.accept(upgrade).pipe(
              Effect.provideService(Scheduler.MaxOpsBeforeYield, operations),
              Effect.flatMap(({ stream }) => Effect.forever(Effect.flatMap(stream.readAll, stream.writeAll)))
            ))
        const { logged, url } = yield* shared(stepped, stepped)
        const stream = yield* WebsocketClient.connectStream(url)
        assert.include(String(Cause.squash(yield* Queue.take(logged))), "upgrade is answered already")
        yield* expectEcho(stream)
        assert.lengthOf(yield* Queue.clear(logged), 0)
      }))
  }

  it.live("and refuse twice: the client gets one refusal", () =>
    Effect.gen(function*() {
      const { logged, port } = yield* shared(refuse, refuse)
      const { rest, status } = yield* exchange(port, request())
      assert.deepStrictEqual([status, rest.length], [403, 0])
      assert.lengthOf(yield* Queue.clear(logged), 0)
    }))
})
