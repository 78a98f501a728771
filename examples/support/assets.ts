import { HandshakeError, OpeningHandshake } from "@websocket-stream/core"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import type { RequestListener } from "node:http"
import { extname } from "node:path"
import { fileURLToPath } from "node:url"

/** What pages are made of. Whatever else lies in their folders is not given out. */
const types = new Map([
  [".css", "text/css; charset=utf-8"],
  [".mjs", "text/javascript; charset=utf-8"],
  [".svg", "image/svg+xml"]
])

const securityHeaders = {
  // Not every browser takes 'self' to cover ws:.
  "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws:; base-uri 'none'; frame-ancestors 'none'",
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-cache"
}

/** What a page consists of. Its paths are those of the files in examples/, and those in a browser, too. */
export interface Page {
  /** The HTML that is given out at `/`. It takes other files in: `<!-- include chat/page/panel.html -->`. */
  readonly index: string
  /** Where its styles, modules and pictures are. */
  readonly folders: ReadonlyArray<string>
  /** Where it opens its WebSockets: a request there that opens none is told so. */
  readonly endpoints: ReadonlyArray<string>
}

/** Reads the page's files, and answers what gives them out: whatever else is asked for gets its status. */
export const load = Effect.fnUntraced(function*({ endpoints, folders, index }: Page) {
  const fs = yield* FileSystem.FileSystem
  const read = (path: string) => fs.readFileString(inExamples(path))

  const files = new Map<string, { readonly type: string; readonly body: string }>()
  // Every other part is the path of a file to take in.
  const parts = (yield* read(index)).split(/<!-- include (\S+) -->\n/)
  const html = yield* Effect.forEach(parts, (part, i) => i % 2 === 0 ? Effect.succeed(part) : read(part))
  files.set("/", { type: "text/html; charset=utf-8", body: html.join("") })
  for (const folder of folders) {
    for (const name of yield* fs.readDirectory(inExamples(folder))) {
      const type = types.get(extname(name))
      if (type !== undefined) files.set(`/${folder}/${name}`, { type, body: yield* read(`${folder}/${name}`) })
    }
  }

  const answer: RequestListener = (request, response) => {
    // The path alone: links may carry a query.
    const [path = ""] = (request.url ?? "").split("?")
    const file = files.get(path)
    if (endpoints.includes(path)) {
      const { body, headers, status } = notAnUpgrade
      for (const [name, value] of headers) response.setHeader(name, value)
      response.writeHead(status).end(body)
    } else if (request.method !== "GET" && request.method !== "HEAD") {
      response.writeHead(405, { Allow: "GET, HEAD", "Content-Type": "text/plain" }).end("only GET and HEAD\n")
    } else if (file === undefined) {
      response.writeHead(404, { "Content-Type": "text/plain" }).end("not found\n")
    } else response.writeHead(200, { ...securityHeaders, "Content-Type": file.type }).end(file.body)
  }
  return answer
})

const notAnUpgrade = OpeningHandshake.reject(new HandshakeError.RequestError({ reason: { _tag: "NotAnUpgrade" } }))

const inExamples = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))
