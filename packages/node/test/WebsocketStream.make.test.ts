import { assert, describe, it } from "@effect/vitest"
import type * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { existsSync, readFileSync } from "node:fs"
import { type Duplex, duplexPair } from "node:stream"
import { asText, encode, text } from "./support/frames.ts"
import * as Pairs from "./support/pairs.ts"
import { Scripted } from "./support/scripted.ts"
import { assertClosed, event, make, mistyped, park, reasonOf, scripted } from "./support/streams.ts"

const flagsOf = (fd: number): string => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").match(/flags:.*/)![0]

describe("make", () => {
  for (const [kind, pair] of Pairs.kinds) {
    it.live(`S1: frames both ways over ${kind}, the first of them in the head`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* pair
        const bytes = encode("server", text("one"), text("two"))
        peer.write(bytes.subarray(14))
        const server = yield* make(ours, { role: "server", head: bytes.subarray(0, 14) })
        assert.strictEqual(asText(yield* server.read), "one")
        assert.strictEqual(asText(yield* server.read), "two")
        const client = yield* make(peer, { role: "client" })
        yield* server.write(Opcode.Text, "three")
        assert.strictEqual(asText(yield* client.read), "three")
        yield* client.write(Opcode.Text, "four")
        assert.strictEqual(asText(yield* server.read), "four")
      }))
  }

  it.live("S1: the head is the caller's, and is not written to", () =>
    Effect.gen(function*() {
      // On a socket the decoder unmasks in place what it is given.
      const { ours } = yield* Pairs.tcp()
      const head = encode("server", text("masked, and long enough to be worth a word"))
      const before = head.slice()
      const { read } = yield* make(ours, { role: "server", head })
      assert.strictEqual(asText(yield* read), "masked, and long enough to be worth a word")
      assert.deepStrictEqual(head, before)
    }))

  it.effect("S1: bytes that a stream in memory passes on belong to whoever wrote them", () =>
    Effect.gen(function*() {
      const [ours, peer] = duplexPair()
      const bytes = encode("server", text("masked, and long enough to be worth a word"))
      const before = bytes.slice()
      const { read } = yield* make(ours, { role: "server" })
      peer.write(bytes)
      assert.strictEqual(asText(yield* read), "masked, and long enough to be worth a word")
      assert.deepStrictEqual(bytes, before)
    }))

  it.effect("S2: begins in either mode, and in Block if none is given", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* (yield* scripted({ role: "server" })).stream.mode, "Block")
      assert.strictEqual(yield* (yield* scripted({ role: "server", mode: "Block" })).stream.mode, "Block")
      assert.strictEqual(yield* (yield* scripted({ role: "server", mode: "NonBlock" })).stream.mode, "NonBlock")
    }))

  it.effect("B9, B14: the role decides who masks, and is there to be read", () =>
    Effect.gen(function*() {
      for (const role of ["client", "server"] as const) {
        const { duplex, stream } = yield* scripted({ role })
        assert.strictEqual(stream.role, role)
        duplex.push(encode(role, text("from the peer")))
        assert.strictEqual(asText(yield* stream.read), "from the peer")
        yield* stream.write(Opcode.Text, "from us")
        yield* Effect.yieldNow
        assert.strictEqual(duplex.sentBytes[1]! >= 0x80, role === "client")
      }
    }))

  it.live.skipIf(!existsSync("/proc/self/fdinfo"))(
    "B16: the mode is a policy, the descriptor's flags stay",
    () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { fd } = Reflect.get(ours, "_handle")
        const before = flagsOf(fd)
        const stream = yield* make(ours, { role: "client", mode: "NonBlock" })
        assert.strictEqual((yield* reasonOf(stream.read))._tag, "WouldBlock")
        assert.strictEqual(flagsOf(fd), before)
        yield* stream.setMode("Block")
        peer.write(encode("client", text("one")))
        yield* stream.read
        yield* stream.setMode("NonBlock")
        assert.strictEqual(flagsOf(fd), before)
      })
  )

  it.effect("takes RSV1 only where an extension was negotiated", () =>
    Effect.gen(function*() {
      const compressed: Frame.Frame = { ...text("deflated"), rsv1: true }
      const { duplex, stream } = yield* scripted({ role: "client", rsv1: true })
      duplex.push(encode("client", compressed))
      assert.deepStrictEqual(yield* stream.read, compressed)
      const without = yield* scripted({ role: "client" })
      without.duplex.push(encode("client", compressed))
      assert.strictEqual((yield* reasonOf(without.stream.read))._tag, "Protocol")
    }))
})

describe("make on a stream that is over", () => {
  it.effect("destroyed: Io, and no event is left unheard", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      // Destroyed in this very turn: the event `error` is still to come.
      duplex.destroy(Object.assign(new Error("read ETIMEDOUT"), { code: "ETIMEDOUT" }))
      const stream = yield* make(duplex, { role: "server", head: encode("server", text("before")) })
      assert.strictEqual(asText(yield* stream.read), "before")
      assert.deepInclude(yield* reasonOf(stream.read), { _tag: "Io", code: "ETIMEDOUT" })
      assert.deepInclude(yield* reasonOf(stream.write(Opcode.Text, "")), { _tag: "Io", code: "ETIMEDOUT" })
      yield* event(duplex, "close")
    }))

  it.effect("destroyed without an error: Io, in both modes", () =>
    Effect.gen(function*() {
      for (const mode of ["Block", "NonBlock"] as const) {
        const duplex = new Scripted()
        duplex.push(encode("server", text("before")))
        duplex.destroy()
        yield* event(duplex, "close")
        const stream = yield* make(duplex, { role: "server", mode })
        assert.strictEqual(asText(yield* stream.read), "before")
        const reason = yield* reasonOf(stream.read)
        assert.deepInclude(reason, { _tag: "Io", code: "ERR_STREAM_PREMATURE_CLOSE" })
        assert.strictEqual(reason.message, "the connection failed: the stream was destroyed")
        assert.strictEqual((yield* reasonOf(stream.write(Opcode.Text, "")))._tag, "Io")
      }
    }))

  it.effect("ended: Closed by the peer, and we may still write", () =>
    Effect.gen(function*() {
      const [ours, peer] = duplexPair()
      peer.end()
      ours.resume()
      yield* event(ours, "end")
      const stream = yield* make(ours, { role: "server" })
      assertClosed(yield* reasonOf(stream.read), "Peer")
      assert.strictEqual(yield* stream.write(Opcode.Text, "to a half-open peer"), 21)
    }))
})

