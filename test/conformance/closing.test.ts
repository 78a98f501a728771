/** RFC 6455 5.5.1 and 7: the closing handshake, begun by the peer (Autobahn 7.1) and by us, and the end of TCP. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { assertFrames, expectEndOfTcp, expectFailure, protocolError, turns } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

const close = (code = 1000, reason = ""): Raw.Shape => ({ opcode: Raw.close, payload: Raw.closeBody(code, reason) })
const text = (payload: string): Raw.Shape => ({ opcode: Raw.text, payload })
const ping: Raw.Shape = { opcode: Raw.ping, payload: "?" }

describe("begun by the peer", () => {
  inBothRoles((role) => {
    /** The answers, the Close frame and the end of TCP are all that comes for the frames. */
    const closes = (name: string, send: ReadonlyArray<Raw.Shape>, answers: ReadonlyArray<Raw.Shape> = []) =>
      it.live(name, () =>
        Effect.gen(function*() {
          const { closed, peer, reason } = yield* open(role)
          yield* peer.send(send)
          assertFrames(yield* peer.frames(answers.length + 1), role, [...answers, close()])
          assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true })
          yield* expectEndOfTcp(peer, role)
          yield* closed
        }))

    closes("RFC 6455 5.5.1, Autobahn 7.1.1: behind a text, which is answered first", [text("Hello World!"), close()], [
      text("Hello World!")
    ])
    closes("RFC 6455 5.5.1, Autobahn 7.1.2: two Close frames", [close(), close(1001, "twice")])
    closes("RFC 6455 5.5.1, Autobahn 7.1.3: a ping behind the Close frame", [close(), ping])
    closes("RFC 6455 5.5.1, Autobahn 7.1.4: a text behind the Close frame", [close(), text("late")])
    closes("RFC 6455 5.5.1, Autobahn 7.1.5: amid the fragments of a message", [
      { ...text("fragment1"), fin: false },
      close(),
      { opcode: Raw.continuation, payload: "fragment2" }
    ])
    closes("RFC 6455 1.4: what breaks the protocol behind the Close frame is discarded as well", [
      close(),
      { opcode: 3, rsv: 7 },
      { opcode: Raw.text, payload: Uint8Array.of(0xff) },
      { opcode: Raw.binary, announced: 2n ** 63n }
    ])
    closes("RFC 6455 5.5.1: behind many texts, which are answered first", [
      ...Array.from({ length: 50 }, (_, i) => text(`${i}`)),
      close()
    ], Array.from({ length: 50 }, (_, i) => text(`${i}`)))

    it.live("RFC 6455 5.5.1, Autobahn 7.1.6: behind 256 KiB and a text, a ping behind it", () =>
      Effect.gen(function*() {
        const { peer, reason } = yield* open(role)
        const answers = [text("BAsd7&jh23".repeat(26_214)), text("Hello World!"), close()]
        yield* peer.send([...answers, ping])
        const frames = [yield* peer.frame]
        while (frames.at(-1)!.opcode !== Raw.close) frames.push(yield* peer.frame)
        // Informational in the public suite: a text that there is no room for yet may stay without an answer.
        assertFrames(frames, role, [...answers.slice(0, frames.length - 1), close()])
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true })
        yield* expectEndOfTcp(peer, role)
      }))

    it.live("RFC 6455 5.5.1: more texts than wait to be received, and a Close frame behind them", () =>
      Effect.gen(function*() {
        const { peer, reason } = yield* open(role, { receiveBuffer: 1 })
        const texts = Array.from({ length: 100 }, (_, i) => text(`${i}`))
        yield* peer.send([...texts, close()])
        assertFrames(yield* peer.frames(101), role, [...texts, close()])
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true })
        yield* expectEndOfTcp(peer, role)
      }))
  })
})

