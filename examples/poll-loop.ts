/**
 * An echo server that serves all its connections, 1,000 or more, from one fiber, as a loop around `poll` does: it waits
 * until any of them can be read, reads and writes without ever waiting for one, and waits again.
 *
 *     node examples/poll-loop.ts [--port 8080]
 */
import { Frame, Opcode, type ProtocolError } from "@websocket-stream/core"
import { WebsocketStream, WebsocketUpgrade } from "@websocket-stream/node"
import * as Arr from "effect/Array"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Scope from "effect/Scope"
import { createServer } from "node:http"
import { closePayload, goingAway } from "./support/closing.ts"
import { port } from "./support/flags.ts"
import { listen } from "./support/listen.ts"
import { runMain } from "./support/runMain.ts"

interface Client {
  readonly stream: WebsocketStream.WebsocketStream["Service"]
  /** Closed by the loop when the connection has ended. */
  readonly scope: Scope.Closeable
  /** What a write had no room for. Nothing is read from the client until it is sent. */
  unsent: ReadonlyArray<Frame.Frame>
}

const serve = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const server = createServer()
  const port = yield* listen(server, options.port)
  yield* Console.log(`listening on ws://127.0.0.1:${port}`)

  const scope = yield* Effect.scope
  // In parallel, so that a shutdown waits for the slowest client and not for one after the other.
  const connections = yield* Scope.fork(scope, "parallel")
  const reading = new Map<Client["stream"], Client>()
  // Those who are not polled: newcomers, and clients that can be written to again.
  const awoken: Array<Client> = []
  const wake = yield* Latch.make()
  const awake = (client: Client) =>
    Effect.suspend(() => {
      awoken.push(client)
      return wake.open
    })

  // Runs in a fiber for each request, which ends as soon as the connection is open; the connection lives on in its scope.
  const admit = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade) {
    const scope = yield* Scope.fork(connections)
    const { stream } = yield* WebsocketUpgrade.accept(upgrade, { mode: "NonBlock" }).pipe(
      Effect.tap(({ stream }) => goingAway(stream)),
      Scope.provide(scope),
      Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
    )
    yield* awake({ stream, scope, unsent: [] })
  })

  const echo = Effect.fnUntraced(function*(client: Client) {
    reading.set(client.stream, client)
    if (client.unsent.length === 0) client.unsent = replies(yield* client.stream.readAll)
    if (Arr.isReadonlyArrayNonEmpty(client.unsent)) yield* client.stream.writeAll(client.unsent)
    const isOver = client.unsent.at(-1)?.opcode === Opcode.Close
    client.unsent = []
    if (isOver) yield* end(client)
  })

  const pause = (client: Client) => {
    reading.delete(client.stream)
    return client.stream.awaitWritable.pipe(
      // Why it failed, the next write will tell.
      Effect.ignore,
      Effect.andThen(awake(client)),
      Effect.forkIn(client.scope)
    )
  }

  // In a fiber, because it waits until the client has taken what is queued, and the others should not.
  const end = (client: Client) => {
    reading.delete(client.stream)
    return Effect.forkIn(Effect.uninterruptible(Scope.close(client.scope, Exit.void)), scope)
  }

  // RFC 6455 7.1.7: who breaks the protocol is told how, if there is room for it.
  const refuse = (client: Client, { closeCode }: ProtocolError.ProtocolError) =>
    Effect.andThen(Effect.ignore(client.stream.write(Opcode.Close, closePayload(closeCode))), end(client))

  yield* Effect.forkScoped(WebsocketUpgrade.runUpgrades(server, admit))
  while (true) {
    const readable = yield* Effect.raceFirst(
      WebsocketStream.awaitAnyReadable(reading.keys()),
      Effect.as(wake.await, [])
    )
    yield* wake.close
    for (const client of [...awoken.splice(0), ...readable.map((stream) => reading.get(stream)!)]) {
      yield* echo(client).pipe(
        Effect.catchReason("ReadError", "WouldBlock", () => Effect.void),
        Effect.catchReason("ReadError", "Protocol", ({ error }) => refuse(client, error)),
        Effect.catchReason("WriteError", "WouldBlock", () => pause(client)),
        Effect.catch(() => end(client))
      )
    }
  }
}, Effect.scoped)

/** What answers the frames: data as it was, a pong for a ping, and nothing after a close. */
const replies = (frames: ReadonlyArray<Frame.Frame>): ReadonlyArray<Frame.Frame> => {
  const close = frames.findIndex(({ opcode }) => opcode === Opcode.Close)
  return frames.slice(0, close < 0 ? undefined : close + 1)
    .filter(({ opcode }) => opcode !== Opcode.Pong)
    .map((frame) => (frame.opcode === Opcode.Ping ? Frame.make(Opcode.Pong, frame.payload) : frame))
}

runMain(Command.make("poll-loop", { port }, serve).pipe(Command.withDescription("Echoes every frame, from one fiber")))
