import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { Closing } from "@websocket-stream/core/Connection"
import { Closed } from "../WebsocketError.ts"

/** The end of a stream without a Close frame. RFC 6455 7.1.5: "considered to be 1006". */
export const abnormal = (by: "Peer" | "Us", truncated = false): Closed =>
  new Closed({ by, code: CloseCode.AbnormalClosure, reason: "", clean: false, truncated })

/** The end of a connection, as far as it has gone: what the peer said, and who began. */
export const closedAs = ({ by = "Peer", received }: Closing): Closed =>
  received === undefined || received.code === CloseCode.AbnormalClosure
    ? abnormal(by)
    : new Closed({ by, code: received.code, reason: received.reason, clean: true, truncated: false })
