/** What we and a peer say to each other, the same for every peer. Bytes are checked at the peer's end and at ours. */
import { assert } from "@effect/vitest"
import { CloseCode, type Frame, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomBytes } from "node:crypto"
import type { Meeting } from "./meeting.ts"
import { digest, type FramePeer, type Message, type Peer } from "./peer.ts"

export interface Conversation<P> {
  readonly name: string
  readonly hold: <E, R>(meet: Effect.Effect<Meeting<P>, E, R>) => Effect.Effect<void, unknown, R | Scope.Scope>
}

type Stream = WebsocketStream.WebsocketStream["Service"]

const conversation = <P>(
  name: string,
  hold: (meeting: Meeting<P>) => Effect.Effect<void, unknown, Scope.Scope>
): Conversation<P> => ({ name, hold: (meet) => Effect.flatMap(meet, hold) })

/** Sends everything back, and answers pings, until the peer closes. */
const echo = (stream: Stream) =>
  Effect.gen(function*() {
    while (true) {
      const { fin, opcode, payload } = yield* stream.read
      if (opcode === Opcode.Close) return yield* stream.write(Opcode.Close, payload)
      if (opcode === Opcode.Ping) yield* stream.write(Opcode.Pong, payload)
      else if (opcode !== Opcode.Pong) yield* stream.write(opcode, payload, { fin })
    }
  })

// Where the header changes its form, and the largest frame that a server takes unless told otherwise.
const lengths = [0, 1, 125, 126, 127, 65_535, 65_536, 1024 * 1024]

// Four bytes a character, so that frames are seldom cut where characters are.
const textOf = (length: number): string => "🌍".repeat(length / 4) + "x".repeat(length % 4)

const echoed = (messages: ReadonlyArray<Message>) =>
  Effect.fnUntraced(function*({ ours, peer }: Meeting<Peer>) {
    yield* Effect.forkScoped(echo(ours))
    yield* peer.send(...messages)
    const received = yield* peer.receiveMany(messages.length)
    assert.deepStrictEqual(received.map(digest), messages.map(digest))
  })

const closePayload = (code: number | undefined, reason: string): Uint8Array =>
  code === undefined ? new Uint8Array(0) : Buffer.from([code >> 8, code & 0xff, ...Buffer.from(reason)])

interface Close {
  readonly code: number | undefined
  readonly reason: string
}

// RFC 6455 7.1.5: a Close frame without a code is reported as 1005.
const reported = ({ code = CloseCode.NoStatusReceived, reason }: Close) => ({ code, reason })

const expectClose = Effect.fnUntraced(function*(stream: Stream, { code, reason }: Close) {
  const frame = yield* stream.read
  assert.strictEqual(Opcode.name(frame.opcode), "Close")
  assert.strictEqual(
    Buffer.from(frame.payload).toString("latin1"),
    Buffer.from(closePayload(code, reason)).toString("latin1")
  )
})

const expectEnd = Effect.fnUntraced(function*(stream: Stream) {
  const { reason } = yield* Effect.flip(stream.read)
  assert.deepInclude(reason, { _tag: "Closed", by: "Peer", truncated: false })
})

const closedByPeer = (close: Close) =>
  Effect.fnUntraced(function*({ hangUp, ours, peer }: Meeting<Peer>) {
    yield* peer.close(close.code, close.reason)
    yield* expectClose(ours, close)
    yield* ours.write(Opcode.Close, closePayload(close.code, close.reason))
    // RFC 6455 7.1.1: the server ends the connection, and the client waits for it.
    if (ours.role === "client") yield* expectEnd(ours)
    yield* hangUp
    assert.deepStrictEqual(yield* peer.closed, reported(close))
  })

const closedByUs = (close: Close) =>
  Effect.fnUntraced(function*({ hangUp, ours, peer }: Meeting<Peer>) {
    yield* ours.write(Opcode.Close, closePayload(close.code, close.reason))
    const answer = yield* ours.read
    assert.strictEqual(Opcode.name(answer.opcode), "Close")
    // A peer may leave the reason out, but not make the code another one.
    assert.deepStrictEqual([...answer.payload.subarray(0, 2)], [...closePayload(close.code, "")])
    if (ours.role === "client") yield* expectEnd(ours)
    yield* hangUp
    assert.deepStrictEqual(yield* peer.closed, reported(close))
  })

