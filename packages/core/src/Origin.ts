/**
 * Which pages may connect: a browser names the origin of the page in the header `Origin`, and a server that serves a user by
 * cookie has to look, because a page of any site may open a connection to it (RFC 6455 10.2).
 *
 * A client that sends no `Origin` is no browser, and nothing that this check could keep out.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { RequestError } from "./HandshakeError.ts"
import { type Headers, isPort, isVisible, line, portAt } from "./internal/headers.ts"
import { OptionError } from "./OptionError.ts"

/**
 * What may connect besides the pages of the server's own host: origins like `"https://app.example.com"`, or whatever a
 * function says yes to, given the header as it came.
 *
 * @category models
 * @since 0.1.0
 */
export type Allowed = ReadonlyArray<string> | ((origin: string) => boolean)

/**
 * Answers why a request may not connect, or `undefined`.
 *
 * @category models
 * @since 0.1.0
 */
export type Check = (headers: Headers) => RequestError | undefined

/**
 * The check of a server.
 *
 * **Details**
 *
 * Without more, the host and port of the origin must be those of the header `Host`; the scheme need not be looked at, and
 * behind a proxy that ends TLS could not be. A proxy has to pass `Host` on as it came. Fails with an `OptionError` for what is
 * no origin.
 *
 * **Example** (A page of another site)
 *
 * ```ts
 * import { Origin } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const check = Result.getOrThrow(Origin.check(["https://app.example.com"]))
 * const answers = ["https://example.com", "https://app.example.com", "https://elsewhere.test"].map((origin) =>
 *   check({ host: "example.com", origin })?.status)
 * answers // => [undefined, undefined, 403]
 * ```
 *
 * @category server
 * @since 0.1.0
 */
export const check = (allowed: Allowed = []): Result.Result<Check, OptionError> => {
  const others = typeof allowed === "function" ? Result.succeed(allowed) : anyOf(allowed)
  return Result.map(others, (isAllowed) => (headers) => {
    const origin = line(headers, "origin")
    if (origin === undefined || isSameHost(origin, line(headers, "host")) || isAllowed(origin)) return undefined
    // RFC 6455 4.2.2: "it MUST return an appropriate HTTP error code (e.g., 403 Forbidden)".
    return new RequestError({ reason: { _tag: "ForbiddenOrigin", origin } })
  })
}

const anyOf = (origins: ReadonlyArray<string>): Result.Result<(origin: string) => boolean, OptionError> => {
  const known = new Set<string>()
  for (const [i, value] of origins.entries()) {
    const origin = parse(value)
    if (origin === undefined) {
      return Result.fail(
        new OptionError({ option: `origins[${i}]`, value, expected: "an origin like https://example.com:8443" })
      )
    }
    known.add(origin.normal)
  }
  return Result.succeed((origin) => known.has(parse(origin)?.normal ?? ""))
}

const isSameHost = (value: string, host: string | undefined): boolean => {
  const origin = parse(value)
  return origin !== undefined && host !== undefined && origin.host === withoutPort(host.toLowerCase(), origin.scheme)
}

// RFC 6454 7: scheme "://" host [ ":" port ]. What is none, "null" among it, is the same as nothing.
const parse = (value: string) => {
  const at = value.indexOf("://")
  const authority = value.slice(at + 3).toLowerCase()
  if (at < 1 || !isVisible(value) || !isAuthority(authority)) return undefined
  const scheme = value.slice(0, at).toLowerCase()
  const host = withoutPort(authority, scheme)
  return { scheme, host, normal: `${scheme}://${host}` }
}

const isAuthority = (text: string): boolean => {
  const colon = portAt(text)
  const host = colon < 0 ? text : text.slice(0, colon)
  if (host === "" || notInHosts.some((character) => text.includes(character))) return false
  return colon < 0 || isPort(text.slice(colon + 1))
}

const notInHosts = ["/", "?", "#", "@", "\\", "+", "*"]

const withoutPort = (authority: string, scheme: string): string => {
  const colon = portAt(authority)
  return colon >= 0 && authority.slice(colon + 1) === defaultPorts.get(scheme) ? authority.slice(0, colon) : authority
}

const defaultPorts: ReadonlyMap<string, string> = new Map([["http", "80"], ["https", "443"]])
