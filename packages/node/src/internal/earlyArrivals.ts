/**
 * Who comes to an HTTP server that listens and that nobody serves yet: what its application is made of may take its time. Without a
 * listener Node would leave them without an answer for ever, and the server could not close before they had left.
 */
import { constVoid } from "effect/Function"
import type { EventEmitter } from "node:events"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Duplex } from "node:stream"

export class EarlyArrivals {
  private readonly server: EventEmitter
  private waiting: Array<EarlyArrival> = []
  private isOver = false

  constructor(server: EventEmitter) {
    this.server = server
    server.on("request", this.onRequest).on("upgrade", this.onUpgrade)
  }

  /** Hands them over to who has come to serve. */
  release(): void {
    const { server } = this
    server.off("request", this.onRequest).off("upgrade", this.onUpgrade)
    for (const { arrival, event, socket } of this.waiting.splice(0)) {
      if (!socket.destroyed) server.emit(event, ...arrival)
    }
  }

  /** Nobody comes to serve: hangs up, as the end of the process would. */
  end(): void {
    this.isOver = true
    for (const { socket } of this.waiting.splice(0)) socket.destroy()
  }

  private readonly onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    this.hold({ event: "request", socket: request.socket, arrival: [request, response] })
  }

  private readonly onUpgrade = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void => {
    // Node takes its own listener off before the event: without another one an error would end the process.
    this.hold({ event: "upgrade", socket: socket.on("error", constVoid), arrival: [request, socket, head] })
  }

  private hold(early: EarlyArrival): void {
    // The application's own has it.
    if (this.server.listenerCount(early.event) > 1) return
    if (this.isOver) early.socket.destroy()
    else this.waiting.push(early)
  }
}

interface EarlyArrival {
  readonly event: "request" | "upgrade"
  readonly socket: Duplex
  readonly arrival: ReadonlyArray<unknown>
}
