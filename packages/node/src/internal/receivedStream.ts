/** A message that is received piece by piece, as its bytes arrive. */
import type * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type { ReceivedStream } from "../Websocket.ts"
import type { ReadError } from "../WebsocketError.ts"
import type { MessageReader } from "./messageReader.ts"
import type { PieceReader } from "./pieceReader.ts"

/** Takes what is there already as it is; otherwise the next message goes by pieces from its next part on. */
export const receiveStream = (reader: MessageReader): Effect.Effect<ReceivedStream, ReadError, Scope.Scope> =>
  Effect.uninterruptibleMask((restore) => {
    const pieces = reader.beginPieces()
    if (pieces !== undefined) {
      const end = Effect.sync(() => reader.endPieces(pieces))
      // The scope may go on for much longer than who waits for the message.
      const begun = Effect.onInterrupt(restore(pieces.ready), () => end)
      return Effect.addFinalizer(() => end).pipe(Effect.andThen(begun), Effect.map(() => receivedBy(pieces)))
    }
    const { isReady, one, turn } = reader
    return restore(isReady ? Effect.map(one, receivedWhole) : Effect.andThen(turn, receiveStream(reader)))
  })

const received = (opcode: Message.Message["opcode"], pieces: Stream.Stream<Uint8Array, ReadError>): ReceivedStream => ({
  type: opcode === Opcode.Text ? "text" : "binary",
  pieces
})

const receivedBy = (pieces: PieceReader): ReceivedStream => {
  const stream = Stream.fromPull(Effect.succeed(pieces.all)).pipe(
    Stream.takeUntil((piece) => piece.last),
    Stream.map((piece) => piece.payload),
    Stream.filter((payload) => payload.length > 0)
  )
  return received(pieces.opcode!, stream)
}

const receivedWhole = ({ opcode, payload }: Message.Message): ReceivedStream => received(opcode, Stream.make(payload))
