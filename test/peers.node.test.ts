import { describe, it } from "@effect/vitest"
import { conversations } from "./support/conversations.ts"
import * as Meeting from "./support/meeting.ts"
import { messageConversations } from "./support/messageConversations.ts"
import * as Web from "./support/webPeer.ts"

describe("the WebSocket of Node", () => {
  for (const { hold, name } of conversations) {
    it.live(name, () => hold(Meeting.asServer("TCP", Web.connectNode)))
  }

  describe("of a WebsocketServer", () => {
    for (const { hold, name } of messageConversations) {
      it.live(name, () => hold(Meeting.asMessageServer("TCP", Web.connectNode, { deflate: true })))
    }
  })
})
