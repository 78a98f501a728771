import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import { ReadError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketRequest from "@websocket-stream/node/WebsocketRequest"
import type * as WebsocketUpgrade from "@websocket-stream/node/WebsocketUpgrade"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { dial, exchange, request } from "./support/http.ts"
import { refusal } from "./support/refusal.ts"
import { admitting, knock, logging, serving, until } from "./support/server.ts"
import { mistyped, takeAll } from "./support/streams.ts"

const neverOpened = () => Effect.die("a handler was run for a client that was not admitted")

/** Holds the answer to a handshake to be a status, and what every response has. */
const answersNothingBut = Effect.fnUntraced(function*(expected: number, port: number) {
  const { headers, rest, status } = yield* exchange(port, request())
  assert.deepStrictEqual([status, rest.length], [expected, 0])
  assert.deepStrictEqual([...headers.keys()], ["connection", "date", "content-length"])
})

describe("What an admission that is no admission gets", () => {
  it.live("a Refusal: its status, its headers and its body, and the end of the connection", () =>
    Effect.gen(function*() {
      const { port } = yield* admitting({
        handler: neverOpened,
        admit: new WebsocketRequest.Refusal({
          status: 429,
          headers: [["Retry-After", "7"], ["Set-Cookie", "a=1"]],
          body: "später\n"
        })
      })
      const response = yield* exchange(port, request())
      assert.strictEqual(response.status, 429)
      const date = response.headers.get("date") ?? ""
      assert.isFalse(Number.isNaN(Date.parse(date)))
      assert.deepStrictEqual(Object.fromEntries(response.headers), {
        connection: "close",
        "retry-after": "7",
        "set-cookie": "a=1",
        date,
        "content-length": "8"
      })
      assert.strictEqual(response.rest.toString(), "später\n")
    }))

  it.live("the same for one that is wrapped in a failure, by those who turn everybody away", () =>
    Effect.gen(function*() {
      const refusal = new WebsocketRequest.Refusal({ status: 503, body: "closed today\n" })
      const { port } = yield* admitting({ handler: neverOpened, admit: Effect.fail(refusal) })
      const { rest, status } = yield* exchange(port, request())
      assert.deepStrictEqual([status, rest.toString()], [503, "closed today\n"])
    }))

  it.live("no more than the status of a Refusal that says no more", () =>
    Effect.gen(function*() {
      const { port } = yield* admitting({
        handler: neverOpened,
        admit: new WebsocketRequest.Refusal({ status: 404 })
      })
      yield* answersNothingBut(404, port)
    }))

  it.live("a Refusal is no error to log", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const { fiber, port } = yield* admitting({
          handler: neverOpened,
          admit: new WebsocketRequest.Refusal({ status: 401 })
        })
        yield* exchange(port, request())
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(logs, [])
      })
    ))

  for (
    const [name, refused, blamed] of [
      ["a header that would end its line", { headers: [["X-Name", "Ada\r\nSet-Cookie: a=1"]] }, "headers.X-Name"],
      ["a header's name that would", { headers: [["X-Name: Ada\r\nSet-Cookie", "a=1"]] }, "Set-Cookie"],
      ["a header of the handshake's own", { headers: [["Content-Length", "0"]] }, "headers.Content-Length"],
      ["a status that would open the connection", { status: 101 }, "status"],
      ["a status that is no refusal", { status: 200 }, "status"]
    ] as const
  ) {
    it.live(`R17: 500 for a Refusal with ${name}, nothing of it, and an error in the log`, () =>
      logging((logs) =>
        Effect.gen(function*() {
          const { fiber, port } = yield* admitting({
            handler: neverOpened,
            admit: new WebsocketRequest.Refusal({ status: 403, body: "secret", ...refused })
          })
          yield* answersNothingBut(500, port)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(logs.map(({ level, message }) => [level, message]), [
            ["Error", "WebSocket admission failed"]
          ])
          assert.include(String(logs[0]?.errors[0]), blamed)
        })
      ))
  }

  for (
    const [name, defect] of [
      ["dies", Effect.die(new Error("secret"))],
      [
        "throws",
        Effect.sync(() => {
          throw new Error("secret")
        })
      ],
      ["fails as it may not", Effect.fail<any>(new Error("secret"))]
    ] as const
  ) {
    it.live(`500, an error in the log and nothing of it to the client where it ${name}`, () =>
      logging((logs) =>
        Effect.gen(function*() {
          const { fiber, port } = yield* admitting<void, never, never, never>({ handler: neverOpened, admit: defect })
          yield* answersNothingBut(500, port)
          yield* Fiber.interrupt(fiber)
          assert.deepStrictEqual(logs.map(({ level, message }) => [level, message]), [
            ["Error", "WebSocket admission failed"]
          ])
          assert.strictEqual(String(logs[0]?.errors[0]), "Error: secret")
        })
      ))
  }

  it.live("500, and an error in the log where it is interrupted, and not by the end of the server", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const shared = yield* Effect.forkScoped(Effect.never)
        yield* Fiber.interrupt(shared)
        const { fiber, port } = yield* admitting({ handler: neverOpened, admit: Fiber.join(shared) })
        assert.strictEqual((yield* exchange(port, request())).status, 500)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(logs.map(({ errors, level, message }) => [level, message, errors]), [
          ["Error", "WebSocket admission failed", ["Interrupt"]]
        ])
      })
    ))

  it.live("500, and an error in the log where it dies of the end of another connection", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const upstream = yield* serving(() => Effect.void)
        const asked = Effect.scoped(Effect.flatMap(WebsocketClient.connect(upstream.url), ({ receive }) => receive))
        const { fiber, port } = yield* admitting({ handler: neverOpened, admit: Effect.orDie(asked) })
        assert.strictEqual((yield* exchange(port, request())).status, 500)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(logs.map(({ level, message }) => [level, message]), [
          ["Error", "WebSocket admission failed"]
        ])
        assert.instanceOf(logs[0]?.errors[0], ReadError)
      })
    ))

  it.effect("503, when it has not ended by the handshake's deadline, and its interruption", () =>
    Effect.gen(function*() {
      const [started, interrupted] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
      const { port } = yield* admitting({
        handler: neverOpened,
        admit: Deferred.succeed(started, undefined).pipe(
          Effect.andThen(Effect.never),
          Effect.onInterrupt(() => Deferred.succeed(interrupted, undefined))
        )
      }, { handshakeDeadline: "3 seconds" })
      const answered = yield* Effect.forkChild(exchange(port, request()), { startImmediately: true })
      yield* Deferred.await(started)
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(answered.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Deferred.await(interrupted)
      const { rest, status } = yield* Fiber.join(answered)
      assert.deepStrictEqual([status, rest.toString()], [503, "it took too long to find out who may connect\n"])
    }))

  it.live("nothing, where the client has gone away meanwhile: the next is served", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const paths: Array<string> = []
        const gate = yield* Deferred.make<void>()
        const received: Array<string> = []
        const { fiber, port, url } = yield* admitting({
          handler: (ws) =>
            Effect.onError(ws.receive, (cause) => Effect.sync(() => received.push(`${cause.reasons[0]?._tag}`))),
          admit: Effect.gen(function*() {
            const { path } = yield* WebsocketRequest.WebsocketRequest
            paths.push(path)
            if (path === "/refuse") {
              yield* Deferred.await(gate)
              return yield* new WebsocketRequest.Refusal({ status: 403 })
            }
            yield* Deferred.await(gate)
          })
        })
        for (const path of ["/", "/refuse"]) {
          for (const leave of ["end", "resetAndDestroy"] as const) {
            const socket = yield* dial(port)
            const before = paths.length
            socket.write(request({ line: `GET ${path} HTTP/1.1` }))
            yield* until(() => paths.length > before)
            socket[leave]()
          }
        }
        yield* Deferred.succeed(gate, undefined)
        // Whoever was admitted finds out by receiving.
        yield* until(() => received.length === 2)
        assert.deepStrictEqual(received, ["Fail", "Fail"])
        assert.strictEqual((yield* refusal(`${url}refuse`))._tag, "Refused")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(logs, [])
      })
    ))
})

