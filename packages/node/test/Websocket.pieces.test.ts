import { assert, describe, it } from "@effect/vitest"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { duplexPair } from "node:stream"
import { closeFrame, decode, encode } from "./support/frames.ts"
import { Scripted } from "./support/scripted.ts"
import { make, park, reasonOf, turns } from "./support/streams.ts"
import { deflated, scripted, withoutTakeover, type Ws } from "./support/websockets.ts"

const pair = Effect.gen(function*() {
  const [near, far] = duplexPair()
  const ws = yield* Effect.flatMap(WebsocketStream.make(far, { role: "server" }), Websocket.make)
  // Last, so that it leaves first, and nobody waits for it to agree to close.
  return { ws, peer: yield* WebsocketStream.make(near, { role: "client" }) }
})

const fragment = (opcode: Opcode.Opcode, text: string, fin: boolean) => Frame.make(opcode, Buffer.from(text), { fin })

const tell = (duplex: Scripted, ...frames: ReadonlyArray<Frame.Frame>) =>
  Effect.andThen(Effect.sync(() => duplex.push(encode("server", ...frames))), turns)

/** Begins to receive a message in pieces, of which there is one. */
const begin = Effect.fnUntraced(function*(duplex: Scripted, ws: Ws, first = fragment(Opcode.Text, "begun", false)) {
  const receiving = yield* Effect.forkScoped(ws.receiveStream, { startImmediately: true })
  yield* tell(duplex, first)
  return yield* Fiber.join(receiving)
})

const asText = (pieces: ReadonlyArray<Uint8Array>): string => Buffer.concat(pieces).toString()

