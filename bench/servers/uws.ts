/** uWebSockets.js, where it is installed. It is written in C++, and not on the npm registry. */
import * as Effect from "effect/Effect"
import { Failure } from "../support/failure.ts"
import { type Listen, maxMessageSize } from "./task.ts"

/** What we use of it: it brings its own types only where it is installed. */
interface UWebSockets {
  readonly App: () => App
  readonly us_socket_local_port: (socket: object) => number
  readonly us_listen_socket_close: (socket: object) => void
}

interface App {
  readonly ws: (pattern: string, behaviour: Behaviour) => App
  readonly listen: (host: string, port: number, callback: (socket: object | false) => void) => App
}

interface Behaviour {
  readonly maxPayloadLength: number
  readonly maxBackpressure: number
  /** Seconds. */
  readonly idleTimeout: number
  readonly open: (ws: WebSocket) => void
  readonly message: (ws: WebSocket, message: ArrayBuffer, isBinary: boolean) => void
}

interface WebSocket {
  readonly send: (message: ArrayBuffer, isBinary: boolean) => number
  readonly subscribe: (topic: string) => boolean
  /** To all who subscribed to the topic, but not to itself. */
  readonly publish: (topic: string, message: ArrayBuffer, isBinary: boolean) => boolean
}

export const listen: Listen = (task) =>
  Effect.gen(function*() {
    const uws = yield* Effect.promise((): Promise<{ readonly default: UWebSockets }> => import(specifier))
    const { App, us_listen_socket_close, us_socket_local_port } = uws.default
    const app = App().ws("/*", {
      maxPayloadLength: maxMessageSize,
      maxBackpressure: 2 * maxMessageSize,
      idleTimeout: 0,
      open: (ws) => {
        if (task === "broadcast") ws.subscribe("all")
      },
      message: (ws, message, isBinary) => {
        if (task === "echo") ws.send(message, isBinary)
        else ws.publish("all", message, isBinary)
      }
    })
    const socket = yield* Effect.acquireRelease(
      Effect.callback<object, Failure>((resume) => {
        app.listen("127.0.0.1", 0, (socket) =>
          resume(
            socket === false
              ? Effect.fail(new Failure({ message: "uWebSockets.js cannot listen" }))
              : Effect.succeed(socket)
          ))
      }),
      (socket) => Effect.sync(() => us_listen_socket_close(socket))
    )
    return us_socket_local_port(socket)
  })

// A name that the type checker does not look for.
const specifier: string = "uWebSockets.js"
