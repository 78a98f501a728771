import { describe, layer } from "@effect/vitest"
import { conversations, frameConversations } from "./support/conversations.ts"
import * as Meeting from "./support/meeting.ts"
import { frameMessageConversations, messageConversations } from "./support/messageConversations.ts"
import * as Python from "./support/pythonPeer.ts"
import { transports } from "./support/transports.ts"

// apt-get install python3-websockets
describe.skipIf(!Python.isInstalled)("websockets of Python", () => {
  layer(Python.Python.layer, { excludeTestServices: true })((it) => {
    for (const transport of transports) {
      describe(`as the client, over ${transport}`, () => {
        for (const { hold, name } of [...conversations, ...frameConversations]) {
          it.effect(name, () => hold(Meeting.asServer(transport, Python.connect)))
        }
      })

      describe(`as the server, over ${transport}`, () => {
        for (const { hold, name } of [...conversations, ...frameConversations]) {
          it.effect(name, () => hold(Meeting.asClient(transport, Python.wait)))
        }
      })

      describe(`as the client of a WebsocketServer, over ${transport}`, () => {
        for (const { hold, name } of [...messageConversations, ...frameMessageConversations]) {
          it.effect(name, () => hold(Meeting.asMessageServer(transport, Python.connect, { deflate: true })))
        }
      })

      describe(`as the server of a Websocket, over ${transport}`, () => {
        for (const { hold, name } of [...messageConversations, ...frameMessageConversations]) {
          it.effect(name, () => hold(Meeting.asMessageClient(transport, Python.wait, { deflate: true })))
        }
      })
    }
  })
})
