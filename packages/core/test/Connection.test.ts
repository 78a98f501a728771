import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import type * as Connection from "@websocket-stream/core/Connection"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Result from "effect/Result"
import { boolean, integer } from "./support/arbitraries.ts"
import { concat } from "./support/bytes.ts"
import { makeConnection, readableStep, receiveAll } from "./support/connections.ts"
import { fragment, headerOf, listOf, text, utf8, wholePart } from "./support/messages.ts"
import { reasons } from "./support/reasons.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]

const frames = {
  text: Frame.make(Opcode.Text, utf8("hi")),
  binary: Frame.make(Opcode.Binary, utf8("hi")),
  compressed: Frame.make(Opcode.Text, utf8("zip"), { rsv1: true }),
  first: Frame.make(Opcode.Text, utf8("he"), { fin: false }),
  middle: Frame.make(Opcode.Continuation, utf8("l"), { fin: false }),
  last: Frame.make(Opcode.Continuation, utf8("lo")),
  notText: Frame.make(Opcode.Text, Uint8Array.of(0xff)),
  ping: Frame.make(Opcode.Ping, utf8("p")),
  emptyPing: Frame.make(Opcode.Ping, new Uint8Array(0)),
  pong: Frame.make(Opcode.Pong, utf8("q")),
  close: Frame.make(Opcode.Close, concat([[0x0f, 0xa0], utf8("bye")])),
  closeWithCode: Frame.make(Opcode.Close, Uint8Array.of(0x03, 0xe9)),
  emptyClose: Frame.make(Opcode.Close, new Uint8Array(0)),
  shortClose: Frame.make(Opcode.Close, Uint8Array.of(3)),
  forbiddenClose: Frame.make(Opcode.Close, Uint8Array.of(0x03, 0xee)),
  notTextClose: Frame.make(Opcode.Close, Uint8Array.of(0x03, 0xe8, 0xff))
} satisfies { readonly [name: string]: Frame.Frame }

const error = new ProtocolError.ProtocolError({ reason: { _tag: "UnexpectedContinuation" } })

const sent = (connection: Connection.Connection): Connection.Connection => {
  Result.getOrThrow(connection.close(Close.make(1000, "done")))
  return connection
}
const received = (connection: Connection.Connection, ...frames: ReadonlyArray<Frame.Frame>): Connection.Connection => {
  receiveAll(connection, frames)
  return connection
}

/** How a connection comes to be in each of its states. */
const states = {
  open: (role: Role) => makeConnection(role),
  amid: (role: Role) => received(makeConnection(role), frames.first),
  closing: (role: Role) => sent(makeConnection(role)),
  amidClosing: (role: Role) => received(sent(makeConnection(role)), frames.first),
  closed: (role: Role) => received(makeConnection(role), frames.closeWithCode),
  closedByBoth: (role: Role) => received(sent(makeConnection(role)), frames.closeWithCode),
  failed: (role: Role) => {
    const connection = makeConnection(role)
    connection.fail(error)
    return connection
  },
  ended: (role: Role) => {
    const connection = makeConnection(role)
    connection.receiveEof()
    return connection
  }
}

type Live = "open" | "amid" | "closing" | "amidClosing"

// What each frame does in each state where the peer may still be heard. `end` is the server's: it closes TCP first.
const table: { readonly [F in keyof typeof frames]: { readonly [S in Live]: string } } = {
  text: { open: "Text hi", amid: "! ExpectedContinuation", closing: "Text hi", amidClosing: "! ExpectedContinuation" },
  binary: {
    open: "Binary hi",
    amid: "! ExpectedContinuation",
    closing: "Binary hi",
    amidClosing: "! ExpectedContinuation"
  },
  compressed: {
    open: "Compressed zip",
    amid: "! ExpectedContinuation",
    closing: "Compressed zip",
    amidClosing: "! ExpectedContinuation"
  },
  first: { open: "", amid: "! ExpectedContinuation", closing: "", amidClosing: "! ExpectedContinuation" },
  middle: { open: "! UnexpectedContinuation", amid: "", closing: "! UnexpectedContinuation", amidClosing: "" },
  last: {
    open: "! UnexpectedContinuation",
    amid: "Text helo",
    closing: "! UnexpectedContinuation",
    amidClosing: "Text helo"
  },
  notText: {
    open: "! InvalidUtf8",
    amid: "! ExpectedContinuation",
    closing: "! InvalidUtf8",
    amidClosing: "! ExpectedContinuation"
  },
  ping: { open: "Ping p, reply Pong p", amid: "Ping p, reply Pong p", closing: "Ping p", amidClosing: "Ping p" },
  emptyPing: { open: "Ping, reply Pong", amid: "Ping, reply Pong", closing: "Ping", amidClosing: "Ping" },
  pong: { open: "Pong q", amid: "Pong q", closing: "Pong q", amidClosing: "Pong q" },
  close: {
    open: "Close 4000 bye, reply Close 4000 bye, end",
    amid: "Close 4000 bye, reply Close 4000 bye, end",
    closing: "Close 4000 bye, end",
    amidClosing: "Close 4000 bye, end"
  },
  closeWithCode: {
    open: "Close 1001, reply Close 1001, end",
    amid: "Close 1001, reply Close 1001, end",
    closing: "Close 1001, end",
    amidClosing: "Close 1001, end"
  },
  emptyClose: {
    open: "Close 1005, reply Close 1005, end",
    amid: "Close 1005, reply Close 1005, end",
    closing: "Close 1005, end",
    amidClosing: "Close 1005, end"
  },
  shortClose: always("! CloseBodyTooShort"),
  forbiddenClose: always("! InvalidCloseCode"),
  notTextClose: always("! InvalidUtf8")
}