const named = ({ code, reason }: Close): string =>
  code === undefined ? "without a code" : `with ${code} and ${Buffer.byteLength(reason)} bytes of reason`

// What is left of 125 bytes behind the code.
const longReason = `${"ä".repeat(61)}.`

// A page may give these only.
const closesOfPeers: ReadonlyArray<Close> = [
  { code: 1000, reason: "done" },
  { code: 3000, reason: "" },
  { code: 4999, reason: longReason }
]

const closesOfOurs: ReadonlyArray<Close> = [
  { code: 1000, reason: "" },
  { code: 1001, reason: "we go away" },
  { code: 1011, reason: longReason },
  { code: 4001, reason: "ours" },
  { code: undefined, reason: "" }
]

const fragmentsOfOurs = Effect.fnUntraced(function*({ ours, peer }: Meeting<Peer>) {
  yield* ours.write(Opcode.Text, "grü", { fin: false })
  yield* ours.write(Opcode.Ping, "between")
  yield* ours.write(Opcode.Continuation, "", { fin: false })
  yield* ours.write(Opcode.Continuation, "ße 🌍")
  assert.strictEqual(yield* peer.receive, "grüße 🌍")
  const pong = yield* ours.read
  assert.strictEqual(Opcode.name(pong.opcode), "Pong")
  assert.strictEqual(Buffer.from(pong.payload).toString(), "between")
})

const pipelined = Effect.fnUntraced(function*({ ours, peer }: Meeting<Peer>) {
  const messages = Array.from({ length: 200 }, (_, i) => randomBytes(i))
  const [theirs, frames] = yield* Effect.all([
    peer.receiveMany(messages.length),
    Effect.forEach(messages, () => ours.read),
    Effect.forEach(messages, (message) => ours.write(Opcode.Binary, message)),
    peer.send(...messages)
  ], { concurrency: "unbounded" })
  assert.deepStrictEqual(theirs.map(digest), messages.map(digest))
  assert.deepStrictEqual(frames.map(({ payload }) => digest(payload)), messages.map(digest))
})

const readMessage = Effect.fnUntraced(function*(stream: Stream) {
  const frames: Array<Frame.Frame> = []
  while (frames.at(-1)?.fin !== true) frames.push(yield* stream.read)
  return frames
})

const fragmentsOfPeers = Effect.fnUntraced(function*({ ours, peer }: Meeting<FramePeer>) {
  const fragments = ["grü", "", "ße 🌍", "!"]
  yield* peer.sendFragments(fragments)
  const frames = yield* readMessage(ours)
  assert.isAbove(frames.length, 1)
  assert.strictEqual(Buffer.concat(frames.map(({ payload }) => payload)).toString(), fragments.join(""))
  const opcodes = frames.map(({ opcode }) => Opcode.name(opcode))
  assert.deepStrictEqual(opcodes, ["Text", ...opcodes.slice(1).fill("Continuation")])
})

const pinged = Effect.fnUntraced(function*({ ours, peer }: Meeting<FramePeer>) {
  yield* Effect.forkScoped(echo(ours))
  yield* peer.ping("are you there?")
  yield* peer.ping("x".repeat(125))
})

export const conversations: ReadonlyArray<Conversation<Peer>> = [
  conversation("texts of every length of header come back", echoed(lengths.map(textOf))),
  conversation("bytes of every length of header come back", echoed(lengths.map((length) => randomBytes(length)))),
  conversation("200 messages each way at once", pipelined),
  conversation("our fragments, with a ping between them, are one message", fragmentsOfOurs),
  ...closesOfPeers.map((close) => conversation(`the peer closes ${named(close)}`, closedByPeer(close))),
  ...closesOfOurs.map((close) => conversation(`we close ${named(close)}`, closedByUs(close)))
]

export const frameConversations: ReadonlyArray<Conversation<FramePeer>> = [
  conversation("fragments of the peer are frames", fragmentsOfPeers),
  conversation("pings of the peer are answered by our echo", pinged)
]
