/** What a WebSocket can run over, each with an HTTP server on it that ends with the scope. */
import * as Effect from "effect/Effect"
import { once } from "node:events"
import * as http from "node:http"
import * as https from "node:https"
import * as Certificate from "../../packages/node/test/support/certificate.ts"
import { socketPath } from "../../packages/node/test/support/paths.ts"
import { front } from "./link.ts"

export type Transport = "TCP" | "TLS" | "a unix socket"

export const transports: ReadonlyArray<Transport> = ["TCP", "TLS", "a unix socket"]

/** Where a server is, and what a client has to know to get there. */
export interface Address {
  readonly url: string
  /** The unix socket to dial instead of the URL's host. */
  readonly socketPath?: string
  /** The certificate to trust. */
  readonly ca?: string
}

/** The certificate of all servers of this run, for localhost and 127.0.0.1. */
export const certificate = Certificate.make()

export const addressOf = (
  transport: Transport,
  at: { readonly port: number; readonly socketPath: string }
): Address => {
  switch (transport) {
    case "TCP":
      return { url: `ws://127.0.0.1:${at.port}/` }
    case "TLS":
      return { url: `wss://127.0.0.1:${at.port}/`, ca: certificate.cert }
    case "a unix socket":
      return { url: "ws://localhost/", socketPath: at.socketPath }
  }
}

export interface Listening {
  readonly server: http.Server
  readonly address: Address
}

/** An HTTP server that listens. It answers requests with an empty page, and leaves upgrades to whoever listens for them. */
export const listen = Effect.fnUntraced(function*(transport: Transport) {
  const server = transport === "TLS" ? https.createServer({ ...certificate }) : http.createServer()
  server.on("request", (_request, response) => response.setHeader("Content-Type", "text/html").end("<!doctype html>"))
  const path = transport === "a unix socket" ? yield* socketPath : ""
  const listener = transport === "TCP" ? front(server) : server
  yield* Effect.acquireRelease(
    Effect.promise(() => once(listener.listen(path === "" ? { host: "127.0.0.1", port: 0 } : { path }), "listening")),
    () => Effect.sync(() => listener.close())
  )
  const bound = listener.address()
  const port = typeof bound === "object" && bound !== null ? bound.port : 0
  return { server, address: addressOf(transport, { port, socketPath: path }) } satisfies Listening
})
