import { Frame, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Clock from "effect/Clock"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { closePayload, goingAway } from "../support/closing.ts"
import type { Direction } from "./protocol.ts"

/** Where an echo can be watched and held. Nothing of it but the pause makes the echo wait. */
export interface Probe {
  /** Waits while reading is paused. */
  readonly mayRead: Effect.Effect<void>
  /** The next frame that somebody wants to be sent besides the echoes. */
  readonly toSend: Effect.Effect<Frame.Frame>
  /** A frame was read or written. */
  readonly saw: (at: number, direction: Direction, frame: Frame.Frame) => void
  /** A read or a write answered `WouldBlock`. */
  readonly blocked: (direction: Direction) => void
}

/** For an echo that nobody watches. */
export const unwatched: Probe = { mayRead: Effect.void, toSend: Effect.never, saw: () => {}, blocked: () => {} }

/**
 * Sends every frame back as it was, answers pings, confirms the close. The same loop serves both modes of the stream: in
 * Block mode `WouldBlock` never comes.
 */
export const echo = Effect.fnUntraced(function*(stream: WebsocketStream.WebsocketStream["Service"], probe: Probe) {
  yield* goingAway(stream)

  const read: typeof stream.read = stream.read.pipe(
    Effect.catchReason("ReadError", "WouldBlock", () => {
      probe.blocked("read")
      return Effect.andThen(stream.awaitReadable, read)
    })
  )
  const write = ({ fin, opcode, payload }: Frame.Frame): ReturnType<typeof stream.write> =>
    stream.write(opcode, payload, { fin }).pipe(
      Effect.catchReason("WriteError", "WouldBlock", () => {
        probe.blocked("written")
        return Effect.andThen(stream.awaitWritable, write({ fin, opcode, payload, rsv1: false }))
      })
    )
  const saw = (direction: Direction, frame: Frame.Frame) =>
    Effect.map(Clock.currentTimeMillis, (at) => probe.saw(at, direction, frame))
  const send = (frame: Frame.Frame) =>
    write(frame).pipe(
      Effect.andThen(saw("written", frame)),
      // After our own Close nothing may follow, and the peer's Close is still to be read.
      Effect.catchReason("WriteError", "Closed", ({ by }, error) => (by === "Us" ? Effect.void : Effect.fail(error)))
    )

  const echoes = Effect.gen(function*() {
    while (true) {
      const frame = yield* read
      // Behind the read, too: one may have waited since before the pause. Its frame is held until reading goes on.
      yield* probe.mayRead
      yield* saw("read", frame)
      const reply = replyTo(frame)
      if (reply !== undefined) yield* send(reply)
      if (frame.opcode === Opcode.Close) return
    }
  }).pipe(
    Effect.catchReason(
      "ReadError",
      "Protocol",
      ({ error }) => send(Frame.make(Opcode.Close, closePayload(error.closeCode, error.message)))
    )
  )
  const wishes = Effect.gen(function*() {
    while (true) {
      const frame = yield* probe.toSend
      yield* send(frame)
      // The peer is to answer with a Close of its own, which ends the echoes.
      if (frame.opcode === Opcode.Close) return yield* Effect.sleep(closingTime)
    }
  })
  return yield* Effect.raceFirst(echoes, wishes)
})

/** How long a peer may take to answer our Close. */
const closingTime: Duration.Input = "5 seconds"

const replyTo = (frame: Frame.Frame): Frame.Frame | undefined => {
  if (frame.opcode === Opcode.Ping) return Frame.make(Opcode.Pong, frame.payload)
  return frame.opcode === Opcode.Pong ? undefined : frame
}
