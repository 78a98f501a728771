/**
 * Two pure connections, each with its frame decoder, over a link that splits, delays and drops. There is no I/O and no time
 * in it: whoever drives it says what happens next.
 */
import { assert } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import type * as Connection from "@websocket-stream/core/Connection"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { concat } from "./bytes.ts"
import { makeConnection } from "./connections.ts"

/** A message or a ping, to compare. */
export const readable = (opcode: Opcode.Opcode, payload: Uint8Array): string =>
  `${opcode} ${Buffer.from(payload).toString("latin1")}`

/** One direction of the link: bytes on their way, and whether their sender has ended. */
export class Link {
  private bytes: Uint8Array = new Uint8Array(0)
  private ended = false
  /** Whether the end was delivered: nothing comes any more. */
  done = false
  /** Whether the receiver gets less or other bytes than were sent. */
  damaged = false

  write(bytes: Uint8Array): void {
    if (!this.ended) this.bytes = concat([this.bytes, bytes])
  }

  end(): void {
    this.ended = true
  }

  /** Loses all behind the first bytes that are on their way, and whatever comes later. */
  drop(keep: number): void {
    this.damaged = true
    this.bytes = this.bytes.slice(0, keep)
    this.ended = true
  }

  /** Up to `count` bytes, none if there are none now; `undefined` for the end, once. */
  deliver(count: number): Uint8Array | undefined {
    this.done = this.ended && this.bytes.length === 0
    if (this.done) return undefined
    const bytes = this.bytes.slice(0, count)
    this.bytes = this.bytes.slice(bytes.length)
    return bytes
  }

  /** Whether nothing is on its way, the end included. */
  get isIdle(): boolean {
    return this.done || (this.bytes.length === 0 && !this.ended)
  }
}

export class Endpoint {
  readonly connection: Connection.Connection
  readonly sent: Array<string> = []
  readonly received: Array<string> = []
  readonly pings: Array<string> = []
  readonly pongs: Array<string> = []
  /** How many of the messages were sent before this end began to send bytes that are no frames. */
  sentHonestly: number | undefined = undefined
  private readonly role: Role
  private readonly decoder: FrameDecoder.FrameDecoder
  private readonly out: Link
  private fragments: ReadonlyArray<Frame.Frame> = []
  private pieces: ReadonlyArray<Uint8Array> | undefined = undefined
  private key = 0x37fa213d
  private deaf = false

  constructor(role: Role, out: Link, ownsChunks: boolean) {
    this.role = role
    this.out = out
    this.connection = makeConnection(role)
    this.decoder = FrameDecoder.make({ role, maxFrameSize: 100_000, ownsChunks })
  }

  send(message: Message.Message): void {
    this.attempt(this.connection.send(message), this.fragments.length > 0, () => {
      this.sent.push(readable(message.opcode, message.payload))
    })
  }

  sendFragment(fragment: Frame.Frame): void {
    const outOfOrder = this.fragments.length > 0 !== (fragment.opcode === Opcode.Continuation)
    this.attempt(this.connection.sendFragment(fragment), outOfOrder, () => {
      this.fragments = [...this.fragments, fragment]
      if (!fragment.fin) return
      this.sent.push(readable(this.fragments[0]!.opcode, concat(this.fragments.map(({ payload }) => payload))))
      this.fragments = []
    })
  }

  ping(payload: Uint8Array): void {
    this.attempt(this.connection.ping(payload), false, () => this.pings.push(readable(Opcode.Pong, payload)))
  }

  close(close?: Close.Close): void {
    const wasClosed = this.connection.closing.sent !== undefined
    const step = this.connection.close(close)
    assert.strictEqual(Result.isFailure(step), wasClosed)
    if (Result.isSuccess(step)) this.apply(step.success)
  }

  /** Ends without a word, as a process does that is killed. */
  vanish(): void {
    this.out.damaged = true
    this.out.end()
  }

  sendGarbage(bytes: Uint8Array): void {
    this.sentHonestly ??= this.sent.length
    this.out.damaged = true
    this.out.write(bytes)
  }

  /** Takes bytes, or the end of them. */
  receive(bytes: Uint8Array | undefined, inPieces: boolean): void {
    if (bytes === undefined) return this.receiveEnd()
    if (this.deaf) return
    this.decoder.push(bytes)
    while (!this.deaf) {
      const next = this.decoder.nextPart()
      if (Result.isSuccess(next) && next.success === undefined) return
      // Once begun in pieces, a message is ended so.
      const step = Result.flatMap(next, (part) => this.connection.receive(part!, inPieces || this.pieces !== undefined))
      if (Result.isSuccess(step)) this.apply(step.success)
      else {
        this.deaf = true
        this.apply(this.connection.fail(step.failure))
      }
    }
  }

  private receiveEnd(): void {
    const wasReceived = this.connection.closing.received
    assert.deepStrictEqual(this.connection.receiveEof(), wasReceived ?? Close.abnormal)
    this.out.end()
  }

  private apply({ event, reply, shutdown }: Connection.Step): void {
    if (reply !== undefined) this.write(reply)
    if (shutdown) this.out.end()
    if (event !== undefined) this.receiveEvent(event)
  }

  private receiveEvent(event: Connection.Event): void {
    switch (event._tag) {
      case "Piece": {
        const pieces = [...this.pieces ?? [], event.payload]
        if (event.last) this.received.push(readable(event.opcode, concat(pieces)))
        this.pieces = event.last ? undefined : pieces
        break
      }
      case "Pong":
        this.pongs.push(readable(Opcode.Pong, event.payload))
        break
      case "Text":
      case "Binary":
        this.received.push(readable(event.opcode, event.payload))
        break
      default:
        assert.notStrictEqual(event._tag, "Compressed")
    }
  }

  private attempt(result: Result.Result<Frame.Frame, unknown>, isOutOfOrder: boolean, then: () => void): void {
    const isRefused = isOutOfOrder || this.connection.closing.sent !== undefined
    assert.strictEqual(Result.isFailure(result), isRefused)
    if (Result.isFailure(result)) return
    this.write(result.success)
    then()
  }

  private write(frame: Frame.Frame): void {
    this.key = Math.imul(this.key, 0x0019_660d) + 0x3c6e_f35f
    this.out.write(Frame.encode(frame, this.role === "client" ? this.key : undefined))
  }
}

/** A client and a server, and what is on its way between them. */
export class Pair {
  readonly toServer = new Link()
  readonly toClient = new Link()
  readonly client: Endpoint
  readonly server: Endpoint

  constructor(ownsChunks: boolean) {
    this.client = new Endpoint("client", this.toServer, ownsChunks)
    this.server = new Endpoint("server", this.toClient, ownsChunks)
  }

  deliver(to: Role, count: number, inPieces: boolean): void {
    const [endpoint, link] = to === "server" ? [this.server, this.toServer] : [this.client, this.toClient]
    if (!link.done) endpoint.receive(link.deliver(count), inPieces)
  }

  /** Until nothing is on its way any more. */
  drain(): void {
    while (!this.toServer.isIdle || !this.toClient.isIdle) {
      this.deliver("server", Infinity, false)
      this.deliver("client", Infinity, false)
    }
  }

  get isOver(): boolean {
    return this.toServer.done && this.toClient.done
  }
}
