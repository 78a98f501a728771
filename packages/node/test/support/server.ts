/** A `WebsocketServer` of ours on a free port, and what a test waits for at it. */
import { assert } from "@effect/vitest"
import type * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketServer from "@websocket-stream/node/WebsocketServer"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import type * as Scope from "effect/Scope"
import * as diagnostics from "node:diagnostics_channel"
import type { Socket } from "node:net"
import { type Changes, dial, parse, request } from "./http.ts"
import { takeBytes } from "./streams.ts"

export { manyTurns, turn, until } from "./turns.ts"

export const local = { host: "127.0.0.1", port: 0 }

export type Options = Partial<WebsocketServer.Options>

/** A server that nothing runs on. */
export const listening = (options?: Options) =>
  Effect.map(WebsocketServer.make({ ...local, ...options }), (server) => {
    const { address } = server
    return { server, url: WebsocketServer.url(address), port: address._tag === "Tcp" ? address.port : 0 }
  })

/** The sockets that Node makes of what a server of this process accepts, in the order of their coming. */
export const socketsOf = Effect.fnUntraced(function*(port: number) {
  const sockets: Array<Socket> = []
  // Of all servers of this process: tests may run beside each other.
  const onSocket = (message: unknown) => {
    const socket: Socket = Reflect.get(Object(message), "socket")
    if (socket.localPort === port) sockets.push(socket)
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => diagnostics.subscribe("net.server.socket", onSocket)),
    () => Effect.sync(() => diagnostics.unsubscribe("net.server.socket", onSocket))
  )
  return sockets
})

/** As `serving`, on connections that stay with Node: their sockets, in the order of their coming, to see what goes by them. */
export const servingByNode = Effect.fnUntraced(function*<E, R>(
  handler: (ws: Websocket.Websocket["Service"], socket: Socket) => Effect.Effect<unknown, E, R>,
  options?: Options
) {
  const listener = yield* listening({ ...options, direct: false })
  const sockets = yield* socketsOf(listener.port)
  const run = listener.server.run((ws) => Effect.suspend(() => handler(ws, sockets.shift()!)))
  return { ...listener, fiber: yield* Effect.forkScoped(run, { startImmediately: true }) }
})

/** A server that runs the handler until the scope closes, or the fiber is interrupted. */
export const serving = Effect.fnUntraced(function*<E, R>(
  handler: WebsocketServer.Handler<void, E, R>,
  options?: Options
) {
  const listener = yield* listening(options)
  const fiber = yield* Effect.forkScoped(listener.server.run(handler), { startImmediately: true })
  return { ...listener, fiber }
})

/** The same, for those who are admitted. */
export const admitting = Effect.fnUntraced(function*<A, E, R, RA>(
  run: WebsocketServer.RunOptions<A, RA> & { readonly handler: WebsocketServer.Handler<A, E, R> },
  options?: Options
) {
  const listener = yield* listening(options)
  const fiber = yield* Effect.forkScoped(listener.server.run(run.handler, run), { startImmediately: true })
  return { ...listener, fiber }
})

/**
 * A client that sends its request, and the head of the response. All else is still to be read off its socket, and nothing is
 * answered.
 */
export const knock = Effect.fnUntraced(function*(port: number, changes?: Changes) {
  const socket = yield* dial(port)
  socket.write(request(changes))
  return { socket, ...(yield* takeHead(socket)) }
})

/** The head of a response, and no byte more. */
export const takeHead = Effect.fnUntraced(function*(socket: Socket) {
  const bytes: Array<number> = []
  while (!Buffer.from(bytes.slice(-4)).equals(endOfHead)) bytes.push(...(yield* takeBytes(socket, 1)))
  const { headers, status } = parse(Buffer.from(bytes))
  return { headers, status }
})

const endOfHead = Buffer.from("\r\n\r\n")

/** Waits for our Close frame, which has no reason, and answers its code. */
export const takeClose = (socket: Socket): Effect.Effect<number> =>
  Effect.map(takeBytes(socket, 4), ([first = 0, length, high = 0, low = 0]) => {
    assert.deepStrictEqual([first, length], [0x88, 2])
    return high * 256 + low
  })

/** Holds a connection open and looks at nothing that it brings. */
export const hold = () => Effect.never

/** Sends everything back until the connection ends. */
export const echo: WebsocketServer.Handler<void, unknown, never> = (ws) =>
  Effect.forever(Effect.flatMap(ws.receive, (message) => ws.send(message)))

export interface Log {
  readonly level: string
  readonly message: string
  /** What failed, if something did. */
  readonly errors: ReadonlyArray<unknown>
}

/** Collects what an effect and its fibers log, from the level Info on. */
export const logging = <A, E, R>(
  use: (logs: ReadonlyArray<Log>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E, R | Scope.Scope> => {
  const logs: Array<Log> = []
  const logger = Logger.make<unknown, void>(({ cause, logLevel, message }) => {
    const [text, ...rest] = Array.isArray(message) ? message : [message]
    const errors = cause.reasons.map((reason) =>
      reason._tag === "Fail" ? reason.error : reason._tag === "Die" ? reason.defect : reason._tag
    )
    logs.push({ level: logLevel, message: `${text}`, errors: [...rest, ...errors] })
  })
  return Effect.flatMap(Layer.build(Logger.layer([logger])), (context) => Effect.provideContext(use(logs), context))
}
