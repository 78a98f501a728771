/** What the load sends and what it must get back, byte for byte: all of it is known before the first connection. */
import { Frame, Opcode } from "@websocket-stream/core"
import { randomBytes } from "node:crypto"

/** One request and its reply. */
export interface Exchange {
  readonly request: Uint8Array
  readonly reply: Uint8Array
}

export type Protocol = "websocket" | "tcp"

/** A binary message that comes back: as one frame without a mask, or as the very bytes where there is no protocol. */
export const message = (protocol: Protocol, size: number): Exchange => {
  const exchange = inFrames(Opcode.Binary, Opcode.Binary, randomBytes(size))
  return protocol === "tcp" ? { request: exchange.request, reply: exchange.request } : exchange
}

export const ping: Exchange = inFrames(Opcode.Ping, Opcode.Pong, Buffer.from("there?"))

/** With 1000, which all servers repeat. */
export const close: Exchange = inFrames(Opcode.Close, Opcode.Close, Buffer.from([0x03, 0xe8]))

function inFrames(asked: Opcode.Opcode, answered: Opcode.Opcode, payload: Uint8Array): Exchange {
  const key = randomBytes(4).readUInt32BE()
  return {
    request: Frame.encode(Frame.make(asked, payload), key),
    reply: Frame.encode(Frame.make(answered, payload))
  }
}
