import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import type * as Connection from "@websocket-stream/core/Connection"
import type * as EncodeError from "@websocket-stream/core/EncodeError"
import * as Frame from "@websocket-stream/core/Frame"
import * as Message from "@websocket-stream/core/Message"
import * as Opcode from "@websocket-stream/core/Opcode"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { boolean, elementOf } from "./support/arbitraries.ts"
import { makeConnection, receiveAll } from "./support/connections.ts"
import { listOf, utf8, wholePart } from "./support/messages.ts"

const roles: ReadonlyArray<Role> = ["client", "server"]
const payload = utf8("hi")

const refusal = <A>(result: Result.Result<A, EncodeError.EncodeError>): EncodeError.EncodeError =>
  Result.getOrThrow(Result.flip(result))

const first = Frame.make(Opcode.Text, payload, { fin: false })
const middle = Frame.make(Opcode.Continuation, payload, { fin: false })
const last = Frame.make(Opcode.Continuation, payload)

type Attempt = (connection: Connection.Connection) => Result.Result<unknown, EncodeError.EncodeError>

/** Amid a fragmented message, every reason why something cannot be sent; what was negotiated is not the connection's business. */
const wrong: {
  readonly [Tag in Exclude<EncodeError.Reason["_tag"], "ExtensionMissing">]: {
    readonly argument: string
    readonly attempt: Attempt
  }
} = {
  UnknownOpcode: { argument: "opcode", attempt: (to) => to.sendFragment(Object.assign({ ...last }, { opcode: 3 })) },
  ControlTooLong: { argument: "payload", attempt: (to) => to.ping(new Uint8Array(126)) },
  FragmentedControl: {
    argument: "fin",
    attempt: (to) => to.sendFragment(Frame.make(Opcode.Ping, payload, { fin: false }))
  },
  ReservedBit: { argument: "rsv1", attempt: (to) => to.sendFragment({ ...last, rsv1: true }) },
  InvalidCloseCode: { argument: "code", attempt: (to) => to.close(Close.make(1006)) },
  CloseReasonTooLong: { argument: "reason", attempt: (to) => to.close(Close.make(1000, "a".repeat(124))) },
  FragmentOutOfOrder: { argument: "opcode", attempt: (to) => to.send(Message.text("hi")) },
  AfterClose: { argument: "opcode", attempt: (to) => Result.flatMap(to.close(), () => to.ping(payload)) }
}

