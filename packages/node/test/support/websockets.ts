/** Our end of a connection as a `Websocket`, whose peer is the test. */
import * as Websocket from "@websocket-stream/node/Websocket"
import * as Effect from "effect/Effect"
import { Scripted } from "./scripted.ts"
import { make } from "./streams.ts"

export type Ws = Websocket.Websocket["Service"]

/** Compression in which no message has to do with the one before. */
export const withoutTakeover: Websocket.Options = {
  deflate: {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    serverMaxWindowBits: 15,
    clientMaxWindowBits: 15
  }
}

/** A server's, over a scripted stream. Its scope waits for nobody. */
export const scripted = Effect.fnUntraced(function*(
  options?: Websocket.Options,
  duplexOptions?: ConstructorParameters<typeof Scripted>[0]
) {
  const duplex = new Scripted(duplexOptions)
  const stream = yield* make(duplex, { role: "server" })
  const ws = yield* Websocket.make(stream, { closeDeadline: 0, ...options })
  return { duplex, ws }
})
