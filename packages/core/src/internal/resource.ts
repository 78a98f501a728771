import { isHost, isRequestTarget } from "./headers.ts"

/** What a request asks for. */
export interface Resource {
  /** The resource name of RFC 6455 3: a path, with a query or without. */
  readonly name: string
  /** The host, with a port or without, where the target names it: it counts, and not the header `Host` (RFC 9112 3.2.2). */
  readonly host: string | undefined
}

/** What a request target names, or `undefined` for one that is no opening handshake's. */
// RFC 6455 4.2.1: a "/resource name/ (or an absolute HTTP/HTTPS URI containing the /resource name/)".
export const resource = (target: string): Resource | undefined => {
  if (isRequestTarget(target)) return { name: target, host: undefined }
  const from = endOfScheme(target)
  if (from === undefined) return undefined
  const to = endOfAuthority(target, from)
  const host = target.slice(from, to)
  const rest = target.slice(to)
  const name = rest.startsWith("/") ? rest : `/${rest}`
  // RFC 9110 4.2.1: "A recipient that processes such a URI reference MUST reject it", where its host is empty. 4.2.4: with
  // userinfo it is an error.
  return host !== "" && !host.startsWith(":") && isHost(host) && isRequestTarget(name) ? { name, host } : undefined
}

const endOfScheme = (target: string): number | undefined => {
  // As long as the longer of the two.
  const start = target.slice(0, 8).toLowerCase()
  return start.startsWith("http://") ? 7 : start === "https://" ? 8 : undefined
}

const endOfAuthority = (target: string, from: number): number => {
  for (let i = from; i < target.length; i++) {
    if ("/?#".includes(target[i]!)) return i
  }
  return target.length
}
