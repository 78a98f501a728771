import * as Effect from "effect/Effect"
import { constVoid } from "effect/Function"
import type { Readable } from "node:stream"

/** The beginning of a response's body, as it comes: enough to say why a server refused, and no more. */
export class Excerpt {
  private readonly pieces: Array<Uint8Array> = []
  private missing = 1024
  private isOver = false
  private onOver: () => void = constVoid

  constructor(response: Readable) {
    const end = () => {
      this.isOver = true
      this.onOver()
    }
    response.on("data", (piece: Uint8Array) => {
      const wanted = piece.slice(0, this.missing)
      this.pieces.push(wanted)
      this.missing -= wanted.length
      if (this.missing === 0) end()
    })
    response.on("end", end).on("close", end).on("error", end)
  }

  /** Waits until it is complete, or the connection has ended. */
  readonly complete: Effect.Effect<void> = Effect.callback((resume) => {
    this.onOver = () => resume(Effect.void)
    if (this.isOver) this.onOver()
  })

  /** What has come, as UTF-8. A character that the end went through is left out. */
  get text(): string {
    return new TextDecoder().decode(Buffer.concat(this.pieces), { stream: true })
  }
}
