/** A `WebsocketRequest`, of Node's request and of what it offers. */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Inspectable from "effect/Inspectable"
import type { IncomingHttpHeaders } from "node:http"
import { shared } from "./sharedText.ts"
import type { Arrival } from "./upgrade.ts"

/**
 * What of it somebody asks for is made then: most handlers hold it for as long as they run, and look once. Node's request is not
 * held, nor what hangs on it: three kilobytes.
 */
export class ReceivedRequest extends Inspectable.Class {
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly remoteAddress: string | undefined
  readonly subprotocols: ReadonlyArray<string>

  constructor({ remoteAddress, request }: Arrival, { subprotocols }: OpeningHandshake.Offer) {
    super()
    const { headers, url = "/" } = request
    this.url = url
    this.headers = headers
    // Behind a proxy all have the same.
    this.remoteAddress = remoteAddress === undefined ? undefined : shared(remoteAddress)
    this.subprotocols = subprotocols
  }

  get path(): string {
    const target = this.originForm
    return target.slice(0, endOfPath(target))
  }

  get query(): URLSearchParams {
    const target = this.originForm
    return new URLSearchParams(target.slice(endOfPath(target)))
  }

  // What a log shows. A query, a header and what the client offers to speak may be credentials.
  override toJSON(): unknown {
    const { path, remoteAddress } = this
    return { _id: "@websocket-stream/node/WebsocketRequest", path, remoteAddress }
  }

  // RFC 9112 3.2.2: "a server MUST accept the absolute-form in requests". Who may ask for what must not depend on the form.
  private get originForm(): string {
    const { url } = this
    return OpeningHandshake.resource(url)?.name ?? url
  }
}

// RFC 3986 3.4: the query begins behind the first question mark, and may have others.
const endOfPath = (target: string): number => {
  const at = target.indexOf("?")
  return at < 0 ? target.length : at
}
