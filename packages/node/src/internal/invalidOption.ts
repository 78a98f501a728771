/** What those are told whose options cannot be used. */
import type { OptionError } from "@websocket-stream/core/OptionError"
import { InvalidOption, ListenError, OpenError } from "../WebsocketError.ts"

/** Whoever opens a connection. */
export const cannotOpen = (error: OptionError): OpenError => new OpenError({ reason: new InvalidOption({ error }) })

/** Whoever has a server listen. */
export const cannotListen = (error: OptionError): ListenError =>
  new ListenError({ reason: new InvalidOption({ error }) })
