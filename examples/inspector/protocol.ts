/** What the page and the server tell each other on `/inspect`: each Text frame is one of these as JSON. */
import { CloseCode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import * as Schema from "effect/Schema"

/** The page's wishes. They come from outside, so nothing of them is believed before it was decoded. */
export type Command = typeof Command.Type
export const Command = Schema.Union([
  /** Stop reading the echo connection. */
  Schema.TaggedStruct("Pause", {}),
  Schema.TaggedStruct("Resume", {}),
  Schema.TaggedStruct("SetMode", { mode: Schema.Literals(["Block", "NonBlock"]) }),
  /** Send a ping on the echo connection. */
  Schema.TaggedStruct("Ping", {}),
  /** Send a Close frame on the echo connection. */
  Schema.TaggedStruct("Close", {
    code: Schema.Int.check(
      Schema.makeFilter(CloseCode.isSendable, { expected: "a code that a Close frame may carry" })
    ),
    reason: Schema.String
  })
])

export const decodeCommand = Schema.decodeUnknownResult(Schema.fromJsonString(Command))

/** The first that the page hears: what to name in `/echo?session=...`, so that this echo is the one that is reported. */
export interface Welcome {
  readonly _tag: "Welcome"
  readonly session: string
}

/** What happened since the last report. */
export interface Report {
  readonly _tag: "Report"
  readonly frames: ReadonlyArray<FrameReport>
  /** How many more frames there were than the report had room for. */
  readonly dropped: number
  readonly mode: WebsocketStream.Mode
  readonly paused: boolean
  readonly read: Tally
  readonly written: Tally
}

/** A frame, as the server saw it. */
export interface FrameReport {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly direction: Direction
  readonly opcode: string
  readonly fin: boolean
  readonly size: number
  /** Whether the payload belongs to a text message, which a continuation does not say by itself. */
  readonly isText: boolean
  /** The first bytes of the payload, in Base64. */
  readonly head: string
}

/** The server's view: what it read came from the page, what it wrote goes there. */
export type Direction = "read" | "written"

/** What one direction of the echo connection amounts to. */
export interface Tally {
  readonly frames: number
  readonly bytes: number
  readonly wouldBlock: number
}
