/** Streams that have a port, which is found through the stream: closures of each one's own would cost half a kilobyte. */
import type { Duplex } from "node:stream"

/** What a stream has its port by. */
export const port: unique symbol = Symbol("@websocket-stream/node/port")

/** Whether a port was opened on it before: a second one would get its bytes, and the first none. */
export const isTaken = (duplex: Duplex): boolean => port in duplex
