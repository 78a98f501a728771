/** Messages that are sent and received in pieces, without being held whole (RFC 6455 5.4). */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { once } from "node:events"
import { assertFrames, closeByPeer, expectFailure, turns } from "../support/cases.ts"
import { share } from "../support/link.ts"
import { Gauge, report, show } from "../support/memory.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"
import type { RawPeer } from "../support/rawPeer.ts"

const kib = 1024
const mib = 1024 * 1024
const size = share(64 * mib)
const piece = 64 * kib

const zeros = Buffer.alloc(mib)

const hold = () => Effect.never

/** The n-th piece of a large text: 6 bytes again and again, so that pieces cut characters. */
const pattern = Buffer.alloc(piece * 3, "a\u00e4\u20ac")
const pieceAt = (i: number): Buffer => pattern.subarray((i % 3) * piece, (i % 3 + 1) * piece)

/** Writes a large frame of zeros, which are as many keys when they are masked, without holding it. */
const writeLarge = (peer: RawPeer): Effect.Effect<void> =>
  Effect.promise(async () => {
    const masks = peer.role === "client"
    const frame = Raw.encode({ opcode: Raw.binary, payload: Buffer.alloc(piece), announced: BigInt(size) }, masks)
    const header = frame.length - piece
    peer.socket.write(frame)
    for (let at = piece; at < size; at += piece) {
      if (!peer.socket.write(frame.subarray(header))) await once(peer.socket, "drain")
    }
  })

// One after the other, because what is measured is the memory of the process.
describe(`a message of ${show(size)}`, { concurrent: false }, () => {
  inBothRoles((role) => {
    it.live(`a ${role} sends ${show(size)} in pieces and holds next to nothing of it`, () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { use: hold })
        const { peer, ws } = opened
        const gauge = new Gauge()
        const pieces = Stream.range(0, size / piece - 1).pipe(Stream.map(pieceAt))
        const sending = yield* Effect.forkChild(ws.sendStream("text", pieces))
        let received = 0
        let isLast = false
        for (let frames = 0; !isLast; frames++) {
          const { fin, opcode, payload } = yield* peer.frame
          assert.strictEqual(opcode, received === 0 ? Raw.text : Raw.continuation)
          assert.isTrue(payload.equals(pieceAt(frames).subarray(0, payload.length)))
          received += payload.length
          isLast = fin
          if (frames % 128 === 127) gauge.look()
        }
        yield* Fiber.join(sending)
        assert.strictEqual(received, size)
        yield* report(`sendStream, ${role}: ${show(size)} sent, at most ${show(gauge.peak)} held at both ends`)
        assert.isBelow(gauge.peak, 4 * mib)
      }))

    it.live(`a ${role} receives ${show(size)} of one frame in pieces and holds next to nothing of it`, () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role, { use: hold, limits: { maxMessageSize: size } })
        const gauge = new Gauge()
        const writing = yield* Effect.forkChild(writeLarge(peer))
        const { pieces, type } = yield* ws.receiveStream
        assert.strictEqual(type, "binary")
        let received = 0
        let looked = 0
        yield* Stream.runForEach(pieces, (bytes) =>
          Effect.sync(() => {
            assert.isTrue(zeros.subarray(0, bytes.length).equals(bytes))
            received += bytes.length
            if (received - looked < 8 * mib) return
            looked = received
            gauge.look()
          }))
        yield* Fiber.join(writing)
        assert.strictEqual(received, size)
        yield* report(`receiveStream, ${role}: ${show(size)} received, at most ${show(gauge.peak)} held at both ends`)
        assert.isBelow(gauge.peak, 4 * mib)
      }))

    it.live(`a ${role} that takes a few pieces of ${show(size)} holds back the rest`, () =>
      Effect.gen(function*() {
        const { peer, socket, ws } = yield* open(role, { use: hold, limits: { maxMessageSize: size } })
        const writing = yield* Effect.forkChild(writeLarge(peer))
        yield* Effect.scoped(Effect.gen(function*() {
          const { pieces } = yield* ws.receiveStream
          yield* Stream.runDrain(Stream.take(pieces, 3))
          yield* turns
          assert.isBelow(socket.bytesRead, 4 * mib)
        }))
        // The end of the scope drops what was not taken, so that the next message can be received.
        yield* Effect.forkChild(Effect.andThen(Fiber.join(writing), peer.send([{ opcode: Raw.text, payload: "next" }])))
        const message = yield* ws.receive
        assert.strictEqual(message._tag === "Text" && message.text, "next")
      }))
  })
})

