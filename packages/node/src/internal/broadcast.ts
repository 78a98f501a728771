/** One message to many: its frame is made once, and whoever has room gets it in one step, without an effect for each. */
import * as Frame from "@websocket-stream/core/Frame"
import * as Effect from "effect/Effect"
import type { Sendable, SendOptions, Websocket } from "../Websocket.ts"
import type { WriteError } from "../WebsocketError.ts"
import { MessageStream } from "./messageStream.ts"
import { frameOf, type Shared } from "./messageWriter.ts"

type Receiver = Websocket["Service"]

// Not `Effect.gen` in a function, which would make a generator function for each message: 10 of 100 microseconds for ten receivers.
export const broadcast = Effect.fnUntraced(function*(
  receivers: Iterable<Receiver>,
  message: Sendable,
  options: SendOptions | undefined
) {
  const shared = share(message, options)
  const others: Array<Effect.Effect<void, WriteError>> = []
  let looked = 0
  for (const receiver of receivers) {
    if (looked++ === atOnce) {
      looked = 1
      yield* Effect.yieldNow
    }
    if (!isOurs(receiver)) others.push(receiver.send(message, options))
    else if (!receiver.trySend(shared)) others.push(receiver.sendShared(shared))
  }
  // Who does not read keeps nobody else waiting, and who has left hears no more.
  yield* Effect.forEach(others, (sending) => Effect.ignore(sending), { concurrency: "unbounded", discard: true })
})

const share = (message: Sendable, options: SendOptions | undefined): Shared => {
  const given = frameOf(message)
  const bytes = Frame.encode(given)
  // Not the sender's: one copy is enough for all who have to wait, whatever becomes of the other.
  const payload = bytes.subarray(bytes.length - given.payload.length)
  return { frame: { ...given, payload }, bytes, compress: options?.compress ?? true }
}

// Some milliseconds of writing: then it is somebody else's turn.
const atOnce = 1024

// Not one whose members somebody has changed.
const isOurs = (receiver: Receiver): receiver is MessageStream =>
  Object.getPrototypeOf(receiver) === MessageStream.prototype
