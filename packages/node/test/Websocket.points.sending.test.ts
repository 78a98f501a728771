/** An interruption at every suspension point of every way to send over a `Websocket`, of pings and of closing. */
import { assert, describe, it } from "@effect/vitest"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Websocket from "@websocket-stream/node/Websocket"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { duplexPair } from "node:stream"
import { asText, closeFrame, decode, encode, text } from "./support/frames.ts"
import { everywhere, type Outcome, waitersIn } from "./support/interrupting.ts"
import { Scripted } from "./support/scripted.ts"
import { reasonOf, turns } from "./support/streams.ts"
import { scripted, takeover, type Ws } from "./support/websockets.ts"

const codeOf = ({ payload }: Frame.Frame): number => payload[0]! * 256 + payload[1]!

/** What was sent: texts put together, other frames by their names. Throws of frames that are no whole message. */
const sentBy = (duplex: Scripted): ReadonlyArray<string> => {
  const sent: Array<string> = []
  let begun: string | undefined
  for (const frame of decode("server", duplex.sentBytes)) {
    if (Opcode.isControl(frame.opcode)) {
      if (frame.opcode === Opcode.Close && begun !== undefined) sent.push(`begun: ${begun}`)
      if (frame.opcode === Opcode.Close) begun = undefined
      sent.push(frame.opcode === Opcode.Close ? `Close ${codeOf(frame)}` : Opcode.name(frame.opcode))
    } else {
      assert.strictEqual(frame.opcode === Opcode.Continuation, begun !== undefined)
      begun = (begun ?? "") + asText(frame)
      if (!frame.fin) continue
      sent.push(begun)
      begun = undefined
    }
  }
  assert.isUndefined(begun)
  return sent
}

/** A connection whose peer has not taken the first message yet. */
const full = Effect.gen(function*() {
  const { duplex, ws } = yield* scripted(undefined, { stalled: true, highWaterMark: 1 })
  yield* ws.send("first")
  yield* turns
  return { duplex, ws }
})

const pongs = (duplex: Scripted): void => {
  const ping = decode("server", duplex.sentBytes).find(({ opcode }) => opcode === Opcode.Ping)
  if (ping !== undefined) duplex.push(encode("server", Frame.make(Opcode.Pong, ping.payload)))
}

interface Sending {
  readonly name: string
  readonly send: (ws: Ws) => Effect.Effect<unknown, unknown>
  /** What is sent of it if it is sent. */
  readonly sent: ReadonlyArray<string>
  /** What may be left where it is broken off. */
  readonly broken?: ReadonlyArray<ReadonlyArray<string>>
}

const sendings: ReadonlyArray<Sending> = [
  { name: "send", send: (ws) => ws.send("second"), sent: ["second"] },
  { name: "sendAll", send: (ws) => ws.sendAll(["second", "third"]), sent: ["second", "third"] },
  {
    name: "sendStream",
    send: (ws) => ws.sendStream("text", Stream.make("sec", "ond")),
    sent: ["second"],
    broken: [["begun: sec", "Close 1011"], ["begun: second", "Close 1011"]]
  },
  { name: "ping", send: (ws) => ws.ping(), sent: ["Ping"] }
]