describe("begun by us", () => {
  inBothRoles((role) => {
    for (
      const [code, reason] of [[1000, ""], [1001, "x"], [1011, "y".repeat(123)], [4999, "\u00e4".repeat(61)]] as const
    ) {
      it.live(`RFC 6455 7.1.2: ${code} and a reason of ${Buffer.byteLength(reason)} bytes; the peer says the same`, () =>
        Effect.gen(function*() {
          const { closed, peer, reason: why, ws } = yield* open(role)
          const closing = yield* Effect.forkChild(ws.close(code, reason))
          assertFrames([yield* peer.frame], role, [close(code, reason)])
          assert.isUndefined(closing.pollUnsafe())
          yield* peer.send([close(code, reason)])
          assert.deepStrictEqual(yield* Fiber.join(closing), { code, reason })
          assert.deepInclude(yield* why, { _tag: "Closed", by: "Us", code, reason, clean: true })
          yield* expectEndOfTcp(peer, role)
          yield* closed
        }))
    }

    it.live("RFC 6455 7.1.5: the peer says something else, and that is what is reported", () =>
      Effect.gen(function*() {
        const { peer, reason, ws } = yield* open(role)
        const closing = yield* Effect.forkChild(ws.close())
        yield* peer.frame
        yield* peer.send([close(4001, "mine")])
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 4001, reason: "mine" })
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Us", code: 4001, reason: "mine", clean: true })
      }))

    it.live("RFC 6455 7.1.5: the peer says nothing: 1005", () =>
      Effect.gen(function*() {
        const { peer, reason, ws } = yield* open(role)
        const closing = yield* Effect.forkChild(ws.close(4000))
        yield* peer.frame
        yield* peer.send([{ opcode: Raw.close }])
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 1005, reason: "" })
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Us", code: 1005, clean: true })
      }))

    it.live("RFC 6455 7.1.5: the peer just ends TCP: 1006", () =>
      Effect.gen(function*() {
        const { peer, reason, ws } = yield* open(role)
        const closing = yield* Effect.forkChild(ws.close(4000))
        yield* peer.frame
        yield* peer.end
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 1006, reason: "" })
        assert.deepInclude(yield* reason, { _tag: "Closed", code: 1006, clean: false })
      }))

    it.live("RFC 6455 5.5.1: both at once: each is the answer to the other", () =>
      Effect.gen(function*() {
        const { peer, reason, ws } = yield* open(role)
        yield* Effect.all([ws.close(4000, "ours"), peer.send([close(4001, "theirs")])], { concurrency: 2 })
        assertFrames([yield* peer.frame], role, [close(4000, "ours")])
        assert.deepInclude(yield* reason, { _tag: "Closed", code: 4001, reason: "theirs", clean: true })
        yield* expectEndOfTcp(peer, role)
      }))

    it.live("RFC 6455 5.5.1: nothing is sent behind our Close frame, pongs included", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const closing = yield* Effect.forkChild(ws.close())
        yield* peer.frame
        const refusals = yield* Effect.all([
          Effect.flip(ws.send("late")),
          Effect.flip(ws.sendAll(["late", "later"])),
          Effect.flip(ws.ping())
        ])
        for (const { reason } of refusals) assert.deepInclude(reason, { _tag: "Closed", by: "Us" })
        yield* peer.send([ping, text("echo me"), ping, close()])
        assert.deepStrictEqual(yield* Fiber.join(closing), { code: 1000, reason: "" })
        yield* expectEndOfTcp(peer, role)
      }))

    it.live("RFC 6455 7.1.2: closing twice says it once, and waits for the same end", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const closing = yield* Effect.forEach([4000, 4001, 4002], (code) => Effect.forkChild(ws.close(code)))
        assertFrames([yield* peer.frame], role, [close(4000)])
        yield* peer.send([close(4003)])
        for (const fiber of closing) assert.strictEqual((yield* Fiber.join(fiber)).code, 4003)
        yield* expectEndOfTcp(peer, role)
      }))

    it.live("RFC 6455 5.5: a reason of 124 bytes is not sent, and the connection goes on", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const { reason } = yield* Effect.flip(ws.close(1000, "\u00e4".repeat(62)))
        assert.strictEqual(reason._tag === "Encode" && reason.error.reason._tag, "CloseReasonTooLong")
        yield* peer.send([text("still open")])
        assertFrames([yield* peer.frame], role, [text("still open")])
      }))

    it.live("RFC 6455 7.1.7: a peer that breaks the protocol instead of an answer gets no second Close frame", () =>
      Effect.gen(function*() {
        const { peer, reason, ws } = yield* open(role)
        const closing = yield* Effect.forkChild(ws.close(), { startImmediately: true })
        yield* peer.send([{ opcode: 3 }])
        assertFrames(yield* peer.rest, role, [close()])
        assert.strictEqual((yield* Fiber.join(closing)).code, 1006)
        assert.deepInclude(yield* reason, { _tag: "Protocol" })
      }))
  })
})

