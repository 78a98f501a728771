/**
 * The same bytes through our decoder and through the `Receiver` of `ws`: the same events, and an error in both or in none.
 * Where they differ, it is for a reason that is listed here, and ours is the stricter one.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Budget from "@websocket-stream/core/Budget"
import * as Connection from "@websocket-stream/core/Connection"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { createHash } from "node:crypto"
import { Receiver } from "ws"
import * as Raw from "../support/rawFrames.ts"
import { kinds, type WireStream } from "../support/wireStreams.ts"

const maxMessageSize = 100_000

interface Outcome {
  /** Messages, pings, pongs and the Close frame, each as a line. */
  readonly events: ReadonlyArray<string>
  readonly error: ProtocolError.Reason["_tag"] | number | undefined
  /** Whether the bytes end in the middle of a frame or a message. */
  readonly isUnfinished: boolean
}

const line = (kind: string, payload: Uint8Array): string =>
  `${kind} ${payload.length} ${createHash("sha1").update(payload).digest("base64")}`

const closeLine = (code: number, reason: string): string => `close ${code} ${reason}`

/** What we make of it. */
const decode = ({ chunks, role }: WireStream): Outcome => {
  const decoder = FrameDecoder.make({ role, maxFrameSize: maxMessageSize })
  const budget = Budget.make()
  const connection = Connection.make({
    role,
    maxMessageSize,
    maxFragments: 1000,
    maxHeldBytes: Number.MAX_SAFE_INTEGER,
    budget
  })
  const events: Array<string> = []
  let isFragmented = false
  for (const chunk of chunks) {
    decoder.push(chunk)
    while (true) {
      const next = decoder.nextPart()
      if (Result.isFailure(next)) return { events, error: next.failure.reason._tag, isUnfinished: false }
      if (next.success === undefined) break
      const step = connection.receive(next.success)
      if (Result.isFailure(step)) return { events, error: step.failure.reason._tag, isUnfinished: false }
      if (next.success.opcode < 8) isFragmented = !(next.success.fin && next.success.last)
      const { event } = step.success
      switch (event?._tag) {
        case "Text":
        case "Binary":
        case "Ping":
        case "Pong":
          events.push(line(event._tag, event.payload))
          break
        case "Close":
          return {
            events: [...events, closeLine(event.close.code, event.close.reason)],
            error: undefined,
            isUnfinished: false
          }
      }
    }
  }
  return { events, error: undefined, isUnfinished: isFragmented || decoder.bufferedBytes > 0 }
}

/** What ws makes of it. */
const receive = ({ chunks, role }: WireStream): Effect.Effect<Outcome> =>
  Effect.promise(() =>
    new Promise((resolve) => {
      const receiver = new Receiver({ isServer: role === "server", maxPayload: maxMessageSize })
      const events: Array<string> = []
      let error: number | undefined = undefined
      let isOver = false
      const end = () => resolve({ events, error, isUnfinished: false })
      receiver.on("message", (data: Buffer, isBinary: boolean) => events.push(line(isBinary ? "Binary" : "Text", data)))
      receiver.on("ping", (data: Buffer) => events.push(line("Ping", data)))
      receiver.on("pong", (data: Buffer) => events.push(line("Pong", data)))
      receiver.on("conclude", (code: number, reason: Buffer) => {
        isOver = true
        events.push(closeLine(code, reason.toString()))
      })
      receiver.on("error", (cause: Error) => {
        isOver = true
        error = Number(Object.getOwnPropertySymbols(cause).map((symbol) => Reflect.get(cause, symbol))[0])
        end()
      })
      for (const chunk of chunks) if (!isOver) receiver.write(Buffer.from(chunk))
      // A receiver that failed says so in the next tick.
      setImmediate(end)
    })
  )

interface Difference {
  readonly name: string
  readonly argument: string
  readonly explains: (ours: Outcome, theirs: Outcome, wire: WireStream) => Effect.Effect<boolean>
  /** Bytes that show it. */
  readonly role: Role
  readonly bytes: ReadonlyArray<Raw.Shape> | Buffer
}

