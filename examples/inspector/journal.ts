import { type Frame, Opcode } from "@websocket-stream/core"
import * as Base64 from "effect/encoding/Base64"
import type { Direction, FrameReport } from "./protocol.ts"

/** How many frames wait for their report at most. */
export const capacity = 256

/** How much of a payload is shown, in bytes. */
const headLength = 64

/**
 * The frames that wait to be reported: the latest, and a count of those that had to go. However fast the echo and however
 * slow the page, it holds no more than that, and neither waits for the other.
 */
export class Journal {
  private entries: Array<Entry> = []
  private dropped = 0
  private readonly isText = { read: false, written: false }

  add(at: number, direction: Direction, { fin, opcode, payload }: Frame.Frame): void {
    if (opcode === Opcode.Text || opcode === Opcode.Binary) this.isText[direction] = opcode === Opcode.Text
    const isText = Opcode.isData(opcode) && this.isText[direction]
    // A copy: a view would keep the whole payload alive.
    const head = new Uint8Array(payload.subarray(0, headLength))
    this.entries.push({ at, direction, opcode, fin, size: payload.length, isText, head })
    if (this.entries.length <= capacity) return
    this.entries.shift()
    this.dropped++
  }

  /** Hands over what there is, oldest first, and begins anew. */
  take(): { readonly frames: ReadonlyArray<FrameReport>; readonly dropped: number } {
    const { dropped, entries } = this
    this.entries = []
    this.dropped = 0
    return { dropped, frames: entries.map(toReport) }
  }
}

interface Entry extends Omit<FrameReport, "opcode" | "head"> {
  readonly opcode: Opcode.Opcode
  readonly head: Uint8Array
}

const toReport = (entry: Entry): FrameReport => ({
  ...entry,
  opcode: Opcode.name(entry.opcode),
  head: Base64.encode(entry.head)
})
