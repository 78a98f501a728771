/** What a failure tells: ours beside Effect's own. See docs/comparison.md. */
import { assert, describe, it } from "@effect/vitest"
import { WebsocketError } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { IncomingMessage } from "node:http"
import type { Duplex } from "node:stream"
import { clients, type Connect, servers } from "./support/columns.ts"
import { asClient, asServer, type Connected } from "./support/comparing.ts"
import * as Raw from "./support/rawFrames.ts"
import { listen } from "./support/transports.ts"

type Connecting = Effect.Effect<Connected, unknown, Scope.Scope>

/** What a peer may not send, what it has to be told, and by which rule. */
const violations: ReadonlyArray<{
  readonly name: string
  readonly frame: Raw.Shape
  readonly closeCode: number
  readonly rule: string
  /** What `ws` calls it. */
  readonly code: string
}> = [
  {
    name: "a reserved bit",
    frame: { opcode: Raw.binary, rsv: 2 },
    closeCode: 1002,
    rule: "ReservedBits",
    code: "WS_ERR_UNEXPECTED_RSV_2_3"
  },
  {
    name: "text that is not UTF-8",
    frame: { opcode: Raw.text, payload: Uint8Array.of(0xff) },
    closeCode: 1007,
    rule: "InvalidUtf8",
    code: "WS_ERR_INVALID_UTF8"
  },
  {
    name: "an unknown opcode",
    frame: { opcode: 3 },
    closeCode: 1002,
    rule: "UnknownOpcode",
    code: "WS_ERR_INVALID_OPCODE"
  },
  {
    name: "a frame of a terabyte",
    frame: { opcode: Raw.binary, announced: 2n ** 40n },
    closeCode: 1009,
    rule: "FrameTooLarge",
    code: "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH"
  }
]

/** Breaks the protocol: what the program finds in its error, and what the peer is told. */
const violate = (connecting: Connecting, frame: Raw.Shape) =>
  Effect.gen(function*() {
    const { peer, reader } = yield* connecting
    yield* peer.send([frame])
    const told = Raw.readClose(yield* peer.frame).code
    // The global client tells its program when TCP has ended.
    yield* peer.end
    const error = yield* Effect.flip(reader.pull)
    assert.strictEqual(error.reason._tag, "SocketReadError")
    return { told, cause: error.reason._tag === "SocketReadError" ? error.reason.cause : undefined }
  }).pipe(Effect.scoped)

/** All that an event of theirs lets a program read: neither the event nor its error has a close code. */
const shown = (event: any) => ({
  type: event.type,
  message: event.message,
  code: event.error?.code,
  closeCode: event.code ?? event.closeCode ?? event.error?.closeCode
})

const ruleOf = (cause: unknown) => {
  if (!WebsocketError.isReadError(cause) || cause.reason._tag !== "Protocol") return cause
  const { closeCode, reason, section } = cause.reason.error
  assert.match(section, /^\d/)
  return { closeCode, rule: reason._tag }
}

describe("a peer that breaks the protocol", () => {
  for (const { closeCode, code, frame, name, rule } of violations) {
    const ours = (connecting: Connecting) =>
      Effect.gen(function*() {
        const { cause, told } = yield* violate(connecting, frame)
        assert.deepStrictEqual(ruleOf(cause), { closeCode, rule })
        assert.strictEqual(told, closeCode)
      })

    const ws = (connecting: Connecting) =>
      Effect.gen(function*() {
        const { cause, told } = yield* violate(connecting, frame)
        assert.deepInclude(shown(cause), { type: "error", code, closeCode: undefined })
        assert.strictEqual(told, closeCode)
      })

    it.live(`client: ${name}: ours fails with close code and rule, ws and the global client with an event`, () =>
      Effect.gen(function*() {
        yield* ours(asClient(clients.ours))
        yield* ws(asClient(clients.ws))
        const { cause } = yield* violate(asClient(clients.global), frame)
        assert.deepStrictEqual(shown(cause), { type: "error", message: "", code: undefined, closeCode: undefined })
      }))

    it.live(`server: ${name}: ours fails with close code and rule, ws with an event`, () =>
      Effect.gen(function*() {
        yield* ours(asServer(servers.ours))
        yield* ws(asServer(servers.ws))
      }))
  }
})

describe("a server that refuses", () => {
  /** Dials a server that wants to know who it is. */
  const refused = (connect: Connect) =>
    Effect.gen(function*() {
      const { address, server } = yield* listen("TCP")
      server.on("upgrade", (_: IncomingMessage, socket: Duplex) => {
        socket.end("HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 12\r\n\r\nwho are you?")
      })
      const socket = yield* connect(address.url)
      const { reason } = yield* Effect.flip(socket.reader)
      assert.strictEqual(reason._tag, "SocketOpenError")
      return reason._tag === "SocketOpenError" ? reason.cause : undefined
    }).pipe(Effect.scoped)

  it.live("client: ours has status, headers and body, ws a sentence with the status, the global client nothing", () =>
    Effect.gen(function*() {
      const ours = yield* refused(clients.ours)
      assert.isTrue(WebsocketError.isOpenError(ours) && ours.reason._tag === "Refused")
      if (!WebsocketError.isOpenError(ours) || ours.reason._tag !== "Refused") return
      const { body, headers, status } = ours.reason
      assert.deepStrictEqual([status, headers["www-authenticate"], body], [401, "Basic", "who are you?"])
      const message = "Unexpected server response: 401"
      const nothing = { type: "error", code: undefined, closeCode: undefined }
      assert.deepStrictEqual(shown(yield* refused(clients.ws)), { ...nothing, message })
      assert.deepStrictEqual(shown(yield* refused(clients.global)), { ...nothing, message: "" })
    }))
})
