/** A `WebsocketRequest`, of Node's request and of what it offers. */
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"

/** What of it somebody asks for is made then: most handlers hold it for as long as they run, and look once. */
export class ReceivedRequest {
  readonly incoming: IncomingMessage
  readonly subprotocols: ReadonlyArray<string>
  // Node forgets it with the socket.
  readonly remoteAddress: string | undefined

  constructor(incoming: IncomingMessage, { subprotocols }: OpeningHandshake.Offer) {
    this.incoming = incoming
    this.remoteAddress = incoming.socket.remoteAddress
    this.subprotocols = subprotocols
  }

  get url(): string {
    return this.incoming.url ?? "/"
  }

  get path(): string {
    const target = this.originForm
    return target.slice(0, endOfPath(target))
  }

  get query(): URLSearchParams {
    const target = this.originForm
    return new URLSearchParams(target.slice(endOfPath(target)))
  }

  get headers(): IncomingHttpHeaders {
    return this.incoming.headers
  }

  // RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests". Who may ask for what must not depend on the form.
  private get originForm(): string {
    const { url } = this
    const absolute = url.startsWith("/") ? null : URL.parse(url)
    return absolute === null ? url : `${absolute.pathname}${absolute.search}`
  }
}

// RFC 3986 3.4: the query begins behind the first question mark, and may have others.
const endOfPath = (target: string): number => {
  const at = target.indexOf("?")
  return at < 0 ? target.length : at
}
