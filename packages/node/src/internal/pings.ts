/** Pings that we sent and that were not answered yet, oldest first. */
export class Pings {
  private list: Array<{ readonly payload: Uint8Array; readonly answered: (isAnswered: boolean) => void }> = []
  private count = 0

  /** A payload that no other ping of this connection had. */
  nextPayload(): Uint8Array {
    return Buffer.from(`${++this.count}`)
  }

  /** Calls back once: true at the pong, false when there will be none. Answers how to forget about it. */
  add(payload: Uint8Array, answered: (isAnswered: boolean) => void): () => void {
    const ping = { payload, answered }
    this.list.push(ping)
    return () => {
      this.list = this.list.filter((other) => other !== ping)
    }
  }

  // RFC 6455 5.5.3: an endpoint "MAY elect to send a Pong frame for only the most recently processed Ping frame", so a pong
  // answers all pings before it, too. One that answers none was not asked for, and is let pass.
  receivePong(payload: Uint8Array): void {
    const index = this.list.findIndex((ping) => Buffer.compare(ping.payload, payload) === 0)
    for (const { answered } of this.list.splice(0, index + 1)) answered(true)
  }

  end(): void {
    for (const { answered } of this.list.splice(0)) answered(false)
  }
}
