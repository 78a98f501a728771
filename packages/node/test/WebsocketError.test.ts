import { assert, describe, it } from "@effect/vitest"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import { EncodeError } from "@websocket-stream/core/EncodeError"
import { RequestError } from "@websocket-stream/core/HandshakeError"
import * as Opcode from "@websocket-stream/core/Opcode"
import { OptionError } from "@websocket-stream/core/OptionError"
import { ProtocolError } from "@websocket-stream/core/ProtocolError"
import * as WebsocketError from "@websocket-stream/node/WebsocketError"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { opcodes } from "../../core/test/support/arbitraries.ts"

const { Busy, Closed, Deadline, Encode, Handshake, InvalidOption, InvalidRedirect, Io } = WebsocketError
const { OpenError, Protocol, ReadError, Refused, WouldBlock, WriteError } = WebsocketError

const end = { by: "Peer", code: 1006, reason: "", clean: false, truncated: false } as const
const closed = new Closed(end)
const cause = Object.assign(new Error("read ECONNRESET"), { code: "ECONNRESET", errno: -104, syscall: "read" })
const io = new Io({ code: "ECONNRESET", errno: -104, syscall: "read", cause })
const protocol = new Protocol({ error: new ProtocolError({ reason: { _tag: "UnknownOpcode", opcode: 3 } }) })
const encode = new Encode({ error: new EncodeError({ reason: { _tag: "FragmentedControl" } }) })
const handshake = new Handshake({ error: new RequestError({ reason: { _tag: "NotAnUpgrade" } }) })
const option = new InvalidOption({ error: new OptionError({ option: "url", value: "x:", expected: "a ws: URL" }) })
const deadline = new Deadline({ duration: Duration.millis(1500) })
const refused = new Refused({ status: 401, headers: {}, body: "secret" })
const redirect = new InvalidRedirect({ status: 302, location: "ftp://x/", expected: "a ws: URL" })

describe("messages", () => {
  it("S12: WouldBlock says what to do", () =>
    assert.strictEqual(
      new WouldBlock().message,
      "the operation would block; try again after awaitReadable or awaitWritable"
    ))

  it("S12: Closed says who, where and how", () => {
    const message = (fields: Partial<ConstructorParameters<typeof Closed>[0]>) =>
      new Closed({ ...end, ...fields }).message
    assert.strictEqual(message({}), "the peer ended the connection (1006 AbnormalClosure)")
    assert.strictEqual(
      message({ truncated: true }),
      "the peer ended the connection in the middle of a frame (1006 AbnormalClosure)"
    )
    assert.strictEqual(message({ by: "Us" }), "the connection was closed on our side (1006 AbnormalClosure)")
    assert.strictEqual(
      message({ code: CloseCode.GoingAway, reason: "bye" }),
      "the peer ended the connection (1001 GoingAway: bye)"
    )
  })

  it("S12: Io says what Node says", () => assert.strictEqual(io.message, "the connection failed: read ECONNRESET"))

  it("S12: Io says what became of each address, where Node says only that", () => {
    const cause = new AggregateError(["127.0.0.1:1", "::1:1"].map((at) => new Error(`connect ECONNREFUSED ${at}`)))
    assert.strictEqual(
      new Io({ code: "ECONNREFUSED", errno: undefined, syscall: undefined, cause }).message,
      "the connection failed: connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED ::1:1"
    )
  })

  it("S12: Busy says where to go", () => assert.match(new Busy().message, /receive and send there/))

  it("S12: the reasons that carry an error say what it says", () => {
    for (const reason of [protocol, encode, handshake, option]) assert.strictEqual(reason.message, reason.error.message)
    assert.strictEqual(protocol.message, "the opcode 0x3 is reserved (RFC 6455 5.2)")
    assert.strictEqual(option.message, "url is x:, it must be a ws: URL")
  })

  it("S12: each error says what its reason says", () => {
    for (const reason of [new WouldBlock(), closed, protocol, io, new Busy()]) {
      assert.strictEqual(new ReadError({ reason }).message, reason.message)
    }
    for (const reason of [new WouldBlock(), closed, encode, io, new Busy()]) {
      assert.strictEqual(new WriteError({ reason }).message, reason.message)
    }
    for (const reason of [handshake, option, io, deadline, refused, redirect]) {
      assert.strictEqual(new OpenError({ reason }).message, reason.message)
    }
  })

  it("S12: what keeps a connection from opening says what happened, and what to do about it", () => {
    assert.strictEqual(deadline.message, "the connection did not open within 1s 500ms; raise openDeadline")
    assert.strictEqual(
      refused.message,
      "the server answered with status 401 Unauthorized instead of 101 (RFC 6455 4.1)"
    )
    assert.strictEqual(
      new Refused({ status: 599, headers: {}, body: "" }).message,
      "the server answered with status 599 instead of 101 (RFC 6455 4.1)"
    )
    assert.strictEqual(redirect.message, "the server redirects (302) to ftp://x/, it must be a ws: URL")
  })

  it("S12: the names of opcodes can be read", () =>
    assert.deepStrictEqual(opcodes.map(Opcode.name), ["Continuation", "Text", "Binary", "Close", "Ping", "Pong"]))
})

