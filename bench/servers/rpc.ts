/** A server of Effect's RPC, whatever its sockets are. What a call brings goes back. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import * as RpcSerialization from "effect/rpc/RpcSerialization"
import * as RpcServer from "effect/rpc/RpcServer"
import * as Schema from "effect/Schema"
import * as SocketServer from "effect/socket/SocketServer"
import type { Listen } from "./task.ts"

class Procedures extends RpcGroup.make(Rpc.make("Echo", { payload: Schema.String, success: Schema.String })) {}

const handlers = Procedures.toLayer({ Echo: (text) => Effect.succeed(text) })

export const listenOver = (
  sockets: Layer.Layer<SocketServer.SocketServer, SocketServer.SocketServerError>
): Listen =>
() =>
  Effect.map(
    Layer.build(
      RpcServer.layer(Procedures).pipe(
        Layer.provide([handlers, RpcServer.layerProtocolSocketServer]),
        Layer.provide(RpcSerialization.layerNdjson),
        Layer.provideMerge(sockets)
      )
    ),
    (context) => {
      const { address } = Context.get(context, SocketServer.SocketServer)
      return "port" in address ? address.port : 0
    }
  )