describe("by the end of the scope", () => {
  inBothRoles((role) => {
    const ends: ReadonlyArray<readonly [how: string, exit: Exit.Exit<void, string>, code: number]> = [
      ["a success is 1000", Exit.void, 1000],
      ["a failure is 1011, and says nothing of it", Exit.fail("a secret"), 1011],
      ["a defect is 1011, and says nothing of it", Exit.die("a secret"), 1011]
    ]
    for (const [how, exit, code] of ends) {
      it.live(`RFC 6455 7.4.1: ${how}`, () =>
        Effect.gen(function*() {
          const end = yield* Deferred.make<void, string>()
          const { closed, peer } = yield* open(role, { use: () => Deferred.await(end) })
          yield* Deferred.done(end, exit)
          assertFrames([yield* peer.frame], role, [close(code)])
          yield* peer.send([close(code)])
          yield* expectEndOfTcp(peer, role)
          yield* closed
        }))
    }

    it.live("RFC 6455 7.4.1: an interruption is 1001", () =>
      Effect.gen(function*() {
        const { interrupt, peer } = yield* open(role, { use: () => Effect.never })
        const interrupting = yield* Effect.forkChild(interrupt)
        assertFrames([yield* peer.frame], role, [close(1001)])
        yield* peer.send([close(1001)])
        yield* expectEndOfTcp(peer, role)
        yield* Fiber.join(interrupting)
      }))
  })
})

describe("the end of TCP", () => {
  inBothRoles((role) => {
    it.live("RFC 6455 7.1.5: without a Close frame it is 1006", () =>
      Effect.gen(function*() {
        const { closed, peer, reason } = yield* open(role)
        yield* peer.end
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1006, clean: false, truncated: false })
        assert.strictEqual(yield* peer.ended, "FIN")
        yield* closed
      }))

    it.live("RFC 6455 7.1.5: in the middle of a frame it is truncated, too", () =>
      Effect.gen(function*() {
        const { peer, reason } = yield* open(role)
        yield* peer.write(Raw.encode(text("cut"), role === "server").subarray(0, -1))
        yield* peer.end
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1006, clean: false, truncated: true })
      }))

    it.live("RFC 6455 7.1.5: a half-close in front of the answers: the texts before it are received", () =>
      Effect.gen(function*() {
        const { peer, reason } = yield* open(role)
        yield* peer.send([text("one"), text("two")])
        yield* peer.end
        assertFrames((yield* peer.rest).slice(0, 2), role, [text("one"), text("two")])
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1006, clean: false })
      }))

    it.live("RFC 6455 7.1.5: a half-close behind the Close frame changes nothing", () =>
      Effect.gen(function*() {
        const { closed, peer, reason } = yield* open(role)
        yield* peer.send([text("one"), close()])
        yield* peer.end
        assertFrames(yield* peer.rest, role, [text("one"), close()])
        assert.strictEqual(yield* peer.ended, "FIN")
        assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", code: 1000, clean: true })
        yield* closed
      }))

    it.live("RFC 6455 7.1.5: a reset is a failure of the connection", () =>
      Effect.gen(function*() {
        const { closed, peer, reason } = yield* open(role)
        yield* peer.send([text("one")])
        yield* peer.frame
        peer.socket.resetAndDestroy()
        assert.deepInclude(yield* reason, { _tag: "Io", code: "ECONNRESET" })
        yield* closed
      }))

    it.live("RFC 6455 7.1.1: a peer that still sends when it breaks the protocol sees why, and no reset", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { limits: { maxMessageSize: 1024 } })
        const large = Raw.encode({ opcode: Raw.binary, payload: Buffer.alloc(4 * 1024 * 1024) }, role === "server")
        const writing = yield* Effect.forkChild(opened.peer.write(large))
        yield* expectFailure(opened, role, [], { code: 1009, reason: "FrameTooLarge" })
        // All of it is taken, and thrown away.
        yield* Fiber.join(writing)
        yield* opened.peer.end
        yield* opened.closed
      }))

    it.live("RFC 6455 7.1.1: the connection ends though nobody receives any more", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role, { use: () => Effect.never })
        yield* peer.send([text("never received"), text("neither is this")])
        yield* turns
        const closing = yield* Effect.forkChild(ws.close())
        assertFrames([yield* peer.frame], role, [close()])
        yield* peer.send([text("nor this"), close()])
        assert.strictEqual((yield* Fiber.join(closing)).code, 1000)
        yield* expectEndOfTcp(peer, role)
      }))

    it.live("RFC 6455 7.1.7: two errors in one piece: the first counts", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        yield* opened.peer.send([{ opcode: Raw.continuation }, { opcode: 3 }, close(1001)])
        yield* expectFailure(opened, role, [], protocolError("UnexpectedContinuation"))
      }))
  })
})
