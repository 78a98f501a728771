import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"

/** The client's request of RFC 6455 1.3. */
export const validRequest: OpeningHandshake.ReceivedRequest = {
  method: "GET",
  httpVersion: "1.1",
  headers: {
    host: "server.example.com",
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    origin: "http://example.com",
    "sec-websocket-protocol": "chat, superchat",
    "sec-websocket-version": "13"
  }
}

/** What that request offers. */
export const validOffer: OpeningHandshake.Offer = {
  key: "dGhlIHNhbXBsZSBub25jZQ==",
  subprotocols: ["chat", "superchat"],
  extensions: undefined
}

/** The server's response of RFC 6455 1.3, as the client's HTTP parser reads it. */
export const validResponse = {
  status: 101,
  headers: {
    upgrade: "websocket",
    connection: "Upgrade",
    "sec-websocket-accept": "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
    "sec-websocket-protocol": "chat"
  }
} satisfies { readonly status: number; readonly headers: OpeningHandshake.Headers }

export const withHeaders = <A extends { readonly headers: OpeningHandshake.Headers }>(
  message: A,
  headers: OpeningHandshake.Headers
): Omit<A, "headers"> & { readonly headers: OpeningHandshake.Headers } => ({
  ...message,
  headers: { ...message.headers, ...headers }
})

/** Header lines as the other end's HTTP parser hands them out. */
export const received = (lines: OpeningHandshake.HeaderLines): OpeningHandshake.Headers =>
  Object.fromEntries(lines.map(([name, value]) => [name.toLowerCase(), value]))

/** Characters that must not get into a header: they end its line, or a proxy may take them for its end. */
export const controlCharacters: ReadonlyArray<string> = [
  ...Array.from({ length: 0x20 }, (_, code) => String.fromCharCode(code)).filter((character) => character !== "\t"),
  "\u007f",
  // Written as Latin-1, as HTTP writers do, these end in the octets CR and LF.
  "\u010d",
  "\u010a"
]
