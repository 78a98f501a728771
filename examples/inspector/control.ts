import { CloseCode, Opcode } from "@websocket-stream/core"
import type { WebsocketStream } from "@websocket-stream/node"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { closePayload, goingAway } from "../support/closing.ts"
import { decodeCommand, type Report, type Welcome } from "./protocol.ts"
import type { Session } from "./session.ts"

/** A command takes less than this, in bytes. */
export const maxCommandSize = 1024

/** The least time between two reports. */
const reportInterval: Duration.Input = "100 millis"

/** Obeys a page, and reports to it what its echo connection does, until the page leaves. */
export const control = Effect.fnUntraced(function*(
  stream: WebsocketStream.WebsocketStream["Service"],
  session: Session
) {
  yield* goingAway(stream)
  const tell = (message: Welcome | Report) => stream.write(Opcode.Text, JSON.stringify(message))

  // A page that does not read keeps this waiting, and nothing else: what it missed is counted, not kept.
  const reports = session.report.pipe(
    Effect.flatMap(tell),
    Effect.andThen(Effect.sleep(reportInterval)),
    Effect.forever
  )

  const commands = Effect.gen(function*() {
    while (true) {
      const { fin, opcode, payload } = yield* stream.read
      if (opcode === Opcode.Close) return yield* stream.write(Opcode.Close, payload)
      if (opcode === Opcode.Ping) yield* stream.write(Opcode.Pong, payload)
      else if (opcode !== Opcode.Pong) {
        // A command is far too short for anybody to send it in pieces.
        const command = fin && opcode === Opcode.Text ? decodeCommand(decoder.decode(payload)) : undefined
        if (command === undefined) return yield* close(CloseCode.UnsupportedData, "a command is one Text frame")
        if (Result.isFailure(command)) return yield* close(CloseCode.PolicyViolation, command.failure.message)
        yield* session.obey(command.success)
      }
    }
  }).pipe(
    Effect.catchReason("ReadError", "Protocol", ({ error }) => close(error.closeCode, error.message))
  )
  const close = (code: number, reason: string) => stream.write(Opcode.Close, closePayload(code, reason))

  yield* tell({ _tag: "Welcome", session: session.id })
  return yield* Effect.raceFirst(commands, reports)
})

const decoder = new TextDecoder()
