import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as net from "node:net"
import { buffer } from "node:stream/consumers"
import { noise } from "../../../core/test/support/bytes.ts"
import * as FrameMemory from "../../src/internal/frameMemory.ts"
import { HandlePort } from "../../src/internal/handlePort.ts"
import * as Port from "../../src/internal/port.ts"
import type { Io } from "../../src/WebsocketError.ts"
import * as Pairs from "../support/pairs.ts"
import { turn, until } from "../support/server.ts"
import { event } from "../support/streams.ts"

const kib = 1024

/** Bytes: more than a system holds for a socket. */
const moreThanHeld = 20_000 * kib

/** Takes all that comes, unless it wants no more, and notes what it is told. */
class Recorder implements Port.Listener {
  readonly chunks: Array<Buffer> = []
  ended = false
  drained = 0
  closed: { readonly reason: Io | undefined } | undefined = undefined
  wantsMore = true
  private readonly onBytes: (length: number) => void

  constructor(onBytes: (length: number) => void = () => {}) {
    this.onBytes = onBytes
  }

  onChunk(chunk: Uint8Array): boolean {
    this.chunks.push(Buffer.from(chunk))
    this.onBytes(chunk.length)
    return this.wantsMore
  }

  onEnd(): void {
    this.ended = true
  }

  onDrain(): void {
    this.drained++
  }

  onClose(reason: Io | undefined): void {
    this.closed = { reason }
  }
}

const defaults = { direct: true, dropsSocket: false, turnSize: 48 * kib }

const attach = (duplex: Pairs.Pair["ours"], options: Partial<Port.PortOptions> = {}, listener = new Recorder()) => {
  const port = Port.open(duplex, listener, { ...defaults, ...options })
  port.attach()
  return { port, listener }
}

/** A port with a write that the system takes its time for, and the peer, which reads nothing yet. */
const busy = Effect.fnUntraced(function*(direct: boolean) {
  const { ours, peer } = yield* Pairs.tcp()
  peer.pause()
  const { port } = attach(ours, { direct })
  port.write(new Uint8Array(moreThanHeld))
  yield* turn
  assert.isAbove(port.queuedBytes, 0)
  return { peer, port }
})

const isDirect = (duplex: Pairs.Pair["ours"], options?: Partial<Port.PortOptions>) =>
  attach(duplex, options).port instanceof HandlePort

describe("a port has the socket's handle", () => {
  it.live("of a plain socket that is open and idle", () =>
    Effect.gen(function*() {
      for (const pair of [Pairs.tcp(), Pairs.unix]) assert.isTrue(isDirect((yield* pair).ours))
    }))

  it.live("unless it is not to", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      assert.isFalse(isDirect(ours, { direct: false }))
    }))

  it.live("and of no other stream", () =>
    Effect.gen(function*() {
      for (const pair of [Pairs.secure, Pairs.http2Stream, Pairs.memory()]) assert.isFalse(isDirect((yield* pair).ours))
      class Tapped extends net.Socket {}
      assert.isFalse(isDirect(new Tapped()))
    }))

  for (
    const [what, make] of [
      ["has a timer of its own", (socket) => socket.setTimeout(60_000)],
      ["is read by somebody", (socket) => socket.on("data", () => {})],
      ["has not sent all yet", (socket) => socket.write(noise(moreThanHeld, 1))],
      ["was ended", (socket) => socket.end()],
      ["was destroyed", (socket) => socket.destroy()]
    ] satisfies ReadonlyArray<readonly [string, (socket: net.Socket) => unknown]>
  ) {
    it.live(`nor of one that ${what}`, () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        peer.pause()
        make(ours)
        assert.isFalse(isDirect(ours))
      }))
  }

  it.live("nor are the chunks its own of a socket that somebody else reads", () =>
    Effect.gen(function*() {
      const { ours } = yield* Pairs.tcp()
      assert.isTrue(attach(ours, { direct: false }).port.ownsChunks)
      const { ours: read } = yield* Pairs.tcp()
      assert.isFalse(attach(read.on("data", () => {})).port.ownsChunks)
    }))
})

