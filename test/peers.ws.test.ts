import { assert, describe, it } from "@effect/vitest"
import { WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import { conversations, frameConversations } from "./support/conversations.ts"
import * as Meeting from "./support/meeting.ts"
import { frameMessageConversations, messageConversations } from "./support/messageConversations.ts"
import { transports } from "./support/transports.ts"
import * as Ws from "./support/wsPeer.ts"

for (const transport of transports) {
  describe(`ws as the client, over ${transport}`, () => {
    for (const { hold, name } of [...conversations, ...frameConversations]) {
      it.live(name, () => hold(Meeting.asServer(transport, Ws.connect)))
    }
  })

  describe(`ws as the server, over ${transport}`, () => {
    for (const { hold, name } of [...conversations, ...frameConversations]) {
      it.live(name, () => hold(Meeting.asClient(transport, Ws.wait)))
    }
  })

  describe(`ws as the client of a WebsocketServer, over ${transport}`, () => {
    for (const { hold, name } of [...messageConversations, ...frameMessageConversations]) {
      it.live(name, () => hold(Meeting.asMessageServer(transport, Ws.connect, { deflate: true })))
    }
  })

  describe(`ws as the server of a Websocket, over ${transport}`, () => {
    for (const { hold, name } of [...messageConversations, ...frameMessageConversations]) {
      it.live(name, () => hold(Meeting.asMessageClient(transport, Ws.wait, { deflate: true })))
    }
  })
}

// What the messages above were compressed with.
it.live("ws agrees to compress with a WebsocketServer", () =>
  Effect.gen(function*() {
    const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: 0, deflate: true })
    yield* Effect.forkScoped(server.run((ws) => ws.closed), { startImmediately: true })
    const { peer, socket } = yield* Ws.dial({ url: WebsocketServer.url(server.address) })
    assert.include(socket.extensions, "permessage-deflate")
    yield* peer.close(1000)
    assert.deepInclude(yield* peer.closed, { code: 1000 })
  }))
