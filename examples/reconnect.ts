/**
 * A client that comes back: says what it subscribes to whenever a connection opens, and prints what it is sent, as if there
 * had been one connection all the time.
 *
 *     node examples/reconnect.ts ws://127.0.0.1:8080/ [--heartbeat 20000] '{"subscribe":"news"}' ...
 */
import { CloseCode } from "@websocket-stream/core"
import { type Websocket, WebsocketClient, type WebsocketError } from "@websocket-stream/node"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { runMain } from "./support/runMain.ts"

interface Options {
  readonly url: string
  readonly subscriptions: ReadonlyArray<string>
  /** Milliseconds of silence until the server is asked whether it is there, and as long for its answer. */
  readonly heartbeat: number
}

/**
 * The messages of as many connections as it takes, until the server says that all is done. What is received waits for whoever
 * takes from the stream, and the server with it. What the server would have sent while there was no connection is lost, unless
 * a subscription can say where to go on.
 */
const messages = ({ heartbeat, subscriptions, url }: Options) =>
  Stream.unwrap(Effect.gen(function*() {
    const ws = yield* WebsocketClient.connect(url)
    yield* Console.error("connected")
    yield* Effect.forEach(subscriptions, (subscription) => ws.send(subscription))
    return Stream.fromPull(Effect.succeed(Effect.raceFirst(ws.receiveAll, silence(ws, heartbeat))))
  })).pipe(
    Stream.retry(again),
    Stream.catchIf(isDone, () => Stream.empty)
  )

/** Fails when the server is gone. Only for as long as nothing comes: who has messages to take need not ask. */
const silence = (ws: Websocket.Websocket["Service"], heartbeat: number) =>
  ws.ping().pipe(
    Effect.timeoutOrElse({ duration: heartbeat, orElse: () => new Silent() }),
    Effect.delay(heartbeat),
    Effect.forever
  )

class Silent extends Data.TaggedError("Silent") {
  override get message(): string {
    return "the server does not answer a ping"
  }
}

type Failure = WebsocketError.OpenError | WebsocketError.ReadError | WebsocketError.WriteError | Silent

const passes = (error: Failure): boolean => {
  if (error._tag === "Silent") return true
  const { reason } = error
  switch (reason._tag) {
    case "Io":
    case "Deadline":
      return true
    case "Refused":
      return reason.status >= 500 || reason.status === 408 || reason.status === 429
    case "Closed":
      return passing.has(reason.code)
    default:
      return false
  }
}

// Neither 1000 nor what we did wrong. What 3000 to 4999 mean, the application knows.
const passing: ReadonlySet<number> = new Set([
  CloseCode.GoingAway,
  CloseCode.NoStatusReceived,
  CloseCode.AbnormalClosure,
  CloseCode.InternalError,
  CloseCode.ServiceRestart,
  CloseCode.TryAgainLater,
  CloseCode.BadGateway
])

const isDone = (error: Failure): boolean =>
  error._tag === "ReadError" && error.reason._tag === "Closed" && error.reason.code === CloseCode.Normal

/**
 * When to try again: sooner at first, and never all clients at once, or a server that comes up goes down again. It begins anew
 * with the first message of a connection, and not with the connection: one that is dropped at once is no success.
 */
const again = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("30 seconds")]).pipe(
  Schedule.jittered,
  Schedule.while(({ input }: { readonly input: Failure }) => passes(input)),
  Schedule.tap(({ duration, input }) => Console.error(`${input.message}; again in ${inMillis(duration)}`))
)

// Chance has left a fraction of a millisecond, which nobody reads.
const inMillis = (duration: Duration.Duration): string =>
  Duration.format(Duration.millis(Math.round(Duration.toMillis(duration))))

const url = Argument.String("url").pipe(Argument.withDescription("Where to connect to: ws://... or wss://..."))
const subscriptions = Argument.String("subscription").pipe(
  Argument.withDescription("What to send whenever the connection opens"),
  Argument.variadic()
)
const heartbeat = Flag.Int("heartbeat").pipe(
  Flag.withDescription("Milliseconds of silence until the server is pinged, and as long for its pong"),
  Flag.withDefault(20_000),
  Flag.filter((heartbeat) => heartbeat > 0, (heartbeat) => `Expected more than 0, got ${heartbeat}`)
)

const print = (options: Options) =>
  Stream.runForEach(
    messages(options),
    (message) => Console.log(message._tag === "Text" ? message.text : `${message.payload.length} bytes`)
  )

runMain(
  Command.make("reconnect", { url, subscriptions, heartbeat }, print).pipe(
    Command.withDescription("Prints what a server sends, over as many connections as it takes")
  )
)