describe("sending in pieces", () => {
  inBothRoles((role) => {
    const pieces = Stream.make("one ", "two ", "three")

    it.live("RFC 6455 5.4: pieces are fragments, and other messages wait for their end", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const slow = pieces.pipe(Stream.mapEffect((piece) => Effect.as(turns, piece)))
        yield* Effect.all([opened.ws.sendStream("text", slow), Effect.andThen(turns, opened.ws.send("behind"))], {
          concurrency: 2
        })
        assertFrames(yield* opened.peer.frames(5), role, [
          { opcode: Raw.text, payload: "one ", fin: false },
          { opcode: Raw.continuation, payload: "two ", fin: false },
          { opcode: Raw.continuation, payload: "three", fin: false },
          { opcode: Raw.continuation, payload: "" },
          { opcode: Raw.text, payload: "behind" }
        ])
        yield* closeByPeer(opened, role)
      }))

    it.live("RFC 6455 5.5.2: pings are answered between the pieces", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        const { peer, ws } = opened
        const waits = Stream.concat(
          Stream.make("first"),
          Stream.fromEffect(
            Effect.as(peer.send([{ opcode: Raw.ping, payload: "?" }]).pipe(Effect.andThen(turns)), "second")
          )
        )
        yield* ws.sendStream("text", waits)
        assertFrames(yield* peer.frames(4), role, [
          { opcode: Raw.text, payload: "first", fin: false },
          { opcode: Raw.pong, payload: "?" },
          { opcode: Raw.continuation, payload: "second", fin: false },
          { opcode: Raw.continuation }
        ])
        yield* closeByPeer(opened, role)
      }))

    it.live("no pieces are an empty message", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        yield* opened.ws.sendStream("binary", Stream.empty)
        assertFrames([yield* opened.peer.frame], role, [{ opcode: Raw.binary }])
        yield* closeByPeer(opened, role)
      }))

    const breaks: ReadonlyArray<readonly [how: string, end: Stream.Stream<string, string>]> = [
      ["fail", Stream.fail("a secret")],
      ["die", Stream.die("a secret")]
    ]
    for (const [how, end] of breaks) {
      it.live(`RFC 6455 7.4.1: pieces that ${how} in the middle of a message are the end of the connection: 1011`, () =>
        Effect.gen(function*() {
          const { peer, ws } = yield* open(role)
          yield* Effect.exit(ws.sendStream("text", Stream.concat(pieces, end)))
          assertFrames(yield* peer.frames(4), role, [
            { opcode: Raw.text, payload: "one ", fin: false },
            { opcode: Raw.continuation, payload: "two ", fin: false },
            { opcode: Raw.continuation, payload: "three", fin: false },
            { opcode: Raw.close, payload: Raw.closeBody(1011) }
          ])
          const { reason } = yield* Effect.flip(ws.send("late"))
          assert.deepInclude(reason, { _tag: "Closed", by: "Us" })
        }))
    }

    it.live("RFC 6455 7.4.1: so it is when the sending is interrupted", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role)
        const sending = yield* Effect.forkChild(ws.sendStream("text", Stream.concat(pieces, Stream.never)))
        yield* peer.frames(3)
        yield* Fiber.interrupt(sending)
        assertFrames([yield* peer.frame], role, [{ opcode: Raw.close, payload: Raw.closeBody(1011) }])
      }))

    it.live("pieces that fail before the first one leave the connection as it was", () =>
      Effect.gen(function*() {
        const opened = yield* open(role)
        assert.strictEqual(yield* Effect.flip(opened.ws.sendStream("text", Stream.fail("nothing yet"))), "nothing yet")
        yield* opened.ws.send("still open")
        assertFrames([yield* opened.peer.frame], role, [{ opcode: Raw.text, payload: "still open" }])
        yield* closeByPeer(opened, role)
      }))
  })
})

describe("receiving in pieces", () => {
  inBothRoles((role) => {
    it.live("the pieces of fragments are one message, whatever comes between, and the next is another one", () =>
      Effect.gen(function*() {
        const { peer, ws } = yield* open(role, { use: hold })
        const receive = Effect.scoped(
          Effect.flatMap(
            ws.receiveStream,
            ({ pieces, type }) =>
              Effect.map(Stream.runCollect(pieces), (all) => [type, Buffer.concat([...all]).toString()] as const)
          )
        )
        const receiving = yield* Effect.forkChild(Effect.all([receive, receive, receive]), { startImmediately: true })
        yield* peer.send([
          { opcode: Raw.text, payload: "gr\u00fc", fin: false },
          { opcode: Raw.ping },
          { opcode: Raw.continuation, payload: "", fin: false },
          { opcode: Raw.continuation, payload: "\u00dfe" },
          { opcode: Raw.binary },
          { opcode: Raw.text, payload: "last" }
        ], 1)
        assert.deepStrictEqual(yield* Fiber.join(receiving), [["text", "gr\u00fc\u00dfe"], ["binary", ""], [
          "text",
          "last"
        ]])
      }))

    it.live("RFC 6455 8.1: a text that is none fails the pieces at the byte, after those before it", () =>
      Effect.gen(function*() {
        const seen: Array<string> = []
        const opened = yield* open(role, {
          use: (ws) =>
            Effect.flatMap(
              ws.receiveStream,
              ({ pieces }) =>
                Stream.runForEach(pieces, (piece) => Effect.sync(() => seen.push(Buffer.from(piece).toString())))
            )
        })
        yield* opened.peer.send([{ opcode: Raw.text, payload: "fine", fin: false }])
        yield* turns
        yield* opened.peer.send([{ opcode: Raw.continuation, payload: Uint8Array.of(0xff), fin: false }])
        yield* expectFailure(opened, role, [], { code: 1007, reason: "InvalidUtf8" })
        assert.strictEqual(seen.join(""), "fine")
      }))

    it.live("RFC 6455 10.4: the size of a message is limited in pieces, too", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, {
          limits: { maxMessageSize: 10 },
          use: (ws) => Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runDrain(pieces))
        })
        yield* opened.peer.send([
          { opcode: Raw.text, payload: "12345", fin: false },
          { opcode: Raw.continuation, payload: "678901", fin: false }
        ])
        yield* expectFailure(opened, role, [], { code: 1009, reason: "MessageTooLarge" })
      }))

    it.live("RFC 6455 7.1.5: a connection that ends in the middle of a message fails the pieces", () =>
      Effect.gen(function*() {
        const { peer, reason } = yield* open(role, {
          use: (ws) => Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runDrain(pieces))
        })
        yield* peer.send([{ opcode: Raw.text, payload: "half of it", fin: false }])
        yield* peer.end
        assert.deepInclude(yield* reason, { _tag: "Closed", code: 1006, clean: false })
      }))
  })
})