describe("Websocket.receiveStream", () => {
  it.live("gives a message piece by piece, as its bytes arrive", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      yield* Effect.forkScoped(Effect.scoped(Effect.gen(function*() {
        yield* peer.write(Opcode.Text, "a", { fin: false })
        yield* peer.read
        yield* peer.writeAll([fragment(Opcode.Continuation, "b", false), fragment(Opcode.Continuation, "c", true)])
      })))
      const { pieces, type } = yield* ws.receiveStream
      assert.strictEqual(type, "text")
      // The peer goes on only when it is told that the first piece was seen.
      const seen = yield* pieces.pipe(Stream.tap(() => Effect.ignore(ws.send("seen"))), Stream.runCollect)
      assert.strictEqual(asText(seen), "abc")
    }))

  it.live("takes a message that is there already whole", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      yield* peer.writeAll([fragment(Opcode.Text, "first", true), fragment(Opcode.Text, "second", true)])
      assert.strictEqual((yield* ws.receive)._tag, "Text")
      const { pieces } = yield* ws.receiveStream
      assert.strictEqual(asText(yield* Stream.runCollect(pieces)), "second")
    }))

  it.effect("gives a compressed message as one piece, to who waits for it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted(withoutTakeover)
      const message = Frame.make(Opcode.Text, deflated(Buffer.from("compressed")), { rsv1: true })
      const { pieces, type } = yield* begin(duplex, ws, message)
      assert.strictEqual(type, "text")
      assert.strictEqual(asText(yield* Stream.runCollect(pieces)), "compressed")
      duplex.destroy()
    }))

  it.live("that waits or has begun when we close goes on: to the end of its message, and then of the connection", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      const receive = Effect.scoped(Effect.gen(function*() {
        const { pieces } = yield* ws.receiveStream
        return asText(yield* Stream.runCollect(pieces))
      }))
      const received = yield* Effect.forkScoped(Effect.all([Effect.exit(receive), Effect.flip(receive)]), {
        startImmediately: true
      })
      const closing = yield* Effect.forkScoped(ws.close(4000), { startImmediately: true })
      assert.strictEqual((yield* peer.read).opcode, Opcode.Close)
      for (const [text, fin] of [["a", false], ["b", false], ["c", true]] as const) {
        yield* peer.write(text === "a" ? Opcode.Text : Opcode.Continuation, text, { fin })
        yield* Effect.yieldNow
      }
      yield* peer.writeAll([closeFrame(4000)])
      const [first, second] = yield* Fiber.join(received)
      assert.deepStrictEqual(first, Exit.succeed("abc"))
      assert.strictEqual(second.reason._tag, "Closed")
      assert.strictEqual((yield* Fiber.join(closing)).code, 4000)
    }))

  it.live("that comes when we have closed gets the end, whatever went by before it", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      const waiting = yield* Effect.forkScoped(Effect.scoped(ws.receiveStream), { startImmediately: true })
      yield* peer.writeAll([fragment(Opcode.Text, "first", true)])
      yield* Fiber.join(waiting)
      const late = Effect.scoped(Effect.flatMap(ws.receiveStream, ({ pieces }) => Stream.runCollect(pieces)))
      const closing = yield* Effect.forkScoped(ws.close(4000), { startImmediately: true })
      yield* peer.writeAll([fragment(Opcode.Text, "by", false), fragment(Opcode.Continuation, "gone", true)])
      // All of it comes before anybody waits for it.
      yield* turns
      const end = yield* Effect.forkScoped(reasonOf(late), { startImmediately: true })
      yield* peer.writeAll([fragment(Opcode.Text, "behind it", true)])
      yield* peer.read
      yield* peer.writeAll([closeFrame(4000)])
      assert.deepInclude(yield* Fiber.join(end), { _tag: "Closed", code: 4000 })
      yield* Fiber.join(closing)
    }))

  it.live("drops the rest of a message that was left, and not a byte of the next one", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      const first = Effect.scoped(Effect.gen(function*() {
        const { pieces } = yield* ws.receiveStream
        return asText(yield* pieces.pipe(Stream.take(1), Stream.runCollect))
      }))
      yield* Effect.forkScoped(peer.write(Opcode.Text, "begun", { fin: false }))
      assert.strictEqual(yield* first, "begun")
      const next = yield* Effect.forkScoped(Effect.scoped(Effect.gen(function*() {
        const { pieces } = yield* ws.receiveStream
        return asText(yield* Stream.runCollect(pieces))
      })))
      yield* Effect.yieldNow
      yield* peer.writeAll([
        fragment(Opcode.Continuation, "dropped", false),
        fragment(Opcode.Continuation, "too", true),
        fragment(Opcode.Text, "next", true),
        fragment(Opcode.Text, "last", true)
      ])
      assert.strictEqual(yield* Fiber.join(next), "next")
      const message = yield* ws.receive
      assert.strictEqual(message._tag === "Text" && message.text, "last")
    }))

  it.live("and not the next one of who waits for it, when we have closed meanwhile", () =>
    Effect.gen(function*() {
      const { peer, ws } = yield* pair
      yield* Effect.forkScoped(peer.write(Opcode.Text, "begun", { fin: false }))
      yield* Effect.scoped(ws.receiveStream)
      const receiving = yield* park(ws.receive)
      yield* park(ws.close())
      yield* peer.writeAll([
        fragment(Opcode.Continuation, "dropped", true),
        fragment(Opcode.Text, "next", true),
        closeFrame(CloseCode.Normal)
      ])
      const message = yield* Fiber.join(receiving)
      assert.strictEqual(message._tag === "Text" && message.text, "next")
    }))

  it.live("holds the peer up by fragments as small as can be, which weigh more than they say", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ receiveBuffer: 4096 })
      const { pieces } = yield* begin(duplex, ws, fragment(Opcode.Binary, "", false))
      const empty = encode("server", fragment(Opcode.Continuation, "a", false))
      let sent = 0
      while (sent < 1000 && duplex.readableLength === 0) {
        duplex.push(empty)
        sent++
        yield* turns
      }
      assert.isBelow(sent, 100)
      duplex.push(encode("server", fragment(Opcode.Continuation, "b", true)))
      assert.strictEqual(asText(yield* Stream.runCollect(pieces)), `${"a".repeat(sent)}b`)
    }))

  it.live("holds the peer up, too, when we have closed", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ receiveBuffer: 4096, closeDeadline: "1 minute" })
      yield* begin(duplex, ws, fragment(Opcode.Binary, "begun", false))
      yield* Effect.forkScoped(ws.close(), { startImmediately: true })
      for (let sent = 0; sent < 10; sent++) {
        duplex.push(encode("server", Frame.make(Opcode.Continuation, new Uint8Array(4096), { fin: false })))
        yield* turns
      }
      assert.isAbove(duplex.readableLength, 4 * 4096)
      duplex.destroy()
    }))

  it.live("that is given up in a longer scope leaves the next message whole", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const receiving = yield* park(ws.receiveStream)
      yield* Fiber.interrupt(receiving)
      yield* tell(duplex, fragment(Opcode.Text, "next", true))
      const message = yield* ws.receive
      assert.strictEqual(message._tag === "Text" && message.text, "next")
    }))

  it.live("gives its pieces once, and within its scope", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const left = yield* Effect.scoped(begin(duplex, ws))
      assert.deepInclude(yield* reasonOf(Stream.runDrain(left.pieces)), { _tag: "Closed", by: "Us" })
      yield* tell(duplex, fragment(Opcode.Continuation, "dropped", true))
      const { pieces } = yield* begin(duplex, ws)
      yield* tell(duplex, fragment(Opcode.Continuation, " and whole", true))
      assert.strictEqual(asText(yield* Stream.runCollect(pieces)), "begun and whole")
      assert.deepInclude(yield* reasonOf(Stream.runDrain(pieces)), { _tag: "Closed", by: "Us" })
    }))

  it.live("has no more pieces of a message that came whole once the connection's scope has ended, as nobody has messages", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      const stream = yield* make(duplex, { role: "server" })
      const connection = yield* Scope.make()
      const ws = yield* Scope.provide(Websocket.make(stream, { closeDeadline: 0 }), connection)
      const { pieces } = yield* begin(duplex, ws)
      yield* tell(duplex, fragment(Opcode.Continuation, " and whole", true))
      yield* Scope.close(connection, Exit.void)
      assert.deepInclude(yield* reasonOf(Stream.runDrain(pieces)), { _tag: "Closed", by: "Us" })
    }))

  it.live("tells who waits for a turn of the end", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const { pieces } = yield* begin(duplex, ws)
      const waiting = yield* park(Effect.flip(ws.receiveStream))
      yield* tell(duplex, closeFrame(4000))
      assert.deepInclude((yield* Fiber.join(waiting)).reason, { _tag: "Closed", code: 4000 })
      assert.strictEqual(asText(yield* Stream.runCollect(Stream.take(pieces, 1))), "begun")
    }))

  it.live("holds the peer's Close frame back until who took the last piece had a turn to answer it", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted({ closeDeadline: "1 minute" })
      const { pieces } = yield* begin(duplex, ws)
      yield* tell(duplex, fragment(Opcode.Continuation, "", true), closeFrame(4000))
      assert.deepStrictEqual(decode("server", duplex.sentBytes), [])
      yield* Effect.andThen(Stream.runDrain(pieces), ws.send("answer"))
      assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", code: 4000 })
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(({ opcode }) => opcode), [
        Opcode.Text,
        Opcode.Close
      ])
      duplex.destroy()
    }))

  it.live("keeps the end of the connection from nobody by pieces that are left", () =>
    Effect.gen(function*() {
      const receiving = yield* Effect.scoped(Effect.gen(function*() {
        const { duplex, ws } = yield* scripted({ receiveBuffer: 1, closeDeadline: "1 minute" })
        const { pieces } = yield* Scope.provide(begin(duplex, ws), yield* Scope.make())
        // Behind as many bytes as it holds.
        yield* tell(duplex, fragment(Opcode.Continuation, "more", false), closeFrame(1000))
        duplex.push(null)
        return pieces
      }))
      assert.deepInclude(yield* reasonOf(Stream.runDrain(receiving)), { _tag: "Closed", by: "Us" })
    }))

  it.effect("that an error of the peer breaks off closes with its code, whatever code its reader would close with", () =>
    Effect.gen(function*() {
      const { duplex, ws } = yield* scripted()
      const { pieces } = yield* begin(duplex, ws)
      const reading = yield* Effect.forkChild(
        Effect.ensuring(reasonOf(Stream.runDrain(pieces)), Effect.ignore(ws.close(4000))),
        { startImmediately: true }
      )
      // RFC 6455 5.4: a new message in the middle of another.
      yield* tell(duplex, fragment(Opcode.Text, "another", true))
      assert.strictEqual((yield* Fiber.join(reading))._tag, "Protocol")
      assert.deepStrictEqual(decode("server", duplex.sentBytes).map(({ payload }) => [...payload.subarray(0, 2)]), [
        [...closeFrame(CloseCode.ProtocolError).payload]
      ])
    }))

  it.live("that waits for its turn can be interrupted", () =>
    Effect.gen(function*() {
      const { ws } = yield* scripted()
      const first = yield* Effect.forkScoped(Effect.scoped(ws.receiveStream), { startImmediately: true })
      const second = yield* Effect.forkScoped(Effect.scoped(ws.receiveStream), { startImmediately: true })
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
    }))
})
