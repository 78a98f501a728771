/**
 * Remote procedures: asks `server.ts` for primes, as a stream, and then how many it has found, as a single answer.
 *
 *     node examples/rpc/client.ts ws://127.0.0.1:8080/ [--below 100]
 */
import { WebsocketError, WebsocketSocket } from "@websocket-stream/node"
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RpcClient from "effect/rpc/RpcClient"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as Stream from "effect/Stream"
import { runMain } from "../support/runMain.ts"
import { Procedures } from "./procedures.ts"

const url = Argument.String("url").pipe(Argument.withDescription("Where the server is: ws://... or wss://..."))
const below = Flag.Int("below").pipe(Flag.withDescription("Ask for primes below this"), Flag.withDefault(100))

interface Options {
  readonly url: string
  readonly below: number
}

const ask = Effect.fnUntraced(
  function*({ below }: Options) {
    const client = yield* RpcClient.make(Procedures)
    yield* Stream.runForEach(client.Primes({ below }), (prime) => Console.log(prime))
    yield* Console.log(`the server has found ${yield* client.Found()} so far`)
  },
  Effect.scoped,
  // Our own error, which says more than that something happened.
  Effect.catchReason(
    "RpcClientError",
    "SocketOpenError",
    ({ cause }, error) => Effect.fail(WebsocketError.isOpenError(cause) ? cause : error)
  )
)

// One connection for all calls, which is opened again when it is lost. Calls that were under way fail: to ask again is
// for who knows what may be asked twice.
const connection = ({ url }: Options) =>
  RpcClient.layerProtocolSocket().pipe(
    Layer.provide([WebsocketSocket.layerSocket(url), RpcSerialization.layerNdjson])
  )

runMain(
  Command.make("rpc-client", { url, below }, ask).pipe(
    Command.withDescription("Asks for primes"),
    Command.provide(connection)
  )
)
