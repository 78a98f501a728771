/** An HTTP server of Effect's over ours, as routes that a test wrote down, and what its clients say and get. */
import { assert } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Websocket } from "@websocket-stream/node/Websocket"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as WebsocketHttpServer from "@websocket-stream/node/WebsocketHttpServer"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import { identity } from "effect/Function"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServer from "effect/http/HttpServer"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { createServer } from "node:http"
import { decode } from "./frames.ts"
import { request } from "./http.ts"

export interface Options extends Partial<WebsocketHttpServer.Options> {
  readonly server?: ReturnType<WebsocketHttpServer.Evaluate>
  readonly disableLogger?: boolean
  /** Whatever goes around the whole application. */
  readonly around?: <E, R>(app: App<E, R>) => App<E, HttpServerRequest | Scope.Scope | R>
}

type App<E, R> = Effect.Effect<HttpServerResponse.HttpServerResponse, E, R>

/** Serves routes until the scope closes. */
export const serving = <E, R>(routes: Layer.Layer<never, E, R>, options: Options = {}) => {
  const { around = identity, disableLogger = true, server = createServer(), ...listen } = options
  const all = { port: 0, host: "127.0.0.1", ...listen }
  const served = HttpRouter.serve(routes, { disableListenLog: true, disableLogger, middleware: around }).pipe(
    Layer.provideMerge(WebsocketHttpServer.layer(() => server, all))
  )
  return Effect.map(Layer.build(served), (context) => {
    const { address } = Context.get(context, HttpServer.HttpServer)
    const port = "port" in address ? address.port : 0
    const connect = (path: string, options?: WebsocketClient.Options) =>
      WebsocketClient.connect(`ws://127.0.0.1:${port}${path}`, options)
    return { port, connect }
  })
}

/** A route whose WebSocket the handler has, and whose response nobody gets. */
export const websocket = <E, R>(
  path: HttpRouter.PathInput,
  handler: (ws: Websocket["Service"]) => Effect.Effect<unknown, E, R>,
  options?: WebsocketHttpServer.UpgradeOptions
) =>
  HttpRouter.add(
    "GET",
    path,
    WebsocketHttpServer.upgrade(options).pipe(
      Effect.flatMap(handler),
      Effect.as(HttpServerResponse.text("nobody gets this"))
    )
  )

/** For clients that do not answer a Close frame. */
export const closeDeadline = "20 millis"

/** The next message, which has to be a text. */
export const textOf = Effect.fnUntraced(function*({ receive }: Websocket["Service"]) {
  const message = yield* receive
  return message._tag === "Text" ? message.text : assert.fail("a binary message")
})

/** A handshake for a path, with headers to add or to change. */
export const handshake = (path: string, headers?: { readonly [name: string]: string | undefined }) =>
  request({ line: `GET ${path} HTTP/1.1`, headers: headers ?? {} })

/** The codes of the Close frames in what a client got behind the 101, which has to be frames. */
export const codes = (bytes: Uint8Array) =>
  decode("server", bytes).filter(({ opcode }) => opcode === Opcode.Close).map(({ payload }) =>
    Buffer.from(payload).readUInt16BE()
  )
