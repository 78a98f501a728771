/** The peer of a fuzzed connection: raw bytes one way, and what it was told the other. */
import type { Role } from "@websocket-stream/core/Role"
import { ReadError } from "@websocket-stream/node/WebsocketError"
import assert from "node:assert/strict"
import type { Duplex } from "node:stream"
import * as Raw from "../../support/rawFrames.ts"
import * as Endpoint from "../oracles/endpoint.ts"

interface Limits {
  readonly maxMessageSize: number
  readonly maxFragments: number
}

export class Peer {
  private readonly stream: Duplex
  private readonly role: Role
  private readonly written: Array<Uint8Array> = []
  private readonly parser = new Raw.Parser()
  private readonly frames: Array<Raw.Received> = []

  /** @param role the other end's */
  constructor(stream: Duplex, role: Role) {
    this.stream = stream
    this.role = role
    stream.on("data", (chunk: Buffer) => this.frames.push(...this.parser.push(chunk)))
    // Of its own, not ours.
    stream.on("error", () => {})
  }

  write(chunks: ReadonlyArray<Uint8Array>): void {
    for (const chunk of chunks) {
      if (!this.stream.writable || chunk.length === 0) continue
      this.written.push(chunk)
      this.stream.write(Buffer.from(chunk))
    }
  }

  act(what: "End" | "Destroy" | "Pause" | "Resume"): void {
    if (what === "End") this.stream.end()
    else if (what === "Destroy") this.stream.destroy()
    else if (what === "Pause") this.stream.pause()
    else this.stream.resume()
  }

  /** Holds what went both ways to what the bytes say. */
  assertSaid(sent: ReadonlyArray<string>, received: ReadonlyArray<string>, limits: Limits): void {
    const { messages, pings } = this.read(limits)
    assert.deepEqual(received, messages.slice(0, received.length), "something else was received than was sent")
    const pongs = this.frames.flatMap(({ opcode, payload }) => opcode === Raw.pong ? [hex(payload)] : [])
    assert.ok(isWithin(pongs, pings), "a pong answers no ping")
    this.assertFrames(sent)
  }

  /** Holds all that was received, and what the end was told by, to what the bytes say. */
  assertReceived(received: ReadonlyArray<string>, error: unknown, limits: Limits): void {
    const { broken, close, messages } = this.read(limits)
    assert.deepEqual(received, messages, "not all was received that was sent")
    // A close is the end of those who run until it.
    if (error === undefined) return assert.ok(close !== undefined)
    assert.ok(error instanceof ReadError)
    const { reason } = error
    if (reason._tag === "Protocol") return assert.ok(broken.includes(reason.error.reason._tag))
    assert.ok(reason._tag === "Closed" && broken.length === 0)
    assert.equal(reason.code, close?.code ?? 1006)
    assert.equal(reason.reason, close?.reason ?? "")
  }

  private read(limits: Limits) {
    const { broken, events } = Endpoint.read(Buffer.concat(this.written), {
      ...limits,
      role: this.role,
      rsv1: false,
      maxFrameSize: limits.maxMessageSize
    })
    return {
      broken,
      messages: events.flatMap((event) => event._tag === "Message" ? [hex(event.payload)] : []),
      pings: events.flatMap((event) => event._tag === "Ping" ? [hex(event.payload)] : []),
      close: events.find((event) => event._tag === "Close")
    }
  }

  private assertFrames(sent: ReadonlyArray<string>): void {
    const masks = this.role === "client"
    assert.ok(this.frames.every(({ masked, rsv }) => masked === masks && rsv === 0))
    const close = this.frames.findIndex(({ opcode }) => opcode === Raw.close)
    assert.ok(close < 0 || close === this.frames.length - 1, "something was sent behind a Close frame")
    const messages: Array<string> = []
    const fragments: Array<Raw.Received> = []
    for (const frame of this.frames) {
      if (frame.opcode >= 8) continue
      assert.equal(frame.opcode === Raw.continuation, fragments.length > 0, "a message begins amid another")
      fragments.push(frame)
      if (!frame.fin) continue
      messages.push(hex(Buffer.concat(fragments.splice(0).map(({ payload }) => payload))))
    }
    assert.deepEqual(messages, sent.slice(0, messages.length), "something else was sent than was to be")
  }
}

/** Whether the items are there in their order, with others between them or without. */
const isWithin = (items: ReadonlyArray<string>, all: ReadonlyArray<string>): boolean => {
  let at = 0
  for (const item of all) if (item === items[at]) at++
  return at === items.length
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")
