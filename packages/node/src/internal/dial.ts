/** One request of a client's on a connection of its own, and the answer to it. */
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { constVoid } from "effect/Function"
import * as diagnostics from "node:diagnostics_channel"
import * as Http from "node:http"
import * as Https from "node:https"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { OpenError } from "../WebsocketError.ts"
import { Excerpt } from "./excerpt.ts"
import { cannotOpen } from "./invalidOption.ts"
import { ioReason, prematureClose } from "./io.ts"
import { hostname } from "./target.ts"

export interface DialOptions {
  readonly socketPath?: string | undefined
  readonly tls?: Https.RequestOptions | undefined
  readonly agent?: Http.Agent | undefined
}

export type Answer = Upgraded | Answered

/** A 101 that upgrades. The bytes behind it are the connection's. */
export interface Upgraded {
  readonly _tag: "Upgraded"
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly socket: Duplex
  readonly head: Uint8Array
}

/** Any other response. */
export interface Answered {
  readonly _tag: "Answered"
  readonly status: number
  readonly headers: Http.IncomingHttpHeaders
  readonly body: Excerpt
}

/**
 * Makes a request, and gives `use` what waits for the answer to it. Whatever was dialled for it is destroyed unless `use` succeeds:
 * then it has taken the socket over.
 */
export const dial = <A, E, R>(
  url: URL,
  handshake: OpeningHandshake.Request,
  options: DialOptions,
  use: (answer: Effect.Effect<Answer, OpenError>) => Effect.Effect<A, E, R>
): Effect.Effect<A, E | OpenError, R> =>
  Effect.acquireUseRelease(
    request(url, handshake, options),
    ({ answer }) => use(answer),
    ({ dialled, request }, exit) =>
      Effect.sync(() => {
        if (Exit.isSuccess(exit)) return
        request.destroy()
        // An upgraded request counts as destroyed, and leaves its socket alone.
        request.socket?.destroy()
        for (const socket of dialled) socket.destroy()
      })
  )

// Listens from now on, in the step that dials: behind it the fiber may be made to yield, and a failure comes once.
const answerTo = (request: Http.ClientRequest): Effect.Effect<Answer, OpenError> => {
  const answer = Deferred.makeUnsafe<Answer, OpenError>()
  const succeed = (value: Answer) => Deferred.doneUnsafe(answer, Exit.succeed(value))
  const fail = (error: Error) => Deferred.doneUnsafe(answer, Exit.fail(new OpenError({ reason: ioReason(error) })))
  // For good: a request that is destroyed before it is answered raises an error.
  request.on("error", fail)
  // An agent may have held it for a while, and Node waits for a "close" that is over.
  request.on("socket", (socket) => {
    if (socket.destroyed) fail(socket.errored ?? prematureClose())
  })
  request.on("upgrade", ({ headers, statusCode: status = 0 }, socket, head) => {
    // Until the stream has it: an error that nobody listens to ends the process.
    socket.on("error", constVoid)
    // An agent may have set a timer, for what it takes for idle.
    if (socket instanceof Socket) socket.setTimeout(0)
    succeed({ _tag: "Upgraded", status, headers, socket, head })
  })
  // What is no upgrade is an answer, too.
  request.on("response", (response) => {
    const { headers, statusCode: status = 0 } = response
    succeed({ _tag: "Answered", status, headers, body: new Excerpt(response) })
  })
  return Effect.suspend(() => {
    request.end()
    // Ours is the only request on this connection: without this an agent would keep it for others, even one that was given
    // up before it was dialled. Only `end` settles what Node makes of the header Connection.
    request.shouldKeepAlive = false
    return Deferred.await(answer)
  })
}

const request = (
  url: URL,
  handshake: OpeningHandshake.Request,
  { agent, socketPath, tls }: DialOptions
): Effect.Effect<Dialled, OpenError> =>
  Effect.try({
    try: () =>
      dialling(() =>
        (url.protocol === "wss:" ? Https : Http).request({
          ...tls,
          auth: undefined,
          hostname: hostname(url),
          port: url.port,
          socketPath,
          method: handshake.method,
          path: handshake.target,
          headers: headersOf(handshake),
          // A connection of its own, and nothing that keeps it for later.
          agent: agent ?? false
        })
      ),
    catch: (cause) => {
      // The values themselves may be keys, which have no place in an error.
      const message = cause instanceof Error ? cause.message : String(cause)
      const [option, expected] = agent === undefined
        ? ["tls", "what node:http and node:https take for a request"]
        : ["agent", `one for the scheme ${url.protocol}, with tls that it takes`]
      return cannotOpen(new OptionError({ option, value: `refused by Node (${message})`, expected }))
    }
  })

interface Dialled {
  readonly request: Http.ClientRequest
  /** Sends it, and waits for what comes of it. */
  readonly answer: Effect.Effect<Answer, OpenError>
  readonly dialled: ReadonlyArray<Socket>
}

// The socket to a proxy is the agent's until the tunnel stands, and an agent of Node's keeps one that the proxy does not
// answer, and forgets one that it refuses. Node tells of each socket that it dials, in this very turn.
const dialling = (make: () => Http.ClientRequest): Dialled => {
  const dialled: Array<Socket> = []
  const onSocket = (message: unknown) => {
    if (hasSocket(message)) dialled.push(message.socket)
  }
  diagnostics.subscribe("net.client.socket", onSocket)
  try {
    const request = make()
    return { request, answer: answerTo(request), dialled }
  } finally {
    diagnostics.unsubscribe("net.client.socket", onSocket)
  }
}

const hasSocket = (message: unknown): message is { readonly socket: Socket } =>
  typeof message === "object" && message !== null && "socket" in message && message.socket instanceof Socket

// Lines of one name as an array. Not all lines as one: to such a request Node adds no credentials for a proxy.
const headersOf = ({ headers }: OpeningHandshake.Request): Http.OutgoingHttpHeaders => {
  const lines = new Map<string, { readonly name: string; readonly values: Array<string> }>()
  for (const [name, value] of headers) {
    const line = lines.get(name.toLowerCase())
    if (line === undefined) lines.set(name.toLowerCase(), { name, values: [value] })
    else line.values.push(value)
  }
  return Object.fromEntries(
    Array.from(
      lines.values(),
      ({ name, values: [value = "", ...rest] }) => rest.length === 0 ? [name, value] : [name, [value, ...rest]]
    )
  )
}