describe("catchReason", () => {
  it.effect("S8: takes one reason of a ReadError and leaves the others", () =>
    Effect.gen(function*() {
      const failing = (reason: WebsocketError.ReadError["reason"]): Effect.Effect<string, WebsocketError.ReadError> =>
        Effect.fail(new ReadError({ reason })).pipe(
          Effect.catchReason("ReadError", "WouldBlock", () => Effect.succeed("again")),
          // The reason is typed: a protocol error knows its close code, an Io its errno.
          Effect.catchReason("ReadError", "Protocol", ({ error }) => Effect.succeed(`fail with ${error.closeCode}`)),
          Effect.catchReason("ReadError", "Io", ({ syscall }) => Effect.succeed(`${syscall} failed`))
        )
      assert.strictEqual(yield* failing(new WouldBlock()), "again")
      assert.strictEqual(yield* failing(protocol), "fail with 1002")
      assert.strictEqual(yield* failing(io), "read failed")
      assert.strictEqual((yield* Effect.flip(failing(closed))).reason, closed)
    }))

  it.effect("S9: and of a WriteError", () =>
    Effect.gen(function*() {
      const failing = (reason: WebsocketError.WriteError["reason"]): Effect.Effect<string, WebsocketError.WriteError> =>
        Effect.fail(new WriteError({ reason })).pipe(
          Effect.catchReason("WriteError", "Encode", ({ error }) => Effect.succeed(error.argument)),
          Effect.catchReason("WriteError", "Closed", ({ by }) => Effect.succeed(by))
        )
      assert.strictEqual(yield* failing(encode), "fin")
      assert.strictEqual(yield* failing(closed), "Peer")
      assert.strictEqual((yield* Effect.flip(failing(io))).reason, io)
    }))
})

describe("guards", () => {
  it("S12: tell the errors apart, and from everything else", () => {
    const errors = [
      new ReadError({ reason: io }),
      new WriteError({ reason: io }),
      new OpenError({ reason: io }),
      new WebsocketError.ListenError({ reason: io })
    ]
    const guards = [
      WebsocketError.isReadError,
      WebsocketError.isWriteError,
      WebsocketError.isOpenError,
      WebsocketError.isListenError
    ]
    errors.forEach((error, i) => assert.deepStrictEqual(guards.map((is) => is(error)), guards.map((_, j) => i === j)))
    for (const other of [undefined, null, "ReadError", { _tag: "ReadError", reason: io }, cause, io]) {
      for (const is of guards) assert.isFalse(is(other))
    }
  })
})