/** The same with a few more bytes, which make whole the header or the short frame that was cut. */
const goOn = (wire: WireStream): WireStream => ({ ...wire, chunks: [...wire.chunks, new Uint8Array(14)] })

const differences: ReadonlyArray<Difference> = [
  {
    name: "a length in more bytes than it needs",
    argument: "RFC 6455 5.2 says MUST. ws reads on.",
    explains: (ours, theirs) =>
      Effect.succeed(ours.error === "LengthNotMinimal" && isPrefix(ours.events, theirs.events)),
    role: "client",
    bytes: [{ opcode: Raw.text, payload: "a", lengthBytes: 2 }]
  },
  {
    name: "a text that cannot become one any more",
    argument:
      "RFC 6455 8.1 asks for the failure, and we fail at the byte. ws looks at the whole text, so it goes on to " +
      "answer pings until that has come, or never fails if it does not come.",
    explains: (ours, theirs) => Effect.succeed(ours.error === "InvalidUtf8" && isPrefix(ours.events, theirs.events)),
    role: "client",
    bytes: [{ opcode: Raw.text, payload: Uint8Array.of(0xff), fin: false }, { opcode: Raw.ping }]
  },
  {
    name: "a header that is wrong by its first bytes",
    argument: "Each of our checks fires at the byte that decides it. ws waits for the rest of the header.",
    explains: (ours, theirs, wire) =>
      ours.error !== undefined && theirs.error === undefined && same(ours.events, theirs.events)
        ? Effect.map(receive(goOn(wire)), ({ error }) => error !== undefined)
        : Effect.succeed(false),
    role: "client",
    bytes: Buffer.from([0x83])
  },
  {
    name: "the header of a Close frame whose body has one byte",
    argument: "We judge the body of a Close frame when it is whole, which is a byte later. ws refuses its length.",
    explains: (ours, theirs, wire) =>
      Effect.sync(() =>
        ours.isUnfinished && theirs.error === 1002 && same(ours.events, theirs.events) &&
        decode(goOn(wire)).error === "CloseBodyTooShort"
      ),
    role: "client",
    bytes: Buffer.from([0x88, 0x01])
  }
]

const isPrefix = (short: ReadonlyArray<string>, long: ReadonlyArray<string>): boolean =>
  short.length <= long.length && short.every((event, i) => event === long[i])

const same = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => a.length === b.length && isPrefix(a, b)

const agree = (ours: Outcome, theirs: Outcome): boolean =>
  same(ours.events, theirs.events) && (ours.error === undefined) === (theirs.error === undefined)

const reasonsFor = (ours: Outcome, theirs: Outcome, wire: WireStream) =>
  Effect.filter(differences, ({ explains }) => explains(ours, theirs, wire))

for (const [kind, wire] of Object.entries(kinds)) {
  it.effect.prop(`the same as ws: ${kind}`, { wire }, ({ wire }) =>
    Effect.gen(function*() {
      const [ours, theirs] = [decode(wire), yield* receive(wire)]
      if (agree(ours, theirs)) return
      const reasons = yield* reasonsFor(ours, theirs, wire)
      assert.isNotEmpty(reasons, JSON.stringify({ ours, theirs, role: wire.role }))
    }), { timeout: 60_000, arbitrary: { runs: 1500 } })
}

describe("differences", () => {
  for (const { argument, bytes, name, role } of differences) {
    it.effect(`${name}: ${argument}`, () =>
      Effect.gen(function*() {
        const chunk = Buffer.isBuffer(bytes)
          ? bytes
          : Buffer.concat(bytes.map((shape) => Raw.encode(shape, role === "server")))
        const wire = { role, chunks: [chunk] }
        const [ours, theirs] = [decode(wire), yield* receive(wire)]
        assert.isFalse(agree(ours, theirs))
        // By no other reason.
        assert.deepStrictEqual((yield* reasonsFor(ours, theirs, wire)).map(({ name }) => name), [name])
      }))
  }
})
