/**
 * The table of `ProtocolError`: every reason can be provoked by bytes, in every role that it can have, and the Close frame
 * that the peer sees has its code, and as its reason the error's message.
 */
import { assert, describe, it } from "@effect/vitest"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import * as Zlib from "node:zlib"
import { open, type Options, roles } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

type Tag = ProtocolError.Reason["_tag"]

interface Provocation {
  readonly send: ReadonlyArray<Raw.Shape>
  /** What the peer is told: the beginning of its reason. */
  readonly says: string
  readonly options?: Options
  /** Default: both. */
  readonly role?: Role
}

const first: Raw.Shape = { opcode: Raw.text, payload: "a", fin: false }
const zeros = Zlib.deflateRawSync(Buffer.alloc(5000), { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)
const deflate: Options = { extensions: "permessage-deflate", deflate: { serverNoContextTakeover: false } }

// The type holds it total: a reason that nobody provokes does not compile.
const provocations: { readonly [T in Tag]: Provocation } = {
  ReservedBits: { send: [{ opcode: Raw.text, rsv: 2 }], says: "the reserved bits RSV2 are set" },
  UnknownOpcode: { send: [{ opcode: 11 }], says: "the opcode 0xb is reserved" },
  FragmentedControl: { send: [{ opcode: Raw.ping, fin: false }], says: "a control frame (opcode 0x9) has no FIN bit" },
  ControlTooLong: {
    send: [{ opcode: Raw.ping, payload: Buffer.alloc(126) }],
    says: "a control frame (opcode 0x9) announces more than 125 bytes"
  },
  MaskMissing: {
    send: [{ opcode: Raw.text, masked: false }],
    role: "server",
    says: "a frame of the client is not masked"
  },
  MaskForbidden: {
    send: [{ opcode: Raw.text, masked: true }],
    role: "client",
    says: "a frame of the server is masked"
  },
  LengthNotMinimal: { send: [{ opcode: Raw.text, lengthBytes: 2 }], says: "a length that fits in fewer bytes takes 2" },
  LengthTopBit: {
    send: [{ opcode: Raw.binary, announced: 2n ** 63n }],
    says: "the most significant bit of a 64-bit length is set"
  },
  FrameTooLarge: {
    send: [{ opcode: Raw.binary, payload: Buffer.alloc(101) }],
    options: { limits: { maxFrameSize: 100 } },
    says: "max frame size is 100 bytes, the peer announced 101 or more"
  },
  UnexpectedContinuation: { send: [{ opcode: Raw.continuation }], says: "a continuation frame continues no message" },
  ExpectedContinuation: { send: [first, { opcode: Raw.binary }], says: "a new message (opcode 0x2) begins amid" },
  MessageTooLarge: {
    send: [first, { opcode: Raw.continuation, payload: Buffer.alloc(100, "b") }],
    options: { limits: { maxMessageSize: 100 } },
    says: "max message size is 100 bytes, the peer announced 101 or more"
  },
  TooManyFragments: {
    send: [first, { ...first, opcode: Raw.continuation }, { ...first, opcode: Raw.continuation }],
    options: { limits: { maxFragments: 2 } },
    says: "a message has more than 2 fragments"
  },
  TooMuchHeld: {
    send: [first],
    options: { limits: { maxHeldBytes: 0 } },
    says: "the unfinished messages of all connections would hold more than the 0 bytes that they may"
  },
  InvalidUtf8: { send: [{ opcode: Raw.text, payload: Uint8Array.of(0xc0) }], says: "a text is not valid UTF-8" },
  CloseBodyTooShort: { send: [{ opcode: Raw.close, payload: "x" }], says: "the body of a Close frame has one byte" },
  InvalidCloseCode: {
    send: [{ opcode: Raw.close, payload: Raw.closeBody(1006) }],
    says: "the close code 1006 may not travel"
  },
  InvalidCompressedData: {
    send: [{ opcode: Raw.binary, rsv: Raw.rsv1, payload: Uint8Array.of(0xff, 0xff) }],
    options: deflate,
    says: "a compressed message does not inflate"
  },
  InflatedTooLarge: {
    send: [{ opcode: Raw.binary, rsv: Raw.rsv1, payload: zeros }],
    options: { ...deflate, limits: { maxInflatedSize: 4999 } },
    says: "max inflated size is 4999 bytes, a message inflates to more"
  }
}

const isTag = (name: string): name is Tag => Object.hasOwn(ProtocolError.rules, name)
const tags = Object.keys(provocations).filter(isTag)

describe("every reason of a ProtocolError", () => {
  it("is provoked", () => {
    assert.sameMembers(tags, Object.keys(ProtocolError.rules))
  })

  for (const tag of tags) {
    const { options, role: only, says, send } = provocations[tag]
    const { closeCode, section } = ProtocolError.rules[tag]
    for (const role of roles.filter((role) => only === undefined || role === only)) {
      it.live(`RFC ${section.includes(" ") ? section : `6455 ${section}`}: we are the ${role}, ${tag} is ${closeCode}`, () =>
        Effect.gen(function*() {
          const { peer, reason } = yield* open(role, options)
          yield* peer.send(send)
          const frames = yield* peer.rest
          assert.strictEqual(frames.length, 1)
          const close = Raw.readClose(frames[0]!)
          const why = yield* reason
          if (why._tag !== "Protocol") throw new Error("our side did not see a ProtocolError", { cause: why })
          assert.strictEqual(why.error.reason._tag, tag)
          assert.strictEqual(close.code, closeCode)
          assert.strictEqual(why.error.closeCode, closeCode)
          assert.isTrue(close.reason.startsWith(says), close.reason)
          assert.strictEqual(close.reason, why.error.explanation)
          assert.strictEqual(yield* peer.ended, "FIN")
        }))
    }
  }
})
