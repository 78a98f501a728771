import { HandshakeError, OpeningHandshake } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { RequestListener } from "node:http"
import { fileURLToPath } from "node:url"

const html = "text/html; charset=utf-8"
const css = "text/css; charset=utf-8"
const javascript = "text/javascript; charset=utf-8"
const svg = "image/svg+xml"

const files = [
  { path: "/", name: "index.html", type: html },
  { path: "/style.css", name: "style.css", type: css },
  { path: "/main.mjs", name: "main.mjs", type: javascript },
  { path: "/inspector.mjs", name: "inspector.mjs", type: javascript },
  { path: "/frames.mjs", name: "frames.mjs", type: javascript },
  { path: "/meter.mjs", name: "meter.mjs", type: javascript },
  { path: "/format.mjs", name: "format.mjs", type: javascript },
  { path: "/icon.svg", name: "icon.svg", type: svg }
]

const securityHeaders = {
  // Not every browser takes 'self' to cover ws:.
  "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws:; base-uri 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-cache"
}

/** Reads the page's files, and answers what gives them out: whatever else is asked for gets its status. */
export const load = Effect.gen(function*() {
  const fs = yield* FileSystem.FileSystem
  const pages = new Map<string, { readonly type: string; readonly body: Uint8Array }>()
  for (const { name, path, type } of files) {
    pages.set(path, { type, body: yield* fs.readFile(fileURLToPath(new URL(`page/${name}`, import.meta.url))) })
  }

  const answer: RequestListener = (request, response) => {
    // The path alone: links may carry a query.
    const [path = ""] = (request.url ?? "").split("?")
    if (isWebsocketPath(path)) {
      const { body, headers, status } = notAnUpgrade
      for (const [name, value] of headers) response.setHeader(name, value)
      response.writeHead(status).end(body)
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD", "Content-Type": "text/plain" }).end("only GET and HEAD\n")
    } else {
      const page = pages.get(path)
      if (page === undefined) response.writeHead(404, { "Content-Type": "text/plain" }).end("not found\n")
      else response.writeHead(200, { ...securityHeaders, "Content-Type": page.type }).end(page.body)
    }
  }
  return answer
})

const isWebsocketPath = (path: string): boolean => path === "/echo" || path === "/inspect"

const notAnUpgrade = OpeningHandshake.reject(new HandshakeError.RequestError({ reason: { _tag: "NotAnUpgrade" } }))
