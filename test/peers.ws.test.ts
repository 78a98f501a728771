import { describe, it } from "@effect/vitest"
import { conversations, frameConversations } from "./support/conversations.ts"
import * as Meeting from "./support/meeting.ts"
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
}
