/**
 * The message layer, a decoder of frames with a connection behind it: the events and the failure that a plain reading of RFC 6455
 * gives, each ping and the Close frame answered, and no more held than the limits say.
 */
import * as Budget from "@websocket-stream/core/Budget"
import * as Close from "@websocket-stream/core/Close"
import * as Connection from "@websocket-stream/core/Connection"
import * as Frame from "@websocket-stream/core/Frame"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as Opcode from "@websocket-stream/core/Opcode"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import assert from "node:assert/strict"
import { isUtf8 } from "node:buffer"
import { concat, cutsEvery, splitAt } from "../../../packages/core/test/support/bytes.ts"
import * as Generator from "../generator.ts"
import * as Endpoint from "../oracles/endpoint.ts"
import * as Wire from "../support/wire.ts"
import type { Target } from "../target.ts"

interface Limits {
  readonly maxMessageSize: number
  readonly maxFragments: number
  readonly maxHeldBytes: number
}

export interface Input {
  readonly role: Role
  readonly rsv1: boolean
  readonly inPieces: boolean
  readonly platformUtf8: boolean
  readonly limits: Limits
  readonly wire: Wire.Wire
}

const noLimit = 1_000_000

const inputs: Generator.Generator<Input> = Generator.struct({
  role: Generator.choice<Role>(["client", "server"]),
  rsv1: Generator.boolean,
  inPieces: Generator.boolean,
  platformUtf8: Generator.boolean,
  limits: Generator.struct({
    maxMessageSize: Generator.choice([noLimit, noLimit, 0, 5, 126, 1000]),
    maxFragments: Generator.choice([noLimit, noLimit, 1, 2, 3]),
    maxHeldBytes: Generator.choice([noLimit, noLimit, 0, 1, 100])
  }),
  wire: Wire.wire
})

export const check = (input: Input): Effect.Effect<void> =>
  Effect.sync(() => {
    const { limits, role, rsv1, wire } = input
    const { bytes, cuts } = Wire.encode(wire, role)
    const reading = Endpoint.read(bytes, { ...limits, role, rsv1, maxFrameSize: noLimit })
    const expected = reading.events.map(lineOf)
    const byteByByte = bytes.length <= 300 ? [cutsEvery(1, bytes.length)] : []
    const reasons = new Set<string>()
    for (const cutting of [[], cuts, ...byteByByte]) {
      const seen = receive(splitAt(bytes, cutting), input)
      // Of how much was held the cuts decide: a frame that comes whole need not be.
      if (seen.failure === "TooMuchHeld" && limits.maxHeldBytes < noLimit) {
        assert.deepEqual(seen.events, expected.slice(0, seen.events.length))
        continue
      }
      assert.deepEqual(seen.events, expected)
      reasons.add(seen.failure ?? "none")
    }
    const [reason, ...others] = reasons
    assert.deepEqual(others, [], "it depends on how the bytes are cut")
    if (reason === "none") assert.deepEqual(reading.broken, [])
    else if (reason !== undefined) {
      assert.ok(reading.broken.some((rule) => rule === reason), `${reason} instead of ${reading.broken.join()}`)
    }
  })

export const target: Target<Input> = { name: "messages", inputs, check, quick: 1500 }

interface Seen {
  readonly events: ReadonlyArray<string>
  readonly failure: ProtocolError.Reason["_tag"] | undefined
}

const receive = (chunks: ReadonlyArray<Uint8Array>, { inPieces, limits, platformUtf8, role, rsv1 }: Input): Seen => {
  let pushed = 0
  const allocate = (length: number) => {
    assert.ok(length <= 2 * pushed, `${length} bytes of memory for ${pushed} that have come`)
    return new Uint8Array(length)
  }
  const budget = Budget.make()
  const decoder = FrameDecoder.make({ role, rsv1, maxFrameSize: noLimit, allocate })
  const connection = Connection.make({ role, ...limits, budget, allocate, ...(platformUtf8 ? { isUtf8 } : {}) })
  const events: Array<string> = []
  const pieces: Array<Uint8Array> = []
  const finish = (failure: ProtocolError.ProtocolError | undefined): Seen => {
    if (failure !== undefined) assertAnswered(connection.fail(failure), failure)
    assert.equal(budget.held, connection.heldBytes)
    connection.receiveEof()
    assert.equal(budget.held, 0, "bytes are held of a message that will never be whole")
    return { events, failure: failure?.reason._tag }
  }
  for (const chunk of chunks) {
    pushed += chunk.length
    decoder.push(chunk)
    while (true) {
      const part = decoder.nextPart()
      if (Result.isFailure(part)) return finish(part.failure)
      if (part.success === undefined) break
      const step = connection.receive(part.success, inPieces)
      assert.equal(budget.held, connection.heldBytes)
      assert.ok(
        connection.heldBytes <= Math.min(pushed, limits.maxMessageSize, limits.maxHeldBytes),
        "too much is held"
      )
      if (Result.isFailure(step)) return finish(step.failure)
      assertReply(step.success, role)
      const { event } = step.success
      if (event?._tag === "Piece") {
        assert.ok(inPieces)
        pieces.push(event.payload)
        if (event.last) events.push(line("message", event.opcode, concat(pieces.splice(0))))
      } else if (event !== undefined) {
        events.push(eventLine(event))
        if (event._tag === "Close") return finish(undefined)
      }
    }
  }
  return finish(undefined)
}

const eventLine = (event: Exclude<Connection.Event, { readonly _tag: "Piece" }>): string => {
  switch (event._tag) {
    case "Text":
      assert.equal(event.text, Buffer.from(event.payload).toString())
      return line("message", event.opcode, event.payload)
    case "Binary":
      return line("message", event.opcode, event.payload)
    case "Compressed":
      return line("compressed", event.opcode, event.payload)
    case "Close":
      return `Close ${event.close.code} ${event.close.reason}`
    default:
      return line(event._tag, 0, event.payload)
  }
}

const lineOf = (event: Endpoint.Event): string => {
  switch (event._tag) {
    case "Message":
      return line(event.compressed ? "compressed" : "message", event.opcode, event.payload)
    case "Close":
      return `Close ${event.code} ${event.reason}`
    default:
      return line(event._tag, 0, event.payload)
  }
}

const line = (kind: string, opcode: number, payload: Uint8Array): string =>
  `${kind} ${opcode} ${Buffer.from(payload).toString("hex")}`

const assertReply = ({ event, reply, shutdown }: Connection.Step, role: Role): void => {
  if (event?._tag === "Ping") assert.deepEqual(reply, Frame.make(Opcode.Pong, event.payload))
  else if (event?._tag === "Close") assert.equal(reply?.opcode, Opcode.Close)
  else assert.equal(reply, undefined)
  assert.equal(shutdown, event?._tag === "Close" && role === "server")
}

// The Close frame may be sent, and says what the error says.
const assertAnswered = ({ reply, shutdown }: Connection.Step, error: ProtocolError.ProtocolError): void => {
  assert.ok(shutdown && reply !== undefined)
  assert.equal(Frame.check(reply), undefined)
  assert.equal(Result.getOrThrow(Close.decode(reply.payload)).code, error.closeCode)
  assert.ok(error.message.length > 0)
}
