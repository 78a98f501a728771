/** What a server answers to an opening handshake, as it goes out on a socket. */
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { STATUS_CODES, validateHeaderName, validateHeaderValue } from "node:http"

/**
 * The 101. Its headers were checked, and it has no body: RFC 9110 8.6 forbids it to say so. Written character by character, and by
 * numbers: strings that are joined for it, and what goes through pairs, were 600 of the 9,000 bytes that it took to accept a connection.
 */
export const formatAccepted = (headers: OpeningHandshake.HeaderLines): Uint8Array => {
  const lines = headers.length
  let length = switching.length + lineEnd.length
  for (let i = 0; i < lines; i++) {
    const line = headers[i]!
    length += line[0].length + colon.length + textOf(line[1]).length + lineEnd.length
  }
  const bytes = Buffer.allocUnsafe(length)
  let at = write(switching, bytes, 0)
  for (let i = 0; i < lines; i++) {
    const line = headers[i]!
    at = write(line[0], bytes, at)
    at = write(colon, bytes, at)
    at = write(textOf(line[1]), bytes, at)
    at = write(lineEnd, bytes, at)
  }
  write(lineEnd, bytes, at)
  return bytes
}

/**
 * Any other, in answer to a request of this method, at this time in milliseconds since 1970. Throws where a header would not stay in
 * its line.
 */
export const format = (
  { body, headers, status }: OpeningHandshake.Response,
  method: string | undefined,
  now: number
): Uint8Array => {
  const length = ["Content-Length", `${Buffer.byteLength(body)}`] as const
  // RFC 9110 6.6.1: a server with a clock "MUST generate a Date header field in all 2xx [...], 3xx [...], and 4xx [...] responses".
  const date = headers.some(([name]) => name.toLowerCase() === "date")
    ? []
    : [["Date", new Date(now).toUTCString()] as const]
  const lines = [...headers, ...date, length].map(([name, value]) => {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return `${name}: ${value}\r\n`
  })
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`
  // RFC 9110 9.3.2: to HEAD "the server MUST NOT send content in the response".
  const content = method === "HEAD" ? "" : body
  // As Node writes and reads headers, and as their values were checked.
  return Buffer.concat([Buffer.from(head, "latin1"), Buffer.from(content)])
}

// Of a caller without types it may be a number, as Node takes them. What is a string already costs nothing.
const textOf = (value: unknown): string => typeof value === "string" ? value : String(value)

const switching = "HTTP/1.1 101 Switching Protocols\r\n"
const colon = ": "
const lineEnd = "\r\n"

// In Latin-1, as Node writes headers. Answers where the next begins.
const write = (text: string, bytes: Uint8Array, at: number): number => {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i)
  return at + text.length
}
