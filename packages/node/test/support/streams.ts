/** Our end of a connection as a `WebsocketStream`, the peer's end as raw bytes, and what to wait for between the two. */
import { assert } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { EventEmitter } from "node:events"
import type { Duplex } from "node:stream"
import { buffer } from "node:stream/consumers"
import { asText } from "./frames.ts"
import { Scripted } from "./scripted.ts"

export type Stream = WebsocketStream.WebsocketStream["Service"]

/** A stream whose scope does not wait for the peer: most tests leave theirs in the middle of something. */
export const make = (duplex: Duplex, options: WebsocketStream.Options) =>
  WebsocketStream.make(duplex, { linger: 0, ...options })

/** A stream over a scripted one. */
export const scripted = (
  options: WebsocketStream.Options,
  duplexOptions?: ConstructorParameters<typeof Scripted>[0]
) => {
  const duplex = new Scripted(duplexOptions)
  return Effect.map(make(duplex, options), (stream) => ({ duplex, stream }))
}

/** The reason that an effect fails of. */
export const reasonOf = <A, Reason, R>(
  effect: Effect.Effect<A, { readonly reason: Reason }, R>
): Effect.Effect<Reason, A, R> => Effect.map(Effect.flip(effect), (error) => error.reason)

/** A value as a caller without types might write it. */
export const mistyped = <A extends object>(value: A, wrong: object): A => Object.assign({ ...value }, wrong)

/** Waits for an event, the next one. */
export const event = (emitter: EventEmitter, name: string): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    emitter.once(name, done)
    return Effect.sync(() => emitter.off(name, done))
  })

/** The next bytes that a peer gets, as many as asked for. */
export const takeBytes = (peer: Duplex, count: number): Effect.Effect<Uint8Array> =>
  Effect.suspend(() => {
    const bytes: Uint8Array | null = peer.read(count)
    if (bytes !== null) return Effect.succeed(bytes)
    return Effect.flatMap(event(peer, "readable"), () => takeBytes(peer, count))
  })

/** All bytes that a peer gets until we end. */
export const takeAll = (peer: Duplex): Effect.Effect<Uint8Array> => Effect.promise(() => buffer(peer))

/** A few turns of the event loop: what is in memory has happened by then. Says nothing about sockets. */
export const turns: Effect.Effect<void> = Effect.forEach([1, 2, 3, 4], () => Effect.yieldNow, { discard: true })

/** Starts a fiber and lets it run until it waits. */
export const park = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<Fiber.Fiber<A, E>, never, R> =>
  Effect.tap(Effect.forkChild(effect, { startImmediately: true }), assertWaiting)

export const assertWaiting = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<void> =>
  Effect.sync(() => assert.isUndefined(fiber.pollUnsafe(), "the fiber should wait, and has ended"))

/** Holds a failure to be the end of the stream, and how it came. */
export const assertClosed = (reason: unknown, by: "Peer" | "Us", truncated = false): void =>
  assert.deepInclude(reason, { _tag: "Closed", by, code: 1006, truncated })

/** Holds a stream to be open: its peer sends back what it gets. */
export const expectEcho = Effect.fnUntraced(function*(stream: Stream) {
  yield* stream.write(Opcode.Text, "still here?")
  assert.strictEqual(asText(yield* stream.read), "still here?")
})
