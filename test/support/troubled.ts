/**
 * A server as a program of its own, for what may end a process: what its handler does, the path of the request says. It prints its
 * port once it listens.
 *
 *     node test/support/troubled.ts [--log-to /dev/full]
 */
import { type Websocket, WebsocketRequest, WebsocketServer } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as fs from "node:fs"
import { runMain } from "../../examples/support/runMain.ts"

type Ws = Websocket.Websocket["Service"]
type Trouble = (ws: Ws, text: string) => Effect.Effect<unknown, unknown, Scope.Scope>

/** What is done with a message, by the path. */
const troubles: { readonly [path: string]: Trouble } = {
  "/throw": () => {
    throw new Error("thrown by a handler")
  },
  "/throw-in-an-effect": () =>
    Effect.sync(() => {
      throw new Error("thrown in an effect")
    }),
  "/throw-no-error": () =>
    Effect.sync(() => {
      throw undefined
    }),
  "/reject": () => Effect.promise(() => Promise.reject(new Error("rejected"))),
  "/throw-in-a-fiber": () => Effect.flatMap(Effect.forkScoped(Effect.die(new Error("of a fiber"))), Fiber.join),
  "/throw-in-a-finalizer": () =>
    Effect.andThen(Effect.addFinalizer(() => Effect.die(new Error("of a finalizer"))), Effect.interrupt),
  "/overflow-the-stack": () => Effect.sync(() => overflow()),

  "/never": () => Effect.never,
  "/never-resolve": () => Effect.promise(() => new Promise(() => {})),
  "/send-for-ever": (ws) => Effect.forever(ws.send(Buffer.alloc(65_536))),

  /** The clock jumps by so many milliseconds. */
  "/jump": (ws, text) => Effect.andThen(Effect.sync(() => jump(Number(text))), ws.send("jumped")),
  /** How long a ping takes, in milliseconds. */
  "/round-trip": (ws) => Effect.flatMap(ws.ping(), (time) => ws.send(`${Duration.toMillis(time)}`))
}

const overflow = (): number => 1 + overflow()

const jump = (milliseconds: number): void => {
  const now = Date.now
  Date.now = () => now() + milliseconds
}

const handler = (ws: Ws) =>
  Effect.gen(function*() {
    const { path } = yield* WebsocketRequest.WebsocketRequest
    const trouble = troubles[path]
    yield* ws.runForEach((message) =>
      trouble === undefined ? ws.send(message) : trouble(ws, message._tag === "Text" ? message.text : "")
    )
  })

// Throws where there is no room on the disk.
const writingTo = (path: string) => {
  const file = fs.openSync(path, "w")
  return Logger.layer([Logger.map(Logger.formatLogFmt, (line) => fs.writeSync(file, `${line}\n`))])
}

const options: WebsocketServer.Options = {
  host: "127.0.0.1",
  port: 0,
  // Given back only when all that was a connection's has ended.
  maxConnections: 64,
  // Deadlines are looked at twice as often, and are longer than a busy machine keeps a well-behaved client waiting.
  heartbeat: "300 millis",
  idleDeadline: "5 seconds",
  maxLife: "30 minutes",
  drainDeadline: "500 millis"
}

const logTo = Flag.String("log-to").pipe(
  Flag.withDescription("Where to write the log, instead of to standard error"),
  Flag.optional
)

const serve = ({ logTo }: { readonly logTo: Option.Option<string> }) => {
  const announce = Layer.effectDiscard(
    WebsocketServer.WebsocketServer.use(({ address }) => Console.log(new URL(WebsocketServer.url(address)).port))
  )
  const logger = Option.match(logTo, {
    onNone: () => Layer.succeed(Logger.LogToStderr, true),
    onSome: writingTo
  })
  return WebsocketServer.serve(handler).pipe(
    Layer.merge(announce),
    Layer.provide(WebsocketServer.layer(options)),
    Layer.provide(logger),
    Layer.launch
  )
}

// Node ends a process that cannot write to its standard error, where nobody listens for that.
process.stderr.on("error", () => {})

runMain(Command.make("troubled", { logTo }, serve).pipe(Command.withDescription("Serves whatever happens")))
