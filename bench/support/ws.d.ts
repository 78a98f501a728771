import type { Duplex, Writable } from "node:stream"

// What `@types/ws` leaves out: these are exported, for those who have a stream already.
declare module "ws" {
  export class Receiver extends Writable {
    constructor(options: { readonly isServer: boolean; readonly maxPayload: number })
  }

  export class Sender {
    constructor(socket: Duplex, extensions: object, generateMask: (mask: Uint8Array) => void)
    send(
      data: Uint8Array,
      options: {
        readonly fin: boolean
        readonly binary: boolean
        readonly compress: boolean
        readonly mask: boolean
      }
    ): void
  }

  export class PerMessageDeflate {
    constructor(options: { readonly isServer: boolean; readonly maxPayload: number; readonly threshold: number })
    accept(configurations: ReadonlyArray<object>): object
    compress(data: Uint8Array, fin: boolean, callback: (error: Error | null, deflated: Buffer) => void): void
    decompress(data: Uint8Array, fin: boolean, callback: (error: Error | null, inflated: Buffer) => void): void
    cleanup(): void
  }
}
