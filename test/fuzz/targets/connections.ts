/**
 * Whole connections, a `Websocket` over a pair in memory and a raw peer that writes what it likes, ends, pauses and vanishes: every
 * operation ends well or with a typed error, what is received and sent is what a plain reading of the bytes says, memory stays
 * within the limits, and when the peer is gone nothing waits.
 */
import type { Role } from "@websocket-stream/core/Role"
import * as Websocket from "@websocket-stream/node/Websocket"
import { ReadError, WriteError } from "@websocket-stream/node/WebsocketError"
import * as WebsocketStream from "@websocket-stream/node/WebsocketStream"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import assert from "node:assert/strict"
import { duplexPair } from "node:stream"
import { splitAt } from "../../../packages/core/test/support/bytes.ts"
import { MessageStream } from "../../../packages/node/src/internal/messageStream.ts"
import { turn } from "../../../packages/node/test/support/turns.ts"
import * as Generator from "../generator.ts"
import { mustEnd } from "../support/hanging.ts"
import { Peer } from "../support/peer.ts"
import * as Wire from "../support/wire.ts"
import type { Target } from "../target.ts"

type Step =
  /** The peer's. */
  | { readonly _tag: "Write"; readonly wire: Wire.Wire }
  | { readonly _tag: "End" }
  | { readonly _tag: "Destroy" }
  | { readonly _tag: "Pause" }
  | { readonly _tag: "Resume" }
  /** The network's: our end fails. */
  | { readonly _tag: "Break" }
  | { readonly _tag: "Turns"; readonly count: number }
  /** Ours. */
  | { readonly _tag: "Send"; readonly length: number; readonly times: number }
  | { readonly _tag: "SendStream"; readonly lengths: ReadonlyArray<number>; readonly fails: boolean }
  | { readonly _tag: "Ping" }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }
  /** Of the operation of ours that waits for the longest. */
  | { readonly _tag: "Interrupt" }

type Receiving = "receive" | "receiveAll" | "receiveStream" | "runForEach" | "messages" | "nobody"

export interface Input {
  readonly role: Role
  readonly receiving: Receiving
  readonly receiveBuffer: number
  readonly highWaterMark: number
  readonly maxMessageSize: number
  readonly maxFragments: number
  /** Whether the peer begins by not reading, and whether it ends by vanishing. */
  readonly pauses: boolean
  readonly vanishes: boolean
  readonly steps: ReadonlyArray<Step>
}

const only = <Tag extends string>(tag: Tag) => ({ _tag: Generator.choice([tag] as const) })
const length = Generator.integer(0, 70_000, [0, 1, 125, 126, 16_382, 65_535, 65_536])

const inputs: Generator.Generator<Input> = Generator.struct({
  role: Generator.choice<Role>(["client", "server"]),
  receiving: Generator.choice<Receiving>([
    "receive",
    "receiveAll",
    "receiveStream",
    "runForEach",
    "messages",
    "nobody"
  ]),
  receiveBuffer: Generator.choice([65_536, 1, 1000]),
  highWaterMark: Generator.choice([65_536, 1, 100]),
  maxMessageSize: Generator.choice([100_000, 10, 1000]),
  maxFragments: Generator.choice([1000, 2]),
  pauses: Generator.boolean,
  vanishes: Generator.boolean,
  steps: Generator.list(
    Generator.tagged<Step>({
      Write: Generator.struct({ ...only("Write"), wire: Wire.wire }),
      End: Generator.struct(only("End")),
      Destroy: Generator.struct(only("Destroy")),
      Pause: Generator.struct(only("Pause")),
      Resume: Generator.struct(only("Resume")),
      Break: Generator.struct(only("Break")),
      Turns: Generator.struct({ ...only("Turns"), count: Generator.integer(1, 4) }),
      Send: Generator.struct({ ...only("Send"), length, times: Generator.integer(1, 5) }),
      SendStream: Generator.struct({
        ...only("SendStream"),
        lengths: Generator.list(length, 4),
        fails: Generator.boolean
      }),
      Ping: Generator.struct(only("Ping")),
      Close: Generator.struct({
        ...only("Close"),
        code: Generator.integer(0, 5000, [1000, 1001, 1005, 3000]),
        reason: Generator.string(["a", "é", "a".repeat(123)], 2)
      }),
      Interrupt: Generator.struct(only("Interrupt"))
    }),
    10
  )
})

