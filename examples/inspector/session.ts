import { type Frame, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"
import { closePayload } from "../support/closing.ts"
import type { Probe } from "./echo.ts"
import { Journal } from "./journal.ts"
import type { Command, Direction, Report, Tally } from "./protocol.ts"

type Stream = WebsocketStream.WebsocketStream["Service"]

/** A page, from the opening of its `/inspect` to the end of it: what it wants, and what it has not been told yet. */
export class Session implements Probe {
  readonly id = randomUUID()
  mode: WebsocketStream.Mode = "Block"

  private readonly journal = new Journal()
  private readonly reading = Latch.makeUnsafe(true)
  private readonly news = Latch.makeUnsafe(true)
  private readonly outbox: Queue.Queue<Frame.Frame>
  private stream: Stream | undefined = undefined
  private tallies: Record<Direction, Tally> = noTallies

  readonly mayRead: Effect.Effect<void>
  readonly toSend: Effect.Effect<Frame.Frame>

  constructor(outbox: Queue.Queue<Frame.Frame>) {
    this.outbox = outbox
    this.mayRead = this.reading.await
    this.toSend = Queue.take(outbox)
  }

  /** Makes this the page's echo connection, until the scope closes. The latest of several is the one that commands reach. */
  attach(stream: Stream): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.suspend(() => {
        this.stream = stream
        this.tallies = noTallies
        this.news.openUnsafe()
        // Meant for the connection before.
        return Queue.clear(this.outbox)
      }),
      () =>
        Effect.sync(() => {
          if (this.stream === stream) this.stream = undefined
        })
    )
  }

  saw(at: number, direction: Direction, frame: Frame.Frame): void {
    const { bytes, frames, wouldBlock } = this.tallies[direction]
    this.tally(direction, { frames: frames + 1, bytes: bytes + frame.payload.length, wouldBlock })
    this.journal.add(at, direction, frame)
  }

  blocked(direction: Direction): void {
    const tally = this.tallies[direction]
    this.tally(direction, { ...tally, wouldBlock: tally.wouldBlock + 1 })
  }

  /** What happened since the last report; waits until something has. */
  readonly report: Effect.Effect<Report> = Effect.suspend(() =>
    Effect.map(this.news.await, () => {
      this.news.closeUnsafe()
      return {
        _tag: "Report",
        ...this.journal.take(),
        mode: this.mode,
        paused: !this.reading.isOpen(),
        ...this.tallies
      }
    })
  )

  obey(command: Command): Effect.Effect<void> {
    // Told when it is done, and not before: the report would show what was.
    return Effect.andThen(this.carryOut(command), this.news.open)
  }

  private carryOut(command: Command): Effect.Effect<void> {
    return Effect.suspend(() => {
      switch (command._tag) {
        case "Pause":
          return Effect.asVoid(this.reading.close)
        case "Resume":
          return this.resume
        case "SetMode":
          this.mode = command.mode
          return this.stream === undefined ? Effect.void : Effect.ignore(this.stream.setMode(command.mode))
        case "Ping":
          return this.send(Opcode.Ping, encoder.encode("are you there?"))
        case "Close":
          // The answer can only be seen by reading.
          return Effect.andThen(this.resume, this.send(Opcode.Close, closePayload(command.code, command.reason)))
      }
    })
  }

  /** Also what the end of a session does: nobody could do it afterwards. */
  readonly resume: Effect.Effect<void> = Effect.asVoid(this.reading.open)

  // By way of a queue that drops, so that a page that does not read its echoes cannot keep its own commands from being read.
  private send(opcode: Opcode.Opcode, payload: Uint8Array): Effect.Effect<void> {
    if (this.stream === undefined) return Effect.void
    return Effect.asVoid(Queue.offer(this.outbox, { opcode, fin: true, rsv1: false, payload }))
  }

  private tally(direction: Direction, tally: Tally): void {
    this.tallies = { ...this.tallies, [direction]: tally }
    this.news.openUnsafe()
  }
}

const noTallies: Record<Direction, Tally> = {
  read: { frames: 0, bytes: 0, wouldBlock: 0 },
  written: { frames: 0, bytes: 0, wouldBlock: 0 }
}

const encoder = new TextEncoder()

/** How many pings and closes of the page wait to be sent at most. */
const outboxCapacity = 16

/** Those whose pages are there. */
export class Sessions {
  private readonly byId = new Map<string, Session>()

  /** A new session, until the scope closes. */
  readonly open: Effect.Effect<Session, never, Scope.Scope> = Effect.acquireRelease(
    Effect.map(Queue.dropping<Frame.Frame>(outboxCapacity), (outbox) => {
      const session = new Session(outbox)
      this.byId.set(session.id, session)
      return session
    }),
    (session) => {
      this.byId.delete(session.id)
      return session.resume
    }
  )

  get(id: string): Session | undefined {
    return this.byId.get(id)
  }
}
