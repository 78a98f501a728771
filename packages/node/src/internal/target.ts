/** Where a client connects to, and what it shows there. */
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Result from "effect/Result"
import { basicAuth, redacted } from "./basicAuth.ts"
import { hasControls } from "./controls.ts"

export interface Target {
  /** Without userinfo: that is among the headers. */
  readonly url: URL
  /** What goes with the request besides the handshake's own headers. */
  readonly headers: HeaderLines
}

/** Fails with an `OptionError` that has no secrets: what a URL says before its host is left out. */
export const parse = (url: string | URL, headers: HeaderLines = []): Result.Result<Target, OptionError> => {
  const wrong = (expected: string, value = redacted(String(url))) =>
    Result.fail(new OptionError({ option: "url", value, expected }))
  // A URL parser drops the ends of lines, and what it makes of the rest is not what was written.
  if (hasControls(String(url))) return wrong("free of control characters", JSON.stringify(redacted(String(url))))
  const parsed = URL.parse(url)
  if (parsed === null) return wrong(flawOf(String(url)))
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") return wrong(ofScheme)
  // RFC 6455 3: "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used". To a URL parser the
  // hash of an empty one is that of none.
  if (parsed.href.includes("#")) return wrong("free of a fragment")
  const authorization = basicAuth(parsed)
  if (Result.isFailure(authorization)) return wrong(authorization.failure)
  return Result.succeed({
    url: withoutUserinfo(parsed),
    headers: authorization.success === undefined || headers.some(([name]) => name.toLowerCase() === "authorization")
      ? headers
      : [["Authorization", authorization.success], ...headers]
  })
}

// What one must be that is none: URL parsers do not tell.
const flawOf = (url: string): string => {
  if (!/^ *wss?:/i.test(url)) return ofScheme
  return URL.canParse(url.replace(/^( *wss?:\/*[^/?#]+):[^@/?#]*/i, "$1"))
    ? "one whose port is a number from 0 to 65535"
    : "one whose host is a name or an address"
}

const ofScheme = "an absolute URL of scheme ws: or wss:"

/** The host as a resolver takes it: a literal IPv6 address stands in brackets in a URL, and nowhere else. */
export const hostname = ({ hostname }: URL): string => hostname.startsWith("[") ? hostname.slice(1, -1) : hostname

export const withoutUserinfo = (url: URL): URL => {
  const bare = new URL(url)
  bare.username = ""
  bare.password = ""
  return bare
}