function always(outcome: string): { readonly [S in Live]: string } {
  return { open: outcome, amid: outcome, closing: outcome, amidClosing: outcome }
}

for (const role of roles) {
  describe(`a ${role} that is`, () => {
    for (const [state, make] of Object.entries(states)) {
      it(`${state} takes every frame as the table has it`, () => {
        for (const [name, frame] of Object.entries(frames)) {
          const outcomes = Object.entries(table).find(([frame]) => frame === name)![1]
          // Past its peer's Close frame, its failure or its end a connection hears nothing.
          const expected = Object.entries(outcomes).find(([column]) => column === state)?.[1] ?? ""
          const outcome = readableStep(make(role).receive(wholePart(frame)))
          assert.strictEqual(outcome, role === "client" ? expected.replace(", end", "") : expected, name)
        }
      })

      it(`${state} takes a message by the quick way as by the long one, and nothing else by it`, () => {
        for (const [name, frame] of Object.entries(frames)) {
          const [quick, long] = [make(role), make(role)]
          const message = quick.receiveUsual(frame)
          const step = long.receive(wholePart(frame))
          const event = Result.isSuccess(step) ? step.success.event : undefined
          const isMessage = frame.fin && frame.opcode !== Opcode.Continuation && Message.isMessage(event)
          assert.deepStrictEqual(message, isMessage ? event : undefined, name)
          // A message leaves nothing behind it, and what is refused has not been taken.
          const next = message === undefined ? frame : frames.last
          assert.deepStrictEqual(
            readableStep(quick.receive(wholePart(next))),
            readableStep(message === undefined ? step : long.receive(wholePart(next))),
            name
          )
          assert.deepStrictEqual([quick.closing, quick.heldBytes], [long.closing, long.heldBytes], name)
        }
      })
    }
  })

  it(`pings are answered with their payload, one by one, and also amid a message, as a ${role}`, () => {
    const connection = makeConnection(role)
    const pings = ["1", "", "3".repeat(125)].map((payload) => Frame.make(Opcode.Ping, utf8(payload)))
    const [first, second] = fragment(Opcode.Text, utf8("ab"), [1])
    const steps = receiveAll(connection, [pings[0]!, first!, pings[1]!, second!, pings[2]!])
    assert.deepStrictEqual(steps.map((step) => step.reply), [
      Frame.make(Opcode.Pong, pings[0]!.payload),
      undefined,
      Frame.make(Opcode.Pong, pings[1]!.payload),
      undefined,
      Frame.make(Opcode.Pong, pings[2]!.payload)
    ])
    assert.deepStrictEqual(steps[3]!.event, Message.text("ab"))
  })

  it(`a Close frame is answered once, with the same body, as a ${role}`, () => {
    for (const body of [[], [0x03, 0xe8], [0x0f, 0xa0, 0x62, 0x79, 0x65], [0x03, 0xf5, ...utf8("\u{1f600}")]]) {
      const connection = makeConnection(role)
      const close = Frame.make(Opcode.Close, Uint8Array.from(body))
      const [first, second] = receiveAll(connection, [close, close])
      assert.deepStrictEqual(first!.reply, close)
      assert.strictEqual(first!.shutdown, role === "server")
      assert.strictEqual(readableStep(Result.succeed(second!)), "")
      const said = Result.getOrThrow(Close.decode(close.payload))
      assert.deepStrictEqual(connection.closing, { by: "Peer", sent: said, received: said })
      assert.deepStrictEqual(connection.receiveEof(), said)
    }
  })

  it(`both codes are known of a closing that both began, as a ${role}`, () => {
    const connection = makeConnection(role)
    assert.deepStrictEqual(connection.closing, { by: undefined, sent: undefined, received: undefined })
    const step = Result.getOrThrow(connection.close(Close.make(4001, "us")))
    assert.strictEqual(readableStep(Result.succeed(step)), "reply Close 4001 us")
    assert.deepStrictEqual(connection.closing, { by: "Us", sent: Close.make(4001, "us"), received: undefined })
    const [last] = receiveAll(connection, [frames.closeWithCode])
    assert.strictEqual(last!.shutdown, role === "server")
    assert.deepStrictEqual(connection.closing, { by: "Us", sent: Close.make(4001, "us"), received: Close.make(1001) })
  })

  it(`the end of the bytes is 1006 unless a Close frame came before, as a ${role}`, () => {
    for (const state of ["open", "amid", "closing", "amidClosing"] as const) {
      const connection = states[state](role)
      assert.deepStrictEqual(connection.receiveEof(), Close.abnormal)
      assert.deepStrictEqual(connection.receiveEof(), Close.abnormal)
      assert.strictEqual(connection.heldBytes, 0)
      const { by, received } = connection.closing
      assert.deepStrictEqual([by, received], [state.endsWith("losing") ? "Us" : "Peer", Close.abnormal])
    }
    for (const state of ["closed", "closedByBoth"] as const) {
      assert.deepStrictEqual(states[state](role).receiveEof(), Close.make(1001))
    }
  })

  it(`a failure is said in one Close frame, with the code of its rule, and ends our side, as a ${role}`, () => {
    for (const reason of Object.values(reasons)) {
      const connection = states.amid(role)
      const failure = new ProtocolError.ProtocolError({ reason })
      const { closeCode } = ProtocolError.rules[reason._tag]
      const step = connection.fail(failure)
      assert.isUndefined(step.event)
      assert.isTrue(step.shutdown)
      const said = Result.getOrThrow(Close.decode(step.reply!.payload))
      assert.strictEqual(said.code, closeCode)
      assert.isTrue(said.reason.length > 0 && failure.message.startsWith(said.reason))
      // What was said is what the peer reads, not what was meant: a long message is cut.
      assert.deepStrictEqual(connection.closing, { by: "Peer", sent: said, received: Close.abnormal })
      assert.strictEqual(connection.heldBytes, 0)
      const again = connection.fail(error)
      assert.deepStrictEqual(again, { event: undefined, reply: undefined, shutdown: true })
      assert.deepStrictEqual(connection.closing.sent, said)
    }
  })

  it(`a failure behind our Close frame just ends our side, as a ${role}`, () => {
    const connection = states.closing(role)
    assert.deepStrictEqual(connection.fail(error), { event: undefined, reply: undefined, shutdown: true })
    assert.deepStrictEqual(connection.closing, { by: "Us", sent: Close.make(1000, "done"), received: Close.abnormal })
  })

  it(`what is held of a message goes with the peer's Close frame, as a ${role}`, () => {
    const budget = { held: 0 }
    const connection = makeConnection(role, { budget })
    receiveAll(connection, [frames.first])
    assert.deepStrictEqual([connection.heldBytes, budget.held], [2, 2])
    receiveAll(connection, [frames.close])
    assert.deepStrictEqual([connection.heldBytes, budget.held], [0, 0])
  })
}

