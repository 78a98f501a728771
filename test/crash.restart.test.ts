/** A server that is killed under load, and its clients, who come back. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketClient, type WebsocketError } from "@websocket-stream/node"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { mkdtemp, readFile, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { until } from "../packages/node/test/support/turns.ts"
import { start } from "./support/childProcess.ts"
import { timeout } from "./support/examples.ts"
import { freePort } from "./support/freePort.ts"

const program = fileURLToPath(new URL("support/ledgerServer.ts", import.meta.url))

/** How many messages each client has acknowledged between one kill and the next, at least. */
const between = 300

/** How many messages of a client are sent and not acknowledged, at most. */
const inFlight = 100

/** What a connection that was open has ended of, and with which close code. */
interface Ended {
  readonly reason: WebsocketError.ReadError["reason"]
  readonly code: number
  readonly clean: boolean
}

interface Client {
  readonly name: string
  /** So many of its messages, from the first on, the server says to have. */
  acknowledged: number
  readonly ends: Array<Ended>
  /** What kept it from coming back. */
  readonly refused: Array<WebsocketError.OpenError["reason"]>
}

/** How many messages each client sends: without end, until the server has been killed often enough. */
interface Course {
  readonly url: string
  messages: number
}

/** Sends what is not acknowledged yet, until everything is. */
const session = (course: Course, client: Client) =>
  Effect.gen(function*() {
    const ws = yield* Effect.tapError(
      WebsocketClient.connect(course.url),
      ({ reason }) => Effect.sync(() => client.refused.push(reason))
    )
    let sent = client.acknowledged
    while (client.acknowledged < course.messages) {
      // What a send fails of, receiving tells.
      for (const end = Math.min(client.acknowledged + inFlight, course.messages); sent < end; sent++) {
        yield* Effect.ignore(ws.send(`${client.name} ${sent}`))
      }
      const { payload } = yield* Effect.tapError(ws.receive, ({ reason }) =>
        Effect.map(ws.closed, ({ clean, received }) =>
          client.ends.push({ reason, code: received.code, clean })))
      assert.strictEqual(Number(Buffer.from(payload).toString()), client.acknowledged)
      client.acknowledged++
    }
    yield* ws.close()
  }).pipe(Effect.scoped)

/** Comes back until all is said. */
const live = (course: Course, client: Client) =>
  Effect.retry(session(course, client), { schedule: Schedule.jittered(Schedule.spaced("30 millis")) })

describe("a server that is killed under load", { timeout }, () => {
  it.live("has all that it acknowledged, and gets the rest once from its clients, who see 1006 and come back", () =>
    Effect.gen(function*() {
      const directory = yield* Effect.acquireRelease(
        Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
        (path) => Effect.promise(() => rm(path, { recursive: true }))
      )
      const path = join(directory, "ledger")
      const port = yield* freePort
      const serve = Effect.tap(start(process.execPath, [program, `${port}`, path]), ({ line }) => line)
      const kept = Effect.map(Effect.promise(() => readFile(path, "utf8")), (text) => text.split("\n").slice(0, -1))

      const clients = Array.from({ length: 6 }, (_, i): Client => ({
        name: `client-${i}`,
        acknowledged: 0,
        ends: [],
        refused: []
      }))
      const course: Course = { url: `ws://127.0.0.1:${port}/`, messages: Number.POSITIVE_INFINITY }
      const failed = yield* Deferred.make<never, unknown>()
      let server = yield* serve
      const living = yield* Effect.forkChild(
        Effect.forEach(clients, (client) => live(course, client), { concurrency: "unbounded" })
          .pipe(Effect.tapCause((cause) => Deferred.failCause(failed, cause)))
      )
      for (const kill of [1, 2, 3]) {
        const before = clients.map(({ acknowledged }) => acknowledged)
        yield* Effect.raceFirst(
          until(() => clients.every(({ acknowledged }, i) => acknowledged >= before[i]! + between)),
          Deferred.await(failed)
        )
        yield* server.kill("SIGKILL")
        assert.strictEqual((yield* server.ended).signal, "SIGKILL")
        // All that came before it was.
        yield* until(() => clients.every(({ ends }) => ends.length === kill))
        // What a client has heard by now, the server had said before it was killed.
        const lines = new Set(yield* kept)
        for (const { acknowledged, name } of clients) {
          assert.isTrue(lines.has(`${name} ${acknowledged - 1}`), `${name} ${acknowledged - 1} is not there`)
        }
        server = yield* serve
      }
      course.messages = Math.max(...clients.map(({ acknowledged }) => acknowledged)) + 1000
      yield* Fiber.join(living)

      const all = yield* kept
      for (const { name } of clients) {
        const numbers = all.filter((line) => line.startsWith(`${name} `)).map((line) => Number(line.split(" ")[1]))
        assert.deepStrictEqual(numbers, Array.from({ length: course.messages }, (_, i) => i))
      }
      for (const { ends, refused } of clients) {
        for (const { clean, code, reason } of ends) {
          assert.deepStrictEqual([clean, code], [false, 1006])
          // The system ends a dead process's connections, and resets those from which it had not read everything.
          if (reason._tag === "Io") assert.include(["ECONNRESET", "EPIPE"], reason.code)
          else assert.deepInclude(reason, { _tag: "Closed", by: "Peer", code: 1006, clean: false })
        }
        for (const reason of refused) {
          assert.include(["ECONNREFUSED", "ECONNRESET"], reason._tag === "Io" && reason.code)
        }
      }
    }))
})
