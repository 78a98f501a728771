/** Header lines that we send: what may stand in one, and which are the handshake's own. */
import { OptionError } from "../OptionError.ts"
import { isFieldValue, isToken } from "./headers.ts"

/** Header lines to send, in order. */
export type HeaderLines = ReadonlyArray<readonly [name: string, value: string]>

/** What is wrong with header lines of an application's, or `undefined`. */
// Also what keeps a value from ending its line and beginning another. Values may be secrets: no error shows them.
export const checkHeaders = (headers: HeaderLines): OptionError | undefined => {
  for (const [name, value] of headers) {
    const option = `headers.${name}`
    if (!isToken(name)) return new OptionError({ option, value: name, expected: "named by a token (RFC 9110 5.6.2)" })
    if (ownHeaders.has(name.toLowerCase())) {
      return new OptionError({ option, value: "given", expected: "absent: the handshake sets it" })
    }
    if (!isFieldValue(value)) {
      const expected = "free of control characters, and of characters beyond Latin-1"
      return new OptionError({ option, value: "not", expected })
    }
  }
  return undefined
}

const ownHeaders = new Set([
  "host",
  "upgrade",
  "connection",
  "content-length",
  "transfer-encoding",
  "trailer",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-extensions"
])