export const check = (input: Input): Effect.Effect<void> =>
  Effect.gen(function*() {
    const { highWaterMark, maxFragments, maxMessageSize, receiveBuffer, role } = input
    const limits = { maxMessageSize, maxFragments }
    const [near, far] = duplexPair({ highWaterMark })
    const peer = new Peer(far, role)
    const scope = yield* Scope.make()
    const stream = yield* WebsocketStream.make(near, { role, linger: 0, limits }).pipe(
      Scope.provide(scope)
    )
    const ws = yield* Websocket.make(stream, { receiveBuffer, closeDeadline: "1 hour" }).pipe(Scope.provide(scope))
    const us = new Us(ws)
    const received: Array<string> = []
    const receiver = yield* us.fork(receive(ws, input.receiving, received))
    if (input.pauses) peer.act("Pause")
    let largestChunk = 0
    let largestSend = 0
    for (const step of input.steps) {
      switch (step._tag) {
        case "Write": {
          const { bytes, cuts } = Wire.encode(step.wire, role)
          const chunks = splitAt(bytes, cuts)
          largestChunk = Math.max(largestChunk, ...chunks.map(({ length }) => length))
          peer.write(chunks)
          break
        }
        case "Break":
          near.destroy(Object.assign(new Error("the network is down"), { code: "ENETDOWN" }))
          break
        case "Turns":
          for (let i = 0; i < step.count; i++) yield* turn
          break
        case "Send":
          largestSend = Math.max(largestSend, step.length)
          for (let i = 0; i < step.times; i++) yield* us.send(step.length)
          break
        case "SendStream":
          largestSend = Math.max(largestSend, ...step.lengths)
          yield* us.sendStream(step.lengths, step.fails)
          break
        case "Ping":
          yield* us.fork(ws.ping())
          break
        case "Close":
          yield* us.fork(ws.close(step.code, step.reason))
          break
        case "Interrupt":
          yield* us.interruptOldest
          break
        default:
          peer.act(step._tag)
      }
      // A chunk is parsed until enough waits: the rest of it is held as it came, with what Node has read ahead.
      const held = boundedBytes(ws) - near.writableLength
      assert.ok(
        held <= receiveBuffer + 2 * maxMessageSize + 1024 + highWaterMark + 2 * largestChunk,
        `${held} bytes are held`
      )
      // A message and a fragment are queued whole, and beside them a pong and a Close frame.
      assert.ok(near.writableLength <= highWaterMark + largestSend + 300, `${near.writableLength} bytes are queued`)
    }
    if (input.vanishes) peer.act("Destroy")
    peer.act("Resume")
    peer.act("End")
    if (isUndisturbed(input)) {
      const exit = yield* mustEnd(Fiber.await(receiver), "a receiver whose peer has ended")
      peer.assertReceived(received, Exit.isSuccess(exit) ? undefined : Cause.squash(exit.cause), limits)
    }
    yield* mustEnd(Scope.close(scope, Exit.void), "the end of the scope")
    yield* mustEnd(us.settle, "an operation whose scope is closed")
    assert.ok(near.destroyed)
    for (let i = 0; i < 3; i++) yield* turn
    peer.assertSaid(us.sent, received, limits)
  }).pipe(Effect.orDie)

export const target: Target<Input> = { name: "connections", inputs, check, quick: 300 }

/** Whether all that the peer said is to be received, and the end is what it said. */
const isUndisturbed = ({ receiving, steps, vanishes }: Input): boolean =>
  receiving !== "nobody" && !vanishes &&
  steps.every((step) =>
    !["Destroy", "Break", "Interrupt", "Close"].includes(step._tag) && !(step._tag === "SendStream" && step.fails)
  )

const boundedBytes = (
  ws: Websocket.Websocket["Service"]
): number => (ws instanceof MessageStream ? ws.bufferedBytes : 0)

const receive = (
  ws: Websocket.Websocket["Service"],
  how: Receiving,
  received: Array<string>
): Effect.Effect<unknown, ReadError> => {
  const keep = ({ payload }: { readonly payload: Uint8Array }) =>
    Effect.sync(() => received.push(Buffer.from(payload).toString("hex")))
  switch (how) {
    case "nobody":
      return Effect.void
    case "receive":
      return Effect.forever(Effect.flatMap(ws.receive, keep))
    case "receiveAll":
      return Effect.forever(Effect.flatMap(ws.receiveAll, (messages) => Effect.forEach(messages, keep)))
    case "runForEach":
      return ws.runForEach(keep)
    case "messages":
      return Stream.runForEach(ws.messages, keep)
    case "receiveStream":
      return Effect.forever(
        Effect.scoped(
          Effect.flatMap(
            ws.receiveStream,
            ({ pieces }) =>
              Effect.flatMap(Stream.runCollect(pieces), (pieces) => keep({ payload: Buffer.concat(pieces) }))
          )
        )
      )
  }
}

/** Our operations, each in a fiber of its own. */
class Us {
  /** The messages whose sending has succeeded, in order. */
  readonly sent: Array<string> = []
  private readonly ws: Websocket.Websocket["Service"]
  private fibers: Array<Fiber.Fiber<unknown, unknown>> = []
  private count = 0

  constructor(ws: Websocket.Websocket["Service"]) {
    this.ws = ws
  }

  send(length: number) {
    const message = this.payload(length)
    return this.fork(
      Effect.tap(this.ws.send(message), () => Effect.sync(() => this.sent.push(message.toString("hex"))))
    )
  }

  sendStream(lengths: ReadonlyArray<number>, fails: boolean) {
    const pieces = lengths.map((length) => this.payload(length))
    const stream = Stream.fromIterable(pieces)
    return this.fork(
      Effect.tap(
        this.ws.sendStream("binary", fails ? Stream.concat(stream, Stream.fail("failed" as const)) : stream),
        () => Effect.sync(() => this.sent.push(Buffer.concat(pieces).toString("hex")))
      ).pipe(Effect.catchIf((error) => error === "failed", () => Effect.void))
    )
  }

  fork<A>(operation: Effect.Effect<A, unknown>) {
    return Effect.map(Effect.forkDetach(operation, { startImmediately: true }), (fiber) => {
      this.fibers.push(fiber)
      return fiber
    })
  }

  get interruptOldest() {
    return Effect.suspend(() => {
      const fiber = this.fibers.find((fiber) => fiber.pollUnsafe() === undefined)
      return fiber === undefined ? Effect.void : Fiber.interrupt(fiber)
    })
  }

  /** All have ended, each of them well, by an error of ours or because it was told to. */
  get settle() {
    return Effect.forEach(this.fibers, (fiber) =>
      Effect.map(Fiber.await(fiber), (exit) => {
        if (Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause)) return
        const error = Cause.squash(exit.cause)
        if (!(error instanceof ReadError || error instanceof WriteError)) throw error
        assert.ok(error.message.length > 0)
      }), { discard: true })
  }

  // No two are alike.
  private payload(length: number): Buffer {
    return Buffer.alloc(length, `${this.count++},`)
  }
}