for (const direct of [true, false]) {
  describe(`a port ${direct ? "on a handle" : "on a stream"}`, () => {
    it.live("begins with what Node has read, and loses nothing behind it", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const bytes = noise(500 * kib, 1)
        peer.write(bytes)
        yield* until(() => ours.readableLength > 0)
        const { listener, port } = attach(ours, { direct })
        port.pull()
        assert.isAbove(listener.chunks.length, 0)
        yield* until(() => Buffer.concat(listener.chunks).length === bytes.length)
        assert.isTrue(Buffer.concat(listener.chunks).equals(bytes))
      }))

    // From Node 26 on a stream gives one of them at a time.
    const holding = Effect.gen(function*() {
      const pair = yield* Pairs.tcp()
      for (const [i, piece] of ["one", "two", "three"].entries()) {
        pair.peer.write(piece)
        yield* until(() => pair.ours.readableLength === [3, 6, 11][i])
      }
      return { ...pair, ...attach(pair.ours, { direct }) }
    })

    it.live("gives all that Node has read, however many pieces it was, before its pull returns", () =>
      Effect.gen(function*() {
        const { listener, peer, port } = yield* holding
        port.pull()
        assert.deepStrictEqual(listener.chunks.map(String), ["onetwothree"])
        peer.write("four")
        yield* until(() => listener.chunks.length > 1)
        assert.deepStrictEqual(listener.chunks.map(String), ["onetwothree", "four"])
      }))

    for (const end of [false, true]) {
      it.live(`begins with it though ${end ? "the end" : "more"} comes before somebody asks`, () =>
        Effect.gen(function*() {
          const { ours, peer } = yield* Pairs.tcp()
          peer.write("one")
          yield* until(() => ours.readableLength > 0)
          const { listener, port } = attach(ours, { direct })
          if (end) peer.end()
          else peer.write("two")
          yield* until(() => peer.writableLength === 0)
          for (let i = 0; i < 4; i++) yield* turn
          assert.isFalse(listener.ended)
          port.pull()
          const expected = end ? "one" : "onetwo"
          yield* until(() => listener.ended === end && Buffer.concat(listener.chunks).length === expected.length)
          assert.strictEqual(Buffer.concat(listener.chunks).toString(), expected)
        }))
    }

    it.live("fails by what its owner destroys the socket with, whatever is on its way", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        peer.pause()
        const { listener, port } = attach(ours, { direct })
        port.write(noise(moreThanHeld, 1))
        yield* turn
        ours.destroy(new Error("enough"))
        yield* until(() => listener.closed !== undefined)
        assert.strictEqual(listener.closed?.reason?.cause.message, "enough")
      }))

    it.live("fails by it, too, where something waits for the end of the tick to go out", () =>
      Effect.gen(function*() {
        const { ours } = yield* Pairs.tcp()
        const { listener, port } = attach(ours, { direct })
        port.write(Buffer.from("never sent"))
        ours.destroy(new Error("enough"))
        yield* until(() => listener.closed !== undefined)
        assert.strictEqual(listener.closed?.reason?.cause.message, "enough")
      }))

    it.live("gives all of it, too, when the stream is destroyed before somebody asks", () =>
      Effect.gen(function*() {
        const { listener, ours } = yield* holding
        ours.destroy()
        yield* until(() => listener.closed !== undefined)
        assert.strictEqual(Buffer.concat(listener.chunks).toString(), "onetwothree")
      }))

    it.live("sends in their order what is written in one tick, the answer to what was held among it", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        peer.write("held")
        yield* until(() => ours.readableLength > 0)
        const { port } = attach(ours, { direct }, new Recorder(() => port.write(Buffer.from("2"))))
        port.write(Buffer.from("1"))
        port.pull()
        port.write(Buffer.from("3"))
        port.write(Buffer.from("4"))
        port.shutdown()
        assert.strictEqual((yield* Effect.promise(() => buffer(peer))).toString(), "1234")
      }))

    it.live("sends all of what is written in one tick, though the system does not take the first of it at once", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { port } = attach(ours, { direct })
        const large = noise(moreThanHeld, 1)
        for (const bytes of [large, Buffer.from("second"), Buffer.from("third")]) port.write(bytes)
        port.shutdown()
        const received = yield* Effect.promise(() => buffer(peer))
        assert.isTrue(received.equals(Buffer.concat([large, Buffer.from("secondthird")])))
      }))

    it.live("is full from as many bytes on as the socket says, as a stream is", () =>
      Effect.gen(function*() {
        const { ours } = yield* Pairs.tcp()
        const { port } = attach(ours, { direct })
        port.write(new Uint8Array(ours.writableHighWaterMark - 1))
        assert.isFalse(port.isFull)
        port.write(new Uint8Array(1))
        assert.isTrue(port.isFull)
      }))

    it.live("sends what is written as the write of another fails that went out with its own", () =>
      Effect.gen(function*() {
        const [sound, reset] = [yield* Pairs.tcp(), yield* Pairs.tcp()]
        const { port } = attach(sound.ours, { direct })
        const failing = attach(reset.ours, { direct }, new Recorder(() => port.write(Buffer.from(", more"))))
        reset.peer.write("held")
        yield* until(() => reset.ours.bytesRead === "held".length)
        reset.peer.resetAndDestroy()
        yield* event(reset.peer, "close")
        port.write(Buffer.from("first"))
        failing.port.write(Buffer.from("lost"))
        let got = ""
        sound.peer.on("data", (bytes) => got += bytes.toString())
        yield* until(() => got === "first, more")
      }))

    it.live("is full while the peer does not read, tells when it is not, and sends every byte", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        peer.pause()
        const { listener, port } = attach(ours, { direct })
        const sent: Array<Uint8Array> = []
        for (let i = 0; !port.isFull || i % 7 !== 0 || port.queuedBytes < 300 * kib; i++) {
          const bytes = noise(50 * kib, i)
          sent.push(bytes)
          port.write(bytes)
          yield* Effect.yieldNow
        }
        assert.isFalse(port.takeTaken() && port.takeTaken())
        assert.strictEqual(listener.drained, 0)
        const received = yield* Effect.forkChild(Effect.promise(() => buffer(peer)), { startImmediately: true })
        yield* until(() => listener.drained > 0)
        assert.isFalse(port.isFull)
        assert.strictEqual(port.queuedBytes, 0)
        assert.isTrue(port.takeTaken())
        port.shutdown()
        assert.isFalse(port.isWritable)
        assert.isTrue((yield* Fiber.join(received)).equals(Buffer.concat(sent)))
      }))

    it.live("leaves a frame as it is until the system has taken it, though others are put together meanwhile", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        peer.pause()
        const { port } = attach(ours, { direct })
        const size = FrameMemory.blockBytes / 4
        let sent = 0
        while (port.queuedBytes === 0) {
          for (let i = 0; i < 16; i++) yield* Effect.yieldNow
          port.write(FrameMemory.take(size).fill(1))
          sent += size
          yield* turn
        }
        for (let i = 0; i < 4; i++) FrameMemory.take(size).fill(2)
        port.shutdown()
        const received = yield* Effect.promise(() => buffer(peer))
        assert.deepStrictEqual([received.length, received.indexOf(2)], [sent, -1])
      }))

    it.live("counts what was written while the system took its time until that is taken, too", () =>
      Effect.gen(function*() {
        const { peer, port } = yield* busy(direct)
        port.write(new Uint8Array(moreThanHeld))
        let received = 0
        peer.on("data", ({ length }) => (received += length) > moreThanHeld && peer.pause()).resume()
        yield* until(() => peer.isPaused())
        for (let i = 0; i < 4; i++) yield* turn
        assert.strictEqual(port.queuedBytes, moreThanHeld)
        assert.isTrue(port.isFull)
      }))

    it.live("sends what is written when the system has taken what it took its time for", () =>
      Effect.gen(function*() {
        const { peer, port } = yield* busy(direct)
        let received = 0
        peer.on("data", ({ length }) => received += length).resume()
        yield* until(() => received === moreThanHeld && port.queuedBytes === 0)
        for (const more of ["one", "two"]) {
          received = 0
          port.write(Buffer.from(more))
          yield* until(() => received === more.length)
        }
      }))

    it.live("fails of a write that the peer's reset has ended, though nobody reads", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { port } = attach(ours, { direct })
        // Read ahead, and then no more.
        for (let i = 0; i < 4; i++) {
          peer.write(noise(500 * kib, i))
          yield* turn
        }
        peer.pause()
        port.write(new Uint8Array(moreThanHeld))
        yield* turn
        peer.resetAndDestroy()
        yield* until(() => port.failure !== undefined)
        assert.isFalse(port.isWritable)
        assert.strictEqual(port.failure?.syscall, "write")
      }))

    it.live("sees that the peer takes of a write, long before all of it is taken", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { port } = attach(ours, { direct })
        // More than a system holds for a socket.
        port.write(new Uint8Array(64 * 1024 * kib))
        while (port.takeTaken()) yield* turn
        peer.on("data", () => port.takeTaken() && peer.pause())
        yield* until(() => peer.isPaused())
        assert.isTrue(port.isFull)
      }))

    it.live("hears who is read, and takes whom it does not read for heard", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { listener, port } = attach(ours, { direct })
        assert.isTrue(port.takeHeard())
        port.pull()
        assert.isFalse(port.takeHeard())
        peer.write("a")
        yield* until(() => listener.chunks.length > 0)
        assert.isTrue(port.takeHeard())
        assert.isFalse(port.takeHeard())
      }))

    it.live("tells nothing to who wants no more, until it pulls", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { listener, port } = attach(ours, { direct })
        listener.wantsMore = false
        port.pull()
        peer.write("a")
        yield* until(() => listener.chunks.length === 1)
        peer.write("b")
        yield* until(() => ours.bytesRead === 2)
        yield* turn
        assert.deepStrictEqual(listener.chunks.map(String), ["a"])
        port.pull()
        yield* until(() => listener.chunks.length === 2)
        assert.deepStrictEqual(listener.chunks.map(String), ["a", "b"])
      }))

    it.live("tells of the end, and closes in good order behind both", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp({ allowHalfOpen: true })
        const { listener, port } = attach(ours, { direct })
        port.pull()
        peer.end("last")
        yield* until(() => listener.ended)
        assert.strictEqual(Buffer.concat(listener.chunks).toString(), "last")
        assert.isTrue(port.isWritable)
        assert.isUndefined(listener.closed)
        for (const answer of ["answer", ", and more"]) {
          port.write(Buffer.from(answer))
          yield* turn
        }
        port.shutdown()
        assert.strictEqual((yield* Effect.promise(() => buffer(peer))).toString(), "answer, and more")
        yield* until(() => listener.closed !== undefined)
        assert.isUndefined(listener.closed!.reason)
      }))

    it.live("closes when the peer has taken all, and reads what it says until then, of which it had read the first", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { port } = attach(ours, { direct })
        const size = 16 * 1024 * kib
        peer.write(new Uint8Array(kib))
        yield* until(() => ours.bytesRead === kib)
        port.write(new Uint8Array(size))
        const closed = yield* Effect.forkChild(port.close("Infinity"), { startImmediately: true })
        peer.write(new Uint8Array(size))
        // What is not read when the socket closes resets it, and the peer loses what is on its way.
        yield* until(() => ours.bytesRead === kib + size)
        assert.isUndefined(closed.pollUnsafe())
        assert.lengthOf(yield* Effect.promise(() => buffer(peer)), size)
        yield* Fiber.join(closed)
      }))

    it.live("closes at once where its side has ended before, whatever the peer does", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp({ allowHalfOpen: true })
        // It sees our end, and does not end its own side for that.
        peer.allowHalfOpen = true
        peer.resume()
        const { port } = attach(ours, { direct })
        port.shutdown()
        yield* event(peer, "end")
        yield* turn
        yield* port.close("Infinity")
        assert.isFalse(port.isWritable)
      }))

    it.live("tells of a reset, with what the system calls it", () =>
      Effect.gen(function*() {
        const { ours, peer } = yield* Pairs.tcp()
        const { listener } = attach(ours, { direct })
        peer.resetAndDestroy()
        yield* until(() => listener.closed !== undefined)
        assert.deepInclude(listener.closed!.reason, { code: "ECONNRESET", syscall: "read" })
      }))

    it.live("has a share of each turn, and others have theirs before it goes on", () =>
      Effect.gen(function*() {
        const [flood, quiet] = [yield* Pairs.tcp(), yield* Pairs.tcp()]
        const order: Array<"flood" | "quiet"> = []
        const bytes = noise(4000 * kib, 1)
        const ports = ([[flood, "flood"], [quiet, "quiet"]] as const).map(([pair, name]) =>
          attach(pair.ours, { direct, turnSize: 16 * kib }, new Recorder(() => order.push(name)))
        )
        flood.peer.write(bytes)
        for (const { port } of ports) port.pull()
        yield* until(() => order.length > 0)
        // By now as much as the system holds waits to be read of the one.
        for (let i = 0; i < 5; i++) {
          const before = order.length
          quiet.peer.write("quiet")
          yield* until(() => order.indexOf("quiet", before) >= 0)
          assert.isAtMost(order.indexOf("quiet", before) - before, 6)
        }
        yield* until(() => Buffer.concat(ports[0]!.listener.chunks).length === bytes.length)
        assert.isTrue(Buffer.concat(ports[0]!.listener.chunks).equals(bytes))
      }))
  })
}

describe("a port that drops its socket", () => {
  it.live("goes on without it", () =>
    Effect.gen(function*() {
      const { ours, peer } = yield* Pairs.tcp()
      const { listener, port } = attach(ours, { dropsSocket: true })
      assert.isTrue(ours.destroyed)
      port.pull()
      port.write(Buffer.from("still here"))
      yield* event(peer, "readable")
      assert.strictEqual(String(peer.read()), "still here")
      peer.write("so am I")
      yield* until(() => listener.chunks.length > 0)
      assert.strictEqual(Buffer.concat(listener.chunks).toString(), "so am I")
      const closing = yield* Effect.forkChild(port.close("10 seconds"), { startImmediately: true })
      yield* event(peer, "end")
      yield* Fiber.join(closing)
      assert.isFalse(port.isWritable)
    }))
})
