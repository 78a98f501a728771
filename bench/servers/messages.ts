/** Ours by messages, all that there are at a time: the way that is there for speed. */
import { toOthers } from "./others.ts"
import * as Ours from "./ours.ts"

export const listen = Ours.listen({
  echo: (ws) => ws.runForEachArray(ws.sendAll),
  broadcast: (ws, all) => ws.runForEachArray((messages) => toOthers(all, ws, (other) => other.sendAll(messages)))
})