describe("An admission", () => {
  it.live("is asked for each connection anew, in the context of its own request and with what run was given", () =>
    Effect.gen(function*() {
      const { port } = yield* admitting({
        handler: neverOpened,
        admit: Effect.flatMap(
          WebsocketRequest.WebsocketRequest,
          ({ headers, path }) =>
            new WebsocketRequest.Refusal({ status: 403, body: `${path} ${String(headers["x-name"])}` })
        )
      })
      const bodies = yield* Effect.forEach(["Ada", "Grace"], (name) =>
        Effect.map(
          exchange(port, request({ line: `GET /${name}?x HTTP/1.1`, headers: { "X-Name": name } })),
          ({ rest }) => rest.toString()
        ), { concurrency: 2 })
      assert.deepStrictEqual(bodies, ["/Ada Ada", "/Grace Grace"])
    }))

  it.live("decides what the 101 says, instead of the options", () =>
    Effect.gen(function*() {
      const { port, url } = yield* admitting({
        handler: (ws) => ws.send(String(ws.subprotocol)),
        admit: Effect.map(WebsocketRequest.WebsocketRequest, ({ query }) => query.get("speaks")),
        answer: (speaks: string | null) =>
          speaks === null ? {} : { subprotocols: [speaks], headers: [["Set-Cookie", `speaks=${speaks}`]] }
      }, { subprotocols: ["a"] })
      for (const [path, spoken] of [["?speaks=b", "b"], ["", "a"], ["?speaks=c", undefined]] as const) {
        const ws = yield* WebsocketClient.connect(`${url}${path}`, { subprotocols: ["b", "a"] })
        assert.strictEqual(ws.subprotocol, spoken)
      }
      const { headers } = yield* knock(port, { line: "GET /?speaks=b HTTP/1.1" })
      assert.strictEqual(headers.get("set-cookie"), "speaks=b")
    }))

  it.live("has a number in the 101 as in a Refusal, for a caller without types", () =>
    Effect.gen(function*() {
      const said = mistyped<Pick<WebsocketUpgrade.Options, "headers">>({}, { headers: [["X-Seat", 7]] })
      const { port } = yield* admitting({
        handler: () => Effect.void,
        admit: Effect.flatMap(WebsocketRequest.WebsocketRequest, ({ path }) =>
          path === "/" ? Effect.void : new WebsocketRequest.Refusal({ status: 403, ...said })),
        answer: () =>
          said
      })
      const responses = [
        yield* knock(port, {}),
        yield* exchange(port, request({ line: "GET /b HTTP/1.1" }))
      ]
      assert.deepStrictEqual(responses.map(({ headers, status }) => [status, headers.get("x-seat")]), [
        [101, "7"],
        [403, "7"]
      ])
    }))

  it.live("R17: gets the client a 500 for a header of the 101 that would end its line, and an error in the log", () =>
    logging((logs) =>
      Effect.gen(function*() {
        const { fiber, port } = yield* admitting({
          handler: neverOpened,
          admit: Effect.void,
          answer: () => ({ headers: [["X-Name", "Ada\r\nSet-Cookie: a=1"]] })
        })
        assert.strictEqual((yield* exchange(port, request())).status, 500)
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(logs.map(({ level, message }) => [level, message]), [
          ["Error", "WebSocket admission failed"]
        ])
      })
    ))

  it.effect("keeps no other from being watched while it goes on", () =>
    Effect.gen(function*() {
      const asked = yield* Deferred.make<void>()
      const admit = Effect.gen(function*() {
        const { path } = yield* WebsocketRequest.WebsocketRequest
        if (path !== "/slow") return undefined
        yield* Deferred.succeed(asked, undefined)
        return yield* Effect.never
      })
      const { port } = yield* admitting({ handler: (ws) => Effect.ignore(ws.receive), admit })
      const slow = yield* dial(port)
      slow.write(request({ line: "GET /slow HTTP/1.1" }))
      yield* Deferred.await(asked)
      const { socket } = yield* knock(port)
      yield* TestClock.adjust("75 seconds")
      yield* takeAll(socket)
    }))

  it.live("is not asked for a request that opens no connection anyway", () =>
    Effect.gen(function*() {
      const { port } = yield* admitting({ handler: neverOpened, admit: Effect.die("asked") })
      const forbidden = { headers: { Origin: "https://elsewhere.test" } }
      assert.strictEqual((yield* exchange(port, request({ line: "POST / HTTP/1.1" }))).status, 405)
      assert.strictEqual((yield* exchange(port, request(forbidden))).status, 403)
    }))
})