describe("options", () => {
  const wrong: ReadonlyArray<readonly [option: string, options: WebsocketStream.Options, duplex?: Duplex]> = [
    ["role", mistyped({ role: "server" }, { role: "proxy" })],
    ["mode", mistyped({ role: "server" }, { mode: "Nonblock" })],
    ["limits.maxFrameSize", { role: "server", limits: { maxFrameSize: -1 } }],
    ["limits.maxFrameSize", { role: "client", limits: { maxFrameSize: 1.5 } }],
    ["limits.maxFrameSize", { role: "client", limits: { maxFrameSize: Infinity } }],
    ["linger", { role: "server", linger: -1 }],
    ["turnSize", { role: "server", turnSize: 1023 }],
    ["turnSize", { role: "server", turnSize: 2 ** 30 + 1 }],
    ["turnSize", { role: "client", turnSize: 1024.5 }],
    ["duplex", { role: "server" }, duplexPair({ readableObjectMode: true })[0]],
    ["duplex", { role: "server" }, duplexPair({ writableObjectMode: true })[0]],
    ["duplex", { role: "server" }, duplexPair({ encoding: "utf8" })[0]]
  ]

  it.effect.each(wrong)(
    "a wrong one is named, and the stream is not touched: %s",
    ([option, options, given]) =>
      Effect.gen(function*() {
        const duplex = given ?? new Scripted()
        const before = duplex.eventNames()
        const error = yield* Effect.flip(WebsocketStream.make(duplex, options))
        assert.strictEqual(error._tag, "OptionError")
        assert.strictEqual(error.option, option)
        assert.isTrue(error.message.startsWith(`${option} is `))
        assert.deepStrictEqual(duplex.eventNames(), before)
        assert.isFalse(duplex.destroyed)
        assert.isNull(duplex.readableFlowing)
      })
  )

  it.effect("a turn may be as small and as large as it says", () =>
    Effect.gen(function*() {
      for (const turnSize of [1024, 2 ** 30]) {
        const { duplex, stream } = yield* scripted({ role: "server", turnSize })
        duplex.push(encode("server", text("there")))
        assert.strictEqual(asText(yield* stream.read), "there")
      }
    }))
})

describe("make on a stream that another took over", () => {
  for (const [kind, pair] of Pairs.kinds) {
    for (const direct of [true, false]) {
      it.live(`is refused, and the first goes on as if nothing had been asked: ${kind}, direct: ${direct}`, () =>
        Effect.gen(function*() {
          const { ours, peer } = yield* pair
          const stream = yield* make(ours, { role: "server", direct })
          const reader = yield* park(stream.read)
          const error = yield* Effect.flip(make(ours, { role: "server", direct: !direct }))
          assert.strictEqual(error.option, "duplex")
          peer.write(encode("server", text("one"), text("two")))
          assert.strictEqual(asText(yield* Fiber.join(reader)), "one")
          assert.strictEqual(asText(yield* stream.read), "two")
        }))
    }
  }

  it.effect("is refused once that has closed, too", () =>
    Effect.gen(function*() {
      const duplex = new Scripted()
      yield* Effect.scoped(make(duplex, { role: "server" }))
      assert.strictEqual((yield* Effect.flip(make(duplex, { role: "server" }))).option, "duplex")
    }))
})

describe("layer", () => {
  it.effect("is the service over a stream that an effect opens, and closes it", () => {
    const [ours, peer] = duplexPair()
    const acquire = Effect.acquireRelease(Effect.succeed(ours), (duplex) => Effect.sync(() => duplex.destroy()))
    return Effect.gen(function*() {
      peer.write(encode("server", text("one")))
      const stream = yield* WebsocketStream.WebsocketStream
      assert.strictEqual(asText(yield* stream.read), "one")
    }).pipe(
      Effect.provide(WebsocketStream.layer(acquire, { role: "server" })),
      Effect.tap(() => Effect.sync(() => assert.isTrue(ours.destroyed)))
    )
  })

  it.effect("fails as the effect fails, and with an OptionError", () =>
    Effect.gen(function*() {
      const refused = WebsocketStream.layer(Effect.fail("refused" as const), { role: "server" })
      assert.strictEqual(yield* Effect.flip(Effect.scoped(Layer.build(refused))), "refused")
      const wrong = WebsocketStream.layer(Effect.succeed(duplexPair()[0]), {
        role: "server",
        limits: { maxFrameSize: -1 }
      })
      assert.propertyVal(yield* Effect.flip(Effect.scoped(Layer.build(wrong))), "option", "limits.maxFrameSize")
    }))
})
