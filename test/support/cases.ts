/** Cases of a conformance suite: what a raw peer sends, what it gets back, and how the connection ends. */
import { assert, it } from "@effect/vitest"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { inBothRoles, open, type Opened, type Options } from "./opened.ts"
import * as Raw from "./rawFrames.ts"
import type { Chop, RawPeer } from "./rawPeer.ts"

export interface Case {
  readonly name: string
  readonly send: ReadonlyArray<Raw.Shape>
  readonly chop?: Chop
  /** What comes back, before the connection is closed or failed. Default: nothing. */
  readonly answers?: ReadonlyArray<Raw.Shape>
  /** How we fail the connection. Default: we do not, and the peer closes it cleanly. */
  readonly fails?: Failure
  readonly options?: Options
}

export interface Failure {
  readonly code: number
  readonly reason: ProtocolError.Reason["_tag"]
}

export const protocolError = (reason: Failure["reason"]): Failure => ({ code: 1002, reason })

/** One test for each case and each of our roles. */
export const suite = (cases: ReadonlyArray<Case>): void =>
  inBothRoles((role) => {
    for (const one of cases) it.live(one.name, () => run(role, one))
  })

export const run = Effect.fnUntraced(function*(role: Role, { answers = [], chop, fails, options, send }: Case) {
  const opened = yield* open(role, options)
  yield* opened.peer.send(send, chop)
  if (fails === undefined) {
    assertFrames(yield* opened.peer.frames(answers.length), role, answers)
    yield* closeByPeer(opened, role)
  } else {
    yield* expectFailure(opened, role, answers, fails)
  }
})

/** Expects that we answer so much, fail the connection with a Close frame, end TCP, and say why on our side. */
export const expectFailure = Effect.fnUntraced(function*(
  { peer, reason }: Opened,
  role: Role,
  answers: ReadonlyArray<Raw.Shape>,
  { code, reason: tag }: Failure
) {
  const frames = yield* peer.rest
  const close = frames.at(-1)
  assertFrames(frames.slice(0, -1), role, answers)
  assert.deepInclude(close, { opcode: Raw.close, fin: true, rsv: 0, masked: role === "client" })
  assert.strictEqual(Raw.readClose(close!).code, code)
  assert.strictEqual(yield* peer.ended, "FIN")
  const why = yield* reason
  assert.strictEqual(why._tag === "Protocol" ? why.error.reason._tag : why, tag)
})

/** Closes as a well-behaved peer does, and holds our end to RFC 6455 7: it answers, and a server ends TCP first. */
export const closeByPeer = Effect.fnUntraced(function*({ closed, peer, reason }: Opened, role: Role) {
  yield* peer.send([{ opcode: Raw.close, payload: Raw.closeBody(1000) }])
  assertFrames([yield* peer.frame], role, [{ opcode: Raw.close, payload: Raw.closeBody(1000) }])
  assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true, truncated: false })
  yield* expectEndOfTcp(peer, role)
  yield* closed
})

/** RFC 6455 7.1.1: a server ends TCP first, a client waits for it. */
export const expectEndOfTcp = Effect.fnUntraced(function*(peer: RawPeer, role: Role) {
  if (role === "client") {
    yield* turns
    assert.isFalse(peer.hasEnded(), "the client should wait for the server to end TCP")
    yield* peer.end
  }
  assert.strictEqual(yield* peer.ended, "FIN")
  assert.strictEqual(peer.waiting(), 0)
  yield* peer.end
})

/** Turns of the event loop: both ends are of this process, so what the other end has sent by now has come by then. */
export const turns: Effect.Effect<void> = Effect.promise(async () => {
  for (let turn = 0; turn < 20; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
})

export const assertFrames = (
  frames: ReadonlyArray<Raw.Received>,
  role: Role,
  expected: ReadonlyArray<Raw.Shape>
): void => assert.deepStrictEqual(frames.map(readable), expected.map((shape) => readable(received(shape, role))))

/** What a peer of ours must see of a frame that we send: whole, and masked by a client. */
const received = ({ fin = true, opcode, payload = "", rsv = 0 }: Raw.Shape, role: Role): Raw.Received => ({
  opcode,
  fin,
  rsv,
  masked: role === "client",
  payload: Buffer.from(payload)
})

const readable = ({ payload, ...header }: Raw.Received) => ({ ...header, payload: contents(payload) })

// Equal for equal bytes only, and short where a test fails.
const contents = (payload: Buffer): string =>
  payload.length <= 130
    ? payload.toString("latin1")
    : `${payload.length} bytes, ${createHash("sha1").update(payload).digest("hex")}`
