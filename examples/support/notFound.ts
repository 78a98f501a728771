import type { OpeningHandshake } from "@websocket-stream/core"

/** Answers an upgrade to what is not there. */
export const notFound = (what: string): OpeningHandshake.Response => ({
  status: 404,
  headers: [["Connection", "close"], ["Content-Type", "text/plain; charset=utf-8"]],
  body: `no such ${what}\n`
})
