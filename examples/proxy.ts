/**
 * A proxy: for each client a connection to a server behind it, and each message passed on as it comes, both ways.
 *
 *     node examples/proxy.ts ws://127.0.0.1:9000/ [--port 8080] [--max-message-size 67108864]
 */
import { Close, CloseCode } from "@websocket-stream/core"
import {
  type Websocket,
  WebsocketClient,
  type WebsocketError,
  WebsocketRequest,
  WebsocketServer
} from "@websocket-stream/node"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { announce } from "./support/announce.ts"
import { maxMessageSize, port } from "./support/flags.ts"
import { runMain } from "./support/runMain.ts"

type Ws = Websocket.Websocket["Service"]

interface Options {
  readonly upstream: string
  readonly port: number
  readonly maxMessageSize: number
}

/** Before the client gets its 101, so that it gets a 502 instead where there is nobody to pass anything on to. */
const dial = Effect.fnUntraced(function*({ maxMessageSize, upstream }: Options) {
  const request = yield* WebsocketRequest.WebsocketRequest
  return yield* WebsocketClient.connect(target(upstream, request), {
    subprotocols: request.subprotocols,
    headers: credentials.flatMap((name) => {
      const value = request.headers[name]
      return value === undefined ? [] : [[name, value] as const]
    }),
    limits: { maxMessageSize }
  }).pipe(
    // Why is nothing that clients are told: there are addresses in it.
    Effect.tapError((error) => Effect.logWarning("no connection to the upstream", error)),
    Effect.mapError(() => new WebsocketRequest.Refusal({ status: 502, body: "the upstream cannot be reached\n" }))
  )
})

/** What the upstream has chosen to speak, the client is told to. */
const agree = ({ subprotocol }: Ws) => ({ subprotocols: subprotocol === undefined ? [] : [subprotocol] })

const credentials = ["authorization", "cookie"] as const

// Not resolved against the upstream: a client that asks for //elsewhere/ would choose the host.
const target = (upstream: string, { path, url }: WebsocketRequest.WebsocketRequest["Service"]): string => {
  const target = new URL(upstream)
  target.pathname = path
  target.search = url.slice(path.length)
  return target.href
}

/**
 * Both ways, until both have ended. Neither side is read faster than the other takes it: what waits in here is what sockets
 * and streams buffer, however many and large the messages are.
 */
const relay = (client: Ws, upstream: Ws) =>
  Effect.all([
    pass(client, upstream, CloseCode.InternalError),
    pass(upstream, client, CloseCode.BadGateway)
  ], { concurrency: "unbounded", discard: true })

/** Passes messages on in pieces, and in the end how it ended. */
const pass = (from: Ws, to: Ws, ifLost: number) =>
  Effect.flatMap(from.receiveStream, ({ pieces, type }) => to.sendStream(type, pieces)).pipe(
    Effect.scoped,
    Effect.forever,
    Effect.catchTag("ReadError", ({ reason }) => {
      const { code, reason: why } = closeOf(reason, ifLost)
      return to.close(code, why)
    }),
    // What was to take them is closed. The other direction says why, to the one that sent them.
    Effect.catchTag("WriteError", () => Effect.void)
  )

// RFC 6455 7.4.1: 1005 stands for a Close frame without a code, which is passed on as one, and 1006 for none at all, which
// must not be sent.
const closeOf = (reason: WebsocketError.ReadError["reason"], ifLost: number): Close.Close =>
  reason._tag === "Closed" && reason.code !== CloseCode.AbnormalClosure
    ? Close.make(reason.code, reason.reason)
    : Close.make(ifLost)

const serve = (options: Options) => {
  const { maxMessageSize, port } = options
  const server = WebsocketServer.layer({ host: "127.0.0.1", port, limits: { maxMessageSize } })
  return WebsocketServer.serve(relay, { admit: dial(options), answer: agree }).pipe(
    Layer.merge(announce),
    Layer.provide(server),
    Layer.launch
  )
}

const upstream = Argument.String("upstream").pipe(
  Argument.withDescription("Whom to connect to for each client: ws://... or wss://..."),
  Argument.filter((url) => URL.canParse(url) && /^wss?:/.test(url), (url) => `Expected ws: or wss:, got ${url}`)
)

runMain(
  Command.make("proxy", { upstream, port, maxMessageSize }, serve).pipe(
    Command.withDescription("Passes messages on to a server, and back")
  )
)
