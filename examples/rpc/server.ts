/**
 * Remote procedures: a server of Effect's RPC over WebSockets. `client.ts` asks it.
 *
 *     node examples/rpc/server.ts [--port 8080]
 */
import { WebsocketSocket } from "@websocket-stream/node"
import * as Command from "effect/cli/Command"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as SocketServer from "effect/socket/SocketServer"
import * as Stream from "effect/Stream"
import { port } from "../support/flags.ts"
import { runMain } from "../support/runMain.ts"
import { Procedures } from "./procedures.ts"

const handlers = Procedures.toLayer(Effect.sync(() => {
  let found = 0
  function* primes(below: number) {
    for (let n = 2; n < below; n++) {
      if (!isPrime(n)) continue
      found++
      yield n
    }
  }
  return {
    // A chunk is one message, and the next is not made before the client has taken it: a client that stops reading has the
    // stream wait, and the server holds one chunk for it.
    Primes: ({ below }) => Stream.fromIterable(primes(below), { chunkSize: 100 }),
    Found: () => Effect.sync(() => found)
  }
}))

const isPrime = (n: number): boolean => {
  for (let divisor = 2; divisor * divisor <= n; divisor++) {
    if (n % divisor === 0) return false
  }
  return true
}

/**
 * How many handlers run at a time, for all clients together. By default it is any number, and then a client that asks and
 * does not read fills the memory, whatever the connection does: each answer waits for room in a handler that has made it.
 * Of 2,000 calls for 64 KiB all ran so, and the process grew by some 450 MiB; with 16 at a time 78 ran, and it grew by 20.
 * A stream counts for as long as it runs, so take more than there are streams that never end.
 */
const concurrency = 16

const announce = Layer.effectDiscard(
  SocketServer.SocketServer.use(({ address }) =>
    Console.log(`listening on ${NetAddress.formatUrlUnsafe(address, "ws")}`)
  )
)

const serve = ({ port }: { readonly port: number }) =>
  RpcServer.layer(Procedures, { concurrency }).pipe(
    Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
    Layer.merge(announce),
    Layer.provide([WebsocketSocket.layerSocketServer({ host: "127.0.0.1", port }), RpcSerialization.layerNdjson]),
    Layer.launch
  )

runMain(Command.make("rpc-server", { port }, serve).pipe(Command.withDescription("Answers who asks for primes")))
