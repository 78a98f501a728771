/** The other end of a connection: a WebSocket that is not ours, behind one face whatever it is made of. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"

export type Message = string | Uint8Array

export interface Closing {
  readonly code: number
  readonly reason: string
}

/** What any WebSocket can do, a browser's too. */
export interface Peer {
  readonly send: (...messages: ReadonlyArray<Message>) => Effect.Effect<void>
  /** The next message, whole. */
  readonly receive: Effect.Effect<Message>
  /** The next messages, so many of them. */
  readonly receiveMany: (count: number) => Effect.Effect<ReadonlyArray<Message>>
  /** Sends a Close frame; without a code if none is given. */
  readonly close: (code?: number, reason?: string) => Effect.Effect<void>
  /** What the peer made of the end, once the connection is over. */
  readonly closed: Effect.Effect<Closing>
}

/** One that lets its user send pings and fragments. */
export interface FramePeer extends Peer {
  /** Sends a ping, and waits for the pong of the same payload. */
  readonly ping: (payload: string) => Effect.Effect<void>
  /** One message in several frames. */
  readonly sendFragments: (fragments: ReadonlyArray<string>) => Effect.Effect<void>
}

/** A message to compare: equal for equal kind and equal bytes only, and short where a test fails. */
export const digest = (message: Message): string =>
  `${typeof message === "string" ? "text" : "binary"} of ${Buffer.byteLength(message)} bytes: ` +
  createHash("sha1").update(message).digest("hex")

/** Sends a message to a server, or a client, that echoes. */
export const expectEcho = Effect.fnUntraced(function*(peer: Peer, message: Message) {
  yield* peer.send(message)
  assert.strictEqual(digest(yield* peer.receive), digest(message))
})

/** A message as JSON can carry it, for peers in another process. */
export type Wire = { readonly text: string } | { readonly base64: string }

export const toWire = (message: Message): Wire =>
  typeof message === "string" ? { text: message } : { base64: Buffer.from(message).toString("base64") }

export const fromWire = (wire: Wire): Message => ("text" in wire ? wire.text : Buffer.from(wire.base64, "base64"))