describe("an interruption at any point of", { timeout: 60_000 }, () => {
  for (const { broken = [], name, send, sent } of sendings) {
    it.live(`${name} leaves all of it sent, once, or nothing${broken.length > 0 ? ", or 1011" : ""}`, () =>
      Effect.gen(function*() {
        const ends = new Set<string>()
        const { interruptions, waiting } = yield* everywhere(Effect.gen(function*() {
          const { duplex, ws } = yield* full
          let isTold = false
          const effect = Effect.map(send(ws), () => {
            isTold = true
          })
          const check = Effect.fnUntraced(function*({ exit, waited }: Outcome) {
            assert.strictEqual(waitersIn(ws), 0)
            duplex.acceptAll()
            yield* turns
            // One that was sent and is not waited for yet is forgotten with its pong.
            if (!waited) pongs(duplex)
            yield* turns
            assert.deepStrictEqual(Reflect.get(Reflect.get(ws, "pings"), "list"), [])
            const [first, ...rest] = sentBy(duplex)
            assert.strictEqual(first, "first")
            ends.add(rest.join(", "))
            if (isTold || rest.length > 0) assert.deepInclude([sent, ...broken], rest)
            if (isTold) assert.deepStrictEqual(rest, sent)
            if (waited && Exit.isFailure(exit) && name.startsWith("send") && rest.length > 0) {
              assert.deepInclude(broken, rest)
            }
            const last = yield* Effect.exit(ws.send("last"))
            yield* turns
            assert.strictEqual(Exit.isSuccess(last), !rest.includes("Close 1011"))
            assert.deepStrictEqual(sentBy(duplex), ["first", ...rest, ...(Exit.isSuccess(last) ? ["last"] : [])])
            duplex.push(encode("server", text("still here")))
            if (Exit.isSuccess(last)) assert.strictEqual((yield* ws.receive).payload.length, 10)
          })
          const accept = () => duplex.accept()
          const pong = () => pongs(duplex)
          return { effect, events: [...Array(9).fill(accept), ...Array(9).fill(pong)], check }
        }))
        assert.isAbove(interruptions, 10)
        assert.isAtLeast(waiting, 2)
        assert.sameMembers([...ends], ["", sent.join(", "), ...broken.map((frames) => frames.join(", "))])
      }))
  }

  it.live("send, compressed by a window that is kept, leaves the window as the peer has it", () =>
    Effect.gen(function*() {
      const { interruptions } = yield* everywhere(Effect.gen(function*() {
        const [near, far] = duplexPair()
        const options: Websocket.Options = {
          deflate: takeover,
          compression: { threshold: 0 },
          closeDeadline: 0
        }
        const open = (duplex: typeof near, role: "client" | "server") =>
          Effect.flatMap(
            WebsocketStream.make(duplex, { role, linger: 0, rsv1: true }),
            (stream) => Websocket.make(stream, options)
          )
        const ws = yield* open(far, "server")
        const peer = yield* open(near, "client")
        const [first, second, third] = ["alpha beta gamma", "gamma beta alpha", "beta gamma alpha"] as const
        yield* ws.send(first)
        let isTold = false
        const effect = Effect.map(ws.send(second), () => {
          isTold = true
        })
        const check = Effect.fnUntraced(function*() {
          assert.strictEqual(waitersIn(ws), 0)
          yield* ws.send(third)
          const received: Array<string> = []
          while (received.at(-1) !== third) received.push(asText(yield* peer.receive))
          if (isTold || received.length > 2) assert.deepStrictEqual(received, [first, second, third])
          else assert.deepStrictEqual(received, [first, third])
        })
        return { effect, events: [], check }
      }))
      assert.isAbove(interruptions, 20)
    }))

  it.live("close leaves the connection open, or closed once by the code that was given", () =>
    Effect.gen(function*() {
      const ends = new Set<string>()
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const { duplex, ws } = yield* scripted({ closeDeadline: "1 hour" })
        let isAnswered = false
        const answer = () => {
          const close = decode("server", duplex.sentBytes).find(({ opcode }) => opcode === Opcode.Close)
          if (close !== undefined && !isAnswered) duplex.push(encode("server", closeFrame(codeOf(close), "theirs")))
          isAnswered ||= close !== undefined
        }
        const check = Effect.fnUntraced(function*() {
          assert.strictEqual(waitersIn(ws), 0)
          yield* turns
          const sent = sentBy(duplex)
          ends.add(sent.join(", "))
          const closing = yield* Effect.forkChild(ws.close(4001), { startImmediately: true })
          yield* turns
          answer()
          const code = sent.length > 0 ? 4000 : 4001
          assert.deepInclude(yield* reasonOf(ws.receive), { _tag: "Closed", by: "Us", code, clean: true })
          assert.deepInclude(yield* ws.closed, { received: { code, reason: "theirs" }, clean: true })
          duplex.push(null)
          yield* turns
          assert.deepStrictEqual(sentBy(duplex), [`Close ${code}`])
          assert.deepStrictEqual(closing.pollUnsafe(), Exit.succeed({ code, reason: "theirs" }))
        })
        return { effect: ws.close(4000, "ours"), events: [answer, answer, answer], check }
      }))
      assert.isAtLeast(waiting, 2)
      assert.sameMembers([...ends], ["", "Close 4000"])
    }))

  it.live("make and the closing of its scope says 1000 or 1001, once, and nothing where there was none", () =>
    Effect.gen(function*() {
      const ends = new Set<string>()
      const { waiting } = yield* everywhere(Effect.gen(function*() {
        const duplex = new Scripted()
        const effect = Effect.scoped(Effect.gen(function*() {
          const stream = yield* WebsocketStream.make(duplex, { role: "server" })
          const ws = yield* Websocket.make(stream, { closeDeadline: "1 hour" })
          yield* ws.send("hello")
          yield* ws.receive
        }))
        const check = Effect.fnUntraced(function*() {
          yield* turns
          ends.add(sentBy(duplex).join(", "))
          if (duplex.destroyed) return
          assert.strictEqual(duplex.eventNames().length, 0)
          assert.deepStrictEqual(sentBy(duplex), [])
        })
        const events = [
          () => void duplex.push(encode("server", text("hello"))),
          () => void duplex.push(encode("server", closeFrame(1000))),
          () => void duplex.push(null)
        ]
        return { effect, events, check }
      }))
      assert.isAbove(waiting, 2)
      assert.sameMembers([...ends], ["", "Close 1001", "hello, Close 1001", "hello, Close 1000"])
    }))
})
