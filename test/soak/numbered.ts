/** Messages that know their place: whose they are, the how manieth, and the CRC-32 of what is in them. */
import type { Message } from "@websocket-stream/core"
import * as Data from "effect/Data"
import { crc32 } from "node:zlib"

/** A law that was broken, and by what. */
export class Broken extends Data.TaggedError("Broken")<{ readonly message: string }> {}

/** One direction of a connection, where messages are sent. */
export class Outgoing {
  sent = 0
  bytes = 0
  private readonly client: number

  constructor(client: number) {
    this.client = client
  }

  /** The next binary message, with a copy of the body. */
  binary(body: Uint8Array): Buffer {
    return this.count(Buffer.concat([this.header(body), body]))
  }

  /** The next text. */
  text(body: string): string {
    const text = this.header(body).toString("hex") + body
    this.bytes += Buffer.byteLength(text)
    this.sent++
    return text
  }

  private header(body: Uint8Array | string): Buffer {
    const header = Buffer.alloc(headerLength)
    header.writeUInt32BE(this.client, 0)
    header.writeUInt32BE(this.sent, 4)
    header.writeUInt32BE(crc32(body), 8)
    return header
  }

  private count(message: Buffer): Buffer {
    this.bytes += message.length
    this.sent++
    return message
  }
}

/** The same direction, where they come. */
export class Incoming {
  received = 0
  bytes = 0
  private readonly client: number

  constructor(client: number) {
    this.client = client
  }

  /** Takes the next message. Throws a `Broken` unless it is whole, this connection's, and the next. */
  take({ _tag, payload }: Pick<Message.Message, "_tag" | "payload">): Uint8Array {
    const isText = _tag === "Text"
    const length = isText ? 2 * headerLength : headerLength
    if (payload.length < length) throw this.broken(`has ${payload.length} bytes, and no room for its number`)
    const start = Buffer.from(payload.buffer, payload.byteOffset, length)
    const header = isText ? Buffer.from(start.toString("latin1"), "hex") : start
    const body = payload.subarray(length)
    if (header.length !== headerLength) throw this.broken("does not begin with its number")
    const [client, number, hash] = [header.readUInt32BE(0), header.readUInt32BE(4), header.readUInt32BE(8)]
    if (client !== this.client) throw this.broken(`is one of client ${client}`)
    if (number > this.received) throw this.broken(`was lost, or comes behind number ${number}`)
    if (number < this.received) throw this.broken(`is number ${number} again`)
    if (hash !== crc32(body)) throw this.broken(`of ${payload.length} bytes has another hash than it was sent with`)
    this.received++
    this.bytes += payload.length
    return body
  }

  private broken(what: string): Broken {
    return new Broken({ message: `client ${this.client}: message ${this.received} ${what}` })
  }
}

const headerLength = 12
