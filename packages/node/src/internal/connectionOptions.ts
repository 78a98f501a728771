import * as Budget from "@websocket-stream/core/Budget"
import type * as Connection from "@websocket-stream/core/Connection"
import type { Limits } from "@websocket-stream/core/Limits"
import type { Role } from "@websocket-stream/core/Role"
import { isUtf8 } from "node:buffer"
import { allocate } from "./allocate.ts"

/** What the protocol of a connection is told. A server's connections share one, which each of them keeps. */
export const connectionOptions = (role: Role, limits: Limits): Connection.Options => {
  if (newest?.role !== role || newest.limits !== limits) {
    const { maxFragments, maxHeldBytes, maxMessageSize } = limits
    newest = { role, limits, maxMessageSize, maxFragments, maxHeldBytes, budget, allocate, isUtf8 }
  }
  return newest
}

let newest: Connection.Options & { readonly limits: Limits } | undefined

// What unfinished messages hold, of all connections of the process together.
const budget = Budget.make()
