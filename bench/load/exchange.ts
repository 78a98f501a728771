/** What the load sends and what it must get back, byte for byte: all of it is known before the first connection. */
import { Frame, Opcode } from "@websocket-stream/core"
import { randomBytes } from "node:crypto"

/** One request and its reply. */
export interface Exchange {
  readonly request: Uint8Array
  readonly reply: Uint8Array
}

/** What is spoken: messages, messages of Effect's RPC, or nothing. */
export type Protocol = "websocket" | "rpc" | "tcp"

/** A binary message that comes back: as one frame without a mask, or as the very bytes where there is no protocol. */
export const message = (protocol: Protocol, size: number): Exchange => {
  if (protocol === "rpc") return call("a".repeat(size))
  const payload = randomBytes(size)
  const exchange = inFrames(Opcode.Binary, payload, Opcode.Binary)
  return protocol === "tcp" ? { request: exchange.request, reply: exchange.request } : exchange
}

// One at a time on a connection, and so each may have the same number.
const call = (text: string): Exchange =>
  inFrames(
    Opcode.Text,
    line({ _tag: "Request", id: "1", tag: "Echo", payload: text, headers: [] }),
    Opcode.Text,
    line({ _tag: "Exit", requestId: "1", exit: { _tag: "Success", value: text } })
  )

const line = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value)}\n`)

export const ping: Exchange = inFrames(Opcode.Ping, Buffer.from("there?"), Opcode.Pong)

/** With 1000, which all servers repeat. */
export const close: Exchange = inFrames(Opcode.Close, Buffer.from([0x03, 0xe8]), Opcode.Close)

function inFrames(
  asked: Opcode.Opcode,
  payload: Uint8Array,
  answered: Opcode.Opcode,
  answer: Uint8Array = payload
): Exchange {
  const key = randomBytes(4).readUInt32BE()
  return {
    request: Frame.encode(Frame.make(asked, payload), key),
    reply: Frame.encode(Frame.make(answered, answer))
  }
}
