/**
 * A Node stream whose other end is the test: it delivers bytes when it is told to, and the test decides when what was
 * written has gone.
 */
import { Duplex, type DuplexOptions } from "node:stream"

export class Scripted extends Duplex {
  /** What the stream was given to send: one array for each time that it was given something. */
  readonly flushes: Array<Uint8Array> = []
  private pending: (() => void) | undefined = undefined
  private accepting: boolean

  /** A stream whose writes go at once, unless it is stalled. */
  constructor(options: DuplexOptions & { readonly stalled?: boolean } = {}) {
    super({ ...options, decodeStrings: true })
    this.accepting = options.stalled !== true
  }

  override _read(): void {
    // Bytes come by `push`.
  }

  override _write(chunk: Uint8Array, _encoding: string, callback: () => void): void {
    this.sent(chunk, callback)
  }

  override _writev(chunks: ReadonlyArray<{ readonly chunk: Uint8Array }>, callback: () => void): void {
    this.sent(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback)
  }

  /** Everything that was sent. */
  get sentBytes(): Uint8Array {
    return Buffer.concat(this.flushes)
  }

  /** Lets what was given to send be sent, and asks for no more than that. */
  accept(): void {
    const callback = this.pending
    this.pending = undefined
    callback?.()
  }

  /** From now on writes go at once. */
  acceptAll(): void {
    this.accepting = true
    this.accept()
  }

  private sent(bytes: Uint8Array, callback: () => void): void {
    this.flushes.push(bytes)
    if (this.accepting) callback()
    else this.pending = callback
  }
}
