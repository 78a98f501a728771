import { WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { notFound } from "../support/notFound.ts"
import { control, maxCommandSize } from "./control.ts"
import { echo, unwatched } from "./echo.ts"
import { Sessions } from "./session.ts"

/** The largest frame that the echo takes, in bytes: files are sent by hand here. */
const maxFrameSize = 16 * 1024 * 1024

/** The inspector's two WebSockets: its control channel, and the echo that is watched. */
export const make = () => {
  const sessions = new Sessions()

  const openControl = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade) {
    const { stream } = yield* WebsocketUpgrade.accept(upgrade, { limits: { maxFrameSize: maxCommandSize } })
    yield* control(stream, yield* sessions.open)
  })

  const openEcho = Effect.fnUntraced(function*(upgrade: WebsocketUpgrade.Upgrade, id: string | null) {
    const session = id === null ? undefined : sessions.get(id)
    if (id !== null && session === undefined) return yield* WebsocketUpgrade.reject(upgrade, notFound("session"))
    const { stream } = yield* WebsocketUpgrade.accept(upgrade, { mode: session?.mode, limits: { maxFrameSize } })
    if (session !== undefined) yield* session.attach(stream)
    return yield* echo(stream, session ?? unwatched)
  })

  return { openControl, openEcho }
}
