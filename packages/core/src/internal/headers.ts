/**
 * Reading and checking of header values, by one pass over their characters: what a peer wrote is never given to a regular
 * expression.
 */

/** Headers as HTTP parsers hand them out: names in lower case, several lines of a name as an array or joined by commas. */
export type Headers = { readonly [name: string]: string | ReadonlyArray<string> | undefined }

/** The value of a header as one line, or `undefined` where it is absent. */
// RFC 9110 5.3: lines of one name are the same as their values joined by commas.
export const line = (headers: Headers, name: string): string | undefined => {
  const value = headers[name]
  return value === undefined || typeof value === "string" ? value : value.join(", ")
}

/** The header by which a request has content (RFC 9112 6.3), `undefined` if it has none. */
export const contentHeader = (headers: Headers): "Content-Length" | "Transfer-Encoding" | undefined => {
  if (headers["transfer-encoding"] !== undefined) return "Transfer-Encoding"
  const length = line(headers, "content-length")
  return length === undefined || (length !== "" && every(length, (code) => code === 0x30))
    ? undefined
    : "Content-Length"
}

/** The elements of a comma-separated list, trimmed, without empty ones (RFC 9110 5.6.1). */
export const list = (value: string): ReadonlyArray<string> =>
  value.split(",").map(trim).filter((element) => element !== "")

/** Whether a value is the token alone, whatever its case. */
export const isOnlyToken = (value: string | undefined, token: string): boolean =>
  value !== undefined && lowerCase(trim(value)) === token

/** Whether a comma-separated list has the token, whatever its case. */
export const hasToken = (value: string | undefined, token: string): boolean =>
  value !== undefined && (lowerCase(value) === token || list(value).some((element) => lowerCase(element) === token))

/** Without the spaces and tabs around it, and nothing else: `String.trim` takes more for white space than HTTP does. */
export const trim = (text: string): string => {
  let start = 0
  let end = text.length
  while (start < end && isSpace(text.charCodeAt(start))) start++
  while (end > start && isSpace(text.charCodeAt(end - 1))) end--
  return text.slice(start, end)
}

/** Whether the text is a token of RFC 9110 5.6.2: visible ASCII without delimiters, at least one character. */
export const isToken = (text: string): boolean => text !== "" && every(text, isTokenCharacter)

/** Whether the text may be a field value of RFC 9110 5.5: no control characters but the tab, and no code units past Latin-1. */
export const isFieldValue = (text: string): boolean =>
  every(text, (code) => code === 0x09 || (code >= 0x20 && code !== 0x7f && code <= 0xff))

/** Whether the text is visible ASCII, at least one character. */
export const isVisible = (text: string): boolean => text !== "" && every(text, (code) => code > 0x20 && code < 0x7f)

/** Where the colon before a port stands, below zero where there is none. Those of an IPv6 address stand in brackets. */
export const portAt = (authority: string): number => authority.indexOf(":", authority.lastIndexOf("]") + 1)

/** Whether the text is a port of TCP, in decimal digits (RFC 3986 3.2.3). */
export const isPort = (text: string): boolean => text !== "" && every(text, isDigit) && Number(text) <= 65_535

/** Whether the text is the value of a `Host` (RFC 9110 7.2): a host, which may be empty (RFC 3986 3.2.2), and a port or none. */
export const isHost = (text: string): boolean => {
  const colon = portAt(text)
  const host = colon < 0 ? text : text.slice(0, colon)
  return (colon < 0 || every(text.slice(colon + 1), isDigit)) &&
    (host.startsWith("[") && host.endsWith("]")
      ? every(host.slice(1, -1), (code) => code === 0x3a || isNameCharacter(code))
      : every(host, isNameCharacter))
}

/** Whether the text may stand as a request target (RFC 9112 3.2.1): a path, with a query or without, and no fragment. */
export const isRequestTarget = (text: string): boolean => isVisible(text) && text.startsWith("/") && !text.includes("#")

/** Whether the text is the Base64 form of 16 bytes (RFC 4648 4). */
export const isBase64Of16Bytes = (text: string): boolean =>
  text.length === 24 && text.endsWith("==") && every(text.slice(0, 22), isBase64Character)

const every = (text: string, holds: (code: number) => boolean): boolean => {
  for (let i = 0; i < text.length; i++) {
    if (!holds(text.charCodeAt(i))) return false
  }
  return true
}

// Of ASCII alone: beyond it there are letters whose lower case is an ASCII letter.
const lowerCase = (text: string): string => (every(text, isAscii) ? text.toLowerCase() : text)

const isAscii = (code: number): boolean => code < 0x80

const isSpace = (code: number): boolean => code === 0x20 || code === 0x09

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39

const isAlphanumeric = (code: number): boolean =>
  isDigit(code) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

const isTokenCharacter = (code: number): boolean =>
  isAlphanumeric(code) || "!#$%&'*+-.^_`|~".includes(String.fromCharCode(code))

// RFC 3986 3.2.2: unreserved characters, sub-delims, and the sign of those that are percent-encoded.
const isNameCharacter = (code: number): boolean =>
  isAlphanumeric(code) || "-._~!$&'()*+,;=%".includes(String.fromCharCode(code))

const isBase64Character = (code: number): boolean => isAlphanumeric(code) || code === 0x2b || code === 0x2f
