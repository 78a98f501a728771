/** Effect's own server over `ws`, in the loop that suits it best. */
import * as NodeSocketServer from "@effect/platform-node/NodeSocketServer"
import * as Effect from "effect/Effect"
import type * as Socket from "effect/socket/Socket"
import { toOthers } from "./others.ts"
import { type Listen, maxMessageSize } from "./task.ts"

export const listen: Listen = Effect.fnUntraced(function*(task) {
  const server = yield* NodeSocketServer.makeWebSocket({ host: "127.0.0.1", port: 0, maxPayload: maxMessageSize })
  yield* Effect.forkScoped(server.run(task === "echo" ? echo : broadcast(new Set())))
  return "port" in server.address ? server.address.port : 0
})

const echo = (socket: Socket.Socket) =>
  Effect.scoped(Effect.gen(function*() {
    const reader = yield* socket.reader
    const writer = yield* socket.writer
    return yield* Effect.forever(Effect.flatMap(reader.pull, writer.writeAll), { disableYield: true })
  })).pipe(untilClosed)

const broadcast = (all: Set<Socket.Writer>) => (socket: Socket.Socket) =>
  Effect.scoped(Effect.gen(function*() {
    const reader = yield* socket.reader
    const writer = yield* socket.writer
    yield* Effect.acquireRelease(Effect.sync(() => all.add(writer)), () => Effect.sync(() => all.delete(writer)))
    const tell = Effect.flatMap(reader.pull, (messages) => toOthers(all, writer, (other) => other.writeAll(messages)))
    return yield* Effect.forever(tell, { disableYield: true })
  })).pipe(untilClosed)

// The end of a connection is an error here, and would be logged.
const untilClosed = Effect.ignore
