import type { OpeningHandshake } from "@websocket-stream/core"
import { WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { createServer } from "node:http"
import { listen } from "../support/listen.ts"
import * as Assets from "./assets.ts"
import { control, maxCommandSize } from "./control.ts"
import { echo, unwatched } from "./echo.ts"
import { Sessions } from "./session.ts"

/** The largest frame that the echo takes, in bytes: files are sent by hand here. */
const maxFrameSize = 16 * 1024 * 1024

/**
 * Serves the page and its two WebSocket endpoints on a port of 127.0.0.1 until the scope closes, and answers the port:
 * 0 picks a free one.
 */
export const serve = Effect.fnUntraced(function*(options: { readonly port: number }) {
  const server = createServer(yield* Assets.load)
  // Before it listens, so that when the scope closes nobody new comes in while those who are there are told.
  yield* Effect.forkScoped(WebsocketUpgrade.runUpgrades(server, route(new Sessions())))
  return yield* listen(server, options.port)
})

const route = (sessions: Sessions) => {
  const inspectOne = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade) {
    const { stream } = yield* WebsocketUpgrade.accept(upgrade, { limits: { maxFrameSize: maxCommandSize } })
    yield* control(stream, yield* sessions.open)
  })

  const echoOne = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade, id: string | null) {
    const session = id === null ? undefined : sessions.get(id)
    if (id !== null && session === undefined) return yield* WebsocketUpgrade.reject(upgrade, notFound("session"))
    const { stream } = yield* WebsocketUpgrade.accept(upgrade, { mode: session?.mode, limits: { maxFrameSize } })
    if (session !== undefined) yield* session.attach(stream)
    return yield* echo(stream, session ?? unwatched)
  })

  return (upgrade: WebsocketUpgrade.Upgrade) => {
    // Only path and query of it are looked at.
    const url = URL.parse(upgrade.request.url ?? "", "http://localhost")
    if (url?.pathname === "/echo") return echoOne(upgrade, url.searchParams.get("session"))
    if (url?.pathname === "/inspect") return inspectOne(upgrade)
    return WebsocketUpgrade.reject(upgrade, notFound("endpoint"))
  }
}

const notFound = (what: string): OpeningHandshake.Response => ({
  status: 404,
  headers: [["Connection", "close"], ["Content-Type", "text/plain; charset=utf-8"]],
  body: `no such ${what}\n`
})
