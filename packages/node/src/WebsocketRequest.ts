/// <reference types="node" preserve="true" />
/**
 * The HTTP request that a connection began with: in the context of whoever admits it and of its handler.
 *
 * @since 0.1.0
 */
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type { IncomingHttpHeaders } from "node:http"

/**
 * What the client asked for.
 *
 * @category services
 * @since 0.1.0
 */
export class WebsocketRequest extends Context.Service<WebsocketRequest, {
  /** What was asked for, as it came: `"/rooms/7?token=x"`. */
  readonly url: string
  /** The path alone, also of a request that named the whole URL: `"/rooms/7"`. */
  readonly path: string
  readonly query: URLSearchParams
  /** Names in lower case, as Node has them. Any may be absent. */
  readonly headers: IncomingHttpHeaders
  /** The address of the other end of TCP, which may be a proxy's; none for a unix socket. */
  readonly remoteAddress: string | undefined
  /** What the client offers to speak, the one that it likes best first. */
  readonly subprotocols: ReadonlyArray<string>
}>()("@websocket-stream/node/WebsocketRequest") {}

/**
 * Refuses a connection before it is open, by an HTTP response.
 *
 * **Example** (A server that wants to know who it is)
 *
 * ```ts
 * import { WebsocketRequest } from "@websocket-stream/node"
 * import { Effect } from "effect"
 *
 * const admit = Effect.gen(function*() {
 *   const { query } = yield* WebsocketRequest.WebsocketRequest
 *   const name = query.get("name")
 *   if (name !== null) return name
 *   return yield* new WebsocketRequest.Refusal({ status: 401, body: "who are you?\n" })
 * })
 *
 * const program = Effect.provideService(admit, WebsocketRequest.WebsocketRequest, {
 *   query: new URLSearchParams("name=Ada")
 * } as WebsocketRequest.WebsocketRequest["Service"])
 * await Effect.runPromise(program) // => "Ada"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Refusal extends Data.TaggedError("Refusal")<{
  /** 300 to 599. */
  readonly status: number
  /** Besides `Connection`, `Content-Length` and, unless it is among them, `Date`. Default: none. */
  readonly headers?: HeaderLines | undefined
  /** Text. Default: empty. */
  readonly body?: string | undefined
}> {
  override get message(): string {
    return `the connection was refused with status ${this.status}`
  }
}
