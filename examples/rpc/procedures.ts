import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as Schema from "effect/Schema"

/** What the server can be asked: all that it and its clients have to agree on. */
export class Procedures extends RpcGroup.make(
  /** The primes below a number, one after the other, as fast as the client takes them. */
  Rpc.make("Primes", { payload: { below: Schema.Int }, success: Schema.Int, stream: true }),
  /** How many primes the server has found so far, for all its clients. */
  Rpc.make("Found", { success: Schema.Int })
) {}
