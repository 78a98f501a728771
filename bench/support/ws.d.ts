import type { Writable } from "node:stream"

// What `@types/ws` leaves out: the receiver is exported, for those who have a stream already.
declare module "ws" {
  export class Receiver extends Writable {
    constructor(options: { readonly isServer: boolean; readonly maxPayload: number })
  }
}
