/**
 * What lies between our end of a connection and the socket: nothing, or in the project "faulty" a stream that splits and
 * delays by a seed. It changes nothing about the bytes, so each test of the suite holds over it as it stands.
 */
import * as http from "node:http"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import { inject } from "vitest"
import { type Faults, Faulty } from "../../packages/node/test/support/faulty.ts"

declare module "vitest" {
  export interface ProvidedContext {
    /**
     * The seed of the streams that connections run over, and by how much volumes are divided there. Default: the sockets
     * themselves, and all of it.
     */
    readonly faulty?: { readonly seed: number; readonly divisor: number }
  }
}

/** How much to send of what is about volume: all of it over sockets, and a part where each byte may go by itself. */
export const share = (volume: number): number => Math.ceil(volume / (inject("faulty")?.divisor ?? 1))

/** What a server takes its connections from: itself, or another that hands them over as faulty streams. */
export const front = (server: net.Server): net.Server => {
  const faulty = inject("faulty")
  if (faulty === undefined) return server
  return net.createServer(
    { allowHalfOpen: true, noDelay: true },
    (socket) => void server.emit("connection", new Faulty(socket, faulty))
  )
}

/** What a client dials with. */
export const agent = (): http.Agent | undefined => {
  const faulty = inject("faulty")
  return faulty === undefined ? undefined : new FaultyAgent(faulty)
}

class FaultyAgent extends http.Agent {
  private readonly faults: Faults

  constructor(faults: Faults) {
    super()
    this.faults = faults
  }

  override createConnection(options: net.NetConnectOpts): Duplex {
    return new Faulty(net.connect(options), this.faults)
  }
}