for (const role of roles) {
  describe(`what a ${role} may send`, () => {
    it("messages and pings, in frames that hold their bytes and nothing of the connection", () => {
      const connection = makeConnection(role)
      const message = Message.binary(payload)
      assert.deepStrictEqual(connection.send(Message.text("hi")), Result.succeed(Frame.make(Opcode.Text, payload)))
      assert.strictEqual(Result.getOrThrow(connection.send(message)).payload, payload)
      assert.deepStrictEqual(connection.ping(payload), Result.succeed(Frame.make(Opcode.Ping, payload)))
      assert.deepStrictEqual(connection.closing, { by: undefined, sent: undefined, received: undefined })
    })

    it("fragments in their order, pings between them, compressed or not", () => {
      const connection = makeConnection(role)
      for (const rsv1 of [true, false]) {
        const begin = { ...first, rsv1 }
        for (const frame of [begin, middle, middle, last]) {
          assert.strictEqual(Result.getOrThrow(connection.sendFragment(frame)), frame)
          assert.isTrue(Result.isSuccess(connection.ping(new Uint8Array(0))))
        }
      }
    })

    it("no fragment out of order, which is said before it is sent, and the connection goes on", () => {
      const connection = makeConnection(role)
      for (const stray of [middle, last]) {
        const error = refusal(connection.sendFragment(stray))
        assert.deepStrictEqual(error.reason, { _tag: "FragmentOutOfOrder" })
        assert.deepStrictEqual([error.argument, error.section], ["opcode", "5.4"])
      }
      assert.isTrue(Result.isSuccess(connection.sendFragment(first)))
      for (const amid of [first, Frame.make(Opcode.Binary, payload)]) {
        assert.deepStrictEqual(refusal(connection.sendFragment(amid)).reason, { _tag: "FragmentOutOfOrder" })
      }
      assert.deepStrictEqual(refusal(connection.send(Message.text("hi"))).reason, { _tag: "FragmentOutOfOrder" })
      assert.isTrue(Result.isSuccess(connection.sendFragment(last)))
      assert.isTrue(Result.isSuccess(connection.send(Message.text("hi"))))
    })

    it("whole messages as long as there is no refusal of them, which is what sending one would fail with", () => {
      const connection = makeConnection(role)
      const isSaid = () => {
        const sent = connection.send(Message.text("hi"))
        assert.deepStrictEqual(connection.refusal, Result.isFailure(sent) ? sent.failure : undefined)
        return connection.refusal?.reason._tag
      }
      assert.isUndefined(isSaid())
      connection.sendFragment(first)
      assert.strictEqual(isSaid(), "FragmentOutOfOrder")
      connection.sendFragment(last)
      assert.isUndefined(isSaid())
      connection.close()
      assert.strictEqual(isSaid(), "AfterClose")
    })

    it("no control frame in the place of a fragment: it would go past the closing handshake", () => {
      for (const opcode of [Opcode.Close, Opcode.Ping, Opcode.Pong] as const) {
        for (const before of [[], [first]]) {
          const connection = makeConnection(role)
          for (const frame of before) connection.sendFragment(frame)
          const error = refusal(connection.sendFragment(Frame.make(opcode, new Uint8Array(0))))
          assert.deepStrictEqual(error.reason, { _tag: "FragmentOutOfOrder" })
          assert.isTrue(Result.isSuccess(connection.sendFragment(before.length > 0 ? last : first)))
        }
      }
    })

    for (const [tag, { argument, attempt }] of Object.entries(wrong)) {
      it(`nothing of ${tag}, which names the argument and changes nothing`, () => {
        const connection = makeConnection(role)
        connection.sendFragment(first)
        const error = refusal<unknown>(attempt(connection))
        assert.deepStrictEqual([error.reason._tag, error.argument], [tag, argument])
        if (tag === "AfterClose") return
        assert.isUndefined(connection.closing.sent)
        assert.isTrue(Result.isSuccess(connection.sendFragment(last)))
      })
    }

    it("a Close frame with any code that may travel, 1000 by itself, and none at all", () => {
      const body = (close?: Close.Close) => Result.getOrThrow(makeConnection(role).close(close)).reply?.payload
      assert.deepStrictEqual(body(), Uint8Array.of(0x03, 0xe8))
      assert.deepStrictEqual(body(Close.make(4999, "x")), Uint8Array.of(0x13, 0x87, 0x78))
      assert.deepStrictEqual(body(Close.none), new Uint8Array(0))
    })

    it("nothing after a Close frame, whoever closed, and the error says so", () => {
      for (const close of ways) {
        const connection = makeConnection(role)
        connection.sendFragment(first)
        close(connection)
        const attempts = [
          connection.send(Message.text("hi")),
          connection.sendFragment(last),
          connection.sendFragment(Frame.make(Opcode.Close, new Uint8Array(0))),
          connection.ping(payload),
          connection.close(),
          connection.close(Close.make(1)),
          connection.ping(new Uint8Array(126))
        ]
        for (const attempt of attempts) {
          const error = refusal<unknown>(attempt)
          assert.deepStrictEqual(error.reason, { _tag: "AfterClose" })
          assert.deepStrictEqual([error.argument, error.section], ["opcode", "5.5.1"])
        }
      }
    })
  })
}

const ways: ReadonlyArray<(connection: Connection.Connection) => unknown> = [
  (connection) => connection.close(),
  (connection) => connection.close(Close.none),
  (connection) => receiveAll(connection, [Frame.make(Opcode.Close, new Uint8Array(0))]),
  (connection) => connection.fail(new ProtocolError.ProtocolError({ reason: { _tag: "InvalidUtf8" } }))
]

it.prop("the frames that may be sent are those that a peer takes, in any order of trying", {
  tries: listOf(
    Arbitrary.all({
      opcode: elementOf([Opcode.Continuation, Opcode.Text, Opcode.Binary] as const),
      fin: boolean,
      rsv1: boolean
    }),
    0,
    20
  )
}, ({ tries }) => {
  const sender = makeConnection("client")
  const sent: Array<Frame.Frame> = []
  for (const { fin, opcode, rsv1 } of tries) {
    const frame = Frame.make(opcode, payload, { fin, rsv1 })
    // A new one each time: what it refuses is the end of a connection.
    const receiver = makeConnection("server")
    receiveAll(receiver, sent)
    // The decoder's to see, before a frame is the connection's.
    const isReserved = rsv1 && opcode === Opcode.Continuation
    const mayReceive = !isReserved && Result.isSuccess(receiver.receive(wholePart(frame)))
    assert.strictEqual(Result.isSuccess(sender.sendFragment(frame)), mayReceive)
    if (mayReceive) sent.push(frame)
  }
}, { arbitrary: { runs: 200 } })
