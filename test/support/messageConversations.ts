/** What a `Websocket` of ours and a peer say to each other, the same for every peer. */
import { assert } from "@effect/vitest"
import { CloseCode } from "@websocket-stream/core"
import type { Message as Received } from "@websocket-stream/core/Message"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { randomBytes } from "node:crypto"
import type { MessageMeeting, Ws } from "./meeting.ts"
import { digest, type FramePeer, type Message, type Peer } from "./peer.ts"

export interface MessageConversation<P> {
  readonly name: string
  readonly hold: <E, R>(meet: Effect.Effect<MessageMeeting<P>, E, R>) => Effect.Effect<void, unknown, R | Scope.Scope>
}

const conversation = <P>(
  name: string,
  hold: (meeting: MessageMeeting<P>) => Effect.Effect<void, unknown, Scope.Scope>
): MessageConversation<P> => ({ name, hold: (meet) => Effect.flatMap(meet, hold) })

/** Sends everything back until the peer closes. */
const echo = (ws: Ws) => Stream.runForEach(ws.messages, (message) => ws.send(message))

const contentOf = (message: Received): Message => message._tag === "Text" ? message.text : message.payload

// Where the header changes its form. A server takes a MiB of frame unless told otherwise, and to compress what is random adds to it.
const lengths = [0, 1, 125, 126, 65_535, 65_536, 1_000_000]

const textOf = (length: number): string => "🌍".repeat(length / 4) + "x".repeat(length % 4)

const echoed = (messages: ReadonlyArray<Message>) =>
  Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<Peer>) {
    yield* Effect.forkScoped(echo(ours))
    yield* peer.send(...messages)
    const received = yield* peer.receiveMany(messages.length)
    assert.deepStrictEqual(received.map(digest), messages.map(digest))
  })

const pipelined = Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<Peer>) {
  const messages = Array.from({ length: 200 }, (_, i) => randomBytes(i))
  const [theirs, received] = yield* Effect.all([
    peer.receiveMany(messages.length),
    Effect.replicateEffect(ours.receive, messages.length),
    Effect.forEach(messages, (message) => ours.send(message)),
    peer.send(...messages)
  ], { concurrency: "unbounded" })
  assert.deepStrictEqual(theirs.map(digest), messages.map(digest))
  assert.deepStrictEqual(received.map((message) => digest(contentOf(message))), messages.map(digest))
})

const pieces = Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<Peer>) {
  yield* ours.sendStream("text", Stream.make("grü", "", "ße 🌍"))
  assert.strictEqual(yield* peer.receive, "grüße 🌍")
})

interface Close {
  readonly code: number
  readonly reason: string
}

const closedByPeer = (close: Close) =>
  Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<Peer>) {
    yield* peer.close(close.code, close.reason)
    const { reason } = yield* Effect.flip(ours.receive)
    assert.deepInclude(reason, { _tag: "Closed", by: "Peer", clean: true, ...close })
    const { clean, received } = yield* ours.closed
    assert.deepInclude(received, close)
    assert.isTrue(clean)
    assert.deepInclude(yield* peer.closed, { code: close.code })
  })

const closedByUs = (close: Close) =>
  Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<Peer>) {
    // A peer may leave the reason out of its answer, but not make the code another one.
    assert.deepInclude(yield* ours.close(close.code, close.reason), { code: close.code })
    assert.deepStrictEqual(yield* peer.closed, close)
  })

const left = Effect.fnUntraced(function*({ hangUp, peer }: MessageMeeting<Peer>) {
  yield* hangUp
  assert.deepStrictEqual(yield* peer.closed, { code: CloseCode.Normal, reason: "" })
})

const roundTrip = Effect.fnUntraced(function*({ ours }: MessageMeeting<Peer>) {
  assert.isTrue(Duration.isPositive(yield* ours.ping(Buffer.from("there?"))))
})

const fragments = Effect.fnUntraced(function*({ ours, peer }: MessageMeeting<FramePeer>) {
  yield* peer.sendFragments(["grü", "", "ße 🌍", "!"])
  assert.strictEqual(contentOf(yield* ours.receive), "grüße 🌍!")
})

const pinged = Effect.fnUntraced(function*({ peer }: MessageMeeting<FramePeer>) {
  yield* peer.ping("are you there?")
  yield* peer.ping("x".repeat(125))
})

// What is left of 125 bytes behind the code.
const longReason = `${"ä".repeat(61)}.`

export const messageConversations: ReadonlyArray<MessageConversation<Peer>> = [
  conversation("texts of every length of header come back", echoed(lengths.map(textOf))),
  conversation("bytes of every length of header come back", echoed(lengths.map((length) => randomBytes(length)))),
  conversation("200 messages each way at once", pipelined),
  conversation("pieces of ours are one message", pieces),
  conversation("the peer closes with 1000", closedByPeer({ code: 1000, reason: "done" })),
  conversation("the peer closes with a long reason", closedByPeer({ code: 4999, reason: longReason })),
  conversation("we close with a code of ours", closedByUs({ code: 4001, reason: "ours" })),
  conversation("we close with a long reason", closedByUs({ code: 1011, reason: longReason })),
  conversation("we leave", left),
  conversation("the peer answers our ping", roundTrip)
]

export const frameMessageConversations: ReadonlyArray<MessageConversation<FramePeer>> = [
  conversation("fragments of the peer are one message", fragments),
  conversation("pings of the peer are answered while nobody receives", pinged)
]