it.prop("a message is the same whatever control frames come between its fragments", {
  text,
  cuts: listOf(integer(0, 3000), 0, 6),
  controls: listOf(integer(0, 6), 0, 8),
  inPieces: boolean
}, ({ controls, cuts, inPieces, text }) => {
  const bytes = utf8(text)
  const sent: Array<Frame.Frame> = [...fragment(Opcode.Text, bytes, cuts.map((cut) => cut % (bytes.length + 1)))]
  for (const at of controls) sent.splice(at % (sent.length + 1), 0, at % 2 === 0 ? frames.ping : frames.pong)
  const events = receiveAll(makeConnection("server"), sent, inPieces).flatMap(({ event }) => event ?? [])
  const isControl = ({ _tag }: Connection.Event) => _tag === "Ping" || _tag === "Pong"
  assert.strictEqual(events.filter(isControl).length, controls.length)
  const payloads = events.filter((event) => !isControl(event)).map((event) => "payload" in event ? event.payload : [])
  assert.strictEqual(payloads.length, inPieces ? cuts.length + 1 : 1)
  assert.deepStrictEqual(concat(payloads), bytes)
})

describe("a message in pieces", () => {
  it("comes as it arrives, is told from others, and control frames come between", () => {
    const connection = makeConnection("client")
    const steps = receiveAll(
      connection,
      [frames.first, frames.ping, frames.middle, frames.last, frames.compressed],
      true
    )
    assert.deepStrictEqual(steps.map((step) => readableStep(Result.succeed(step))), [
      "Piece he",
      "Ping p, reply Pong p",
      "Piece l",
      "last Piece lo",
      "Compressed zip"
    ])
    assert.deepStrictEqual(
      connection.receive(headerOf(Opcode.Text, 3), true),
      Result.succeed({
        event: { _tag: "Piece", opcode: Opcode.Text, payload: new Uint8Array(0), last: false },
        reply: undefined,
        shutdown: false
      })
    )
  })

  it.prop(
    "is the text that was sent, in any two fragments, whole or in pieces",
    { text, at: integer(0, 3000) },
    ({ at, text }) => {
      const bytes = utf8(text)
      const sent = fragment(Opcode.Text, bytes, [at % (bytes.length + 1)])
      const [, whole] = receiveAll(makeConnection("server"), sent)
      assert.strictEqual(whole!.event?._tag === "Text" ? whole!.event.text : undefined, text)
      const pieces = receiveAll(makeConnection("server"), sent, true).map(({ event }) =>
        event?._tag === "Piece" ? event.payload : new Uint8Array(0)
      )
      assert.deepStrictEqual(concat(pieces), bytes)
    }
  )
})
