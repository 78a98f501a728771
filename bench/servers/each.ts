/** Ours by messages, one at a time: what one would write first. */
import { toOthers } from "./others.ts"
import * as Ours from "./ours.ts"

export const listen = Ours.listen({
  echo: (ws) => ws.runForEach((message) => ws.send(message)),
  broadcast: (ws, all) => ws.runForEach((message) => toOthers(all, ws, (other) => other.send(message)))
})
