/** Where a response sends us on to (RFC 9110 15.4), and what may go along. */
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as Result from "effect/Result"
import type { IncomingHttpHeaders } from "node:http"
import { InvalidRedirect } from "../WebsocketError.ts"
import { redacted } from "./basicAuth.ts"
import { type Target, withoutUserinfo } from "./target.ts"

/** The target behind this one, `undefined` if the response names none. */
export const next = (
  from: Target,
  status: number,
  { location }: IncomingHttpHeaders
): Result.Result<Target, InvalidRedirect> | undefined => {
  if (!redirects.has(status) || location === undefined) return undefined
  const wrong = (expected: string) =>
    Result.fail(new InvalidRedirect({ status, location: redacted(location), expected }))
  const resolved = URL.parse(inOctets(location), from.url)
  const protocol = protocols.get(resolved?.protocol)
  const ofScheme = "a URL of scheme ws:, wss:, http: or https:"
  // URL parsers do not tell what is wrong. A host in other octets than UTF-8 shows as one that is right.
  if (resolved === null) return wrong(`${ofScheme} with a host in UTF-8, and a port from 0 to 65535 if it has one`)
  if (protocol === undefined) return wrong(ofScheme)
  // What was asked for in secret is not to be asked again in the clear.
  if (from.url.protocol === "wss:" && protocol === "ws:") {
    return wrong("wss: or https:, as the connection was secure before")
  }
  // What a server writes there are not our credentials, and a fragment is nothing that could be asked for.
  const url = withoutUserinfo(resolved)
  url.protocol = protocol
  url.hash = ""
  // The default port is left out of a host, so that ws: and wss: without a port are the same one.
  return Result.succeed({ url, headers: url.host === from.url.host ? from.headers : withoutCredentials(from.headers) })
}

// Node reads a header as Latin-1, and a URL parser has characters in UTF-8: what a server writes beyond ASCII would be asked for in
// other octets than its own.
const inOctets = (location: string): string => Array.from(location, inAscii).join("")

const inAscii = (octet: string): string =>
  octet < "\u0080" ? octet : `%${octet.charCodeAt(0).toString(16).toUpperCase()}`

const redirects: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

const protocols: ReadonlyMap<string | undefined, "ws:" | "wss:"> = new Map([
  ["ws:", "ws:"],
  ["http:", "ws:"],
  ["wss:", "wss:"],
  ["https:", "wss:"]
])

const withoutCredentials = (headers: HeaderLines): HeaderLines =>
  headers.filter(([name]) => !credentials.has(name.toLowerCase()))

const credentials: ReadonlySet<string> = new Set(["authorization", "cookie", "proxy-authorization"])
