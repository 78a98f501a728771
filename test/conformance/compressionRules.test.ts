/** RFC 7692 6 and 7.2: what a compressed message may look like, and what fails the connection. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Zlib from "node:zlib"
import { assertFrames, type Case, closeByPeer, type Failure, protocolError, run, suite } from "../support/cases.ts"
import { inBothRoles, open, type Options } from "../support/opened.ts"
import * as RawDeflate from "../support/rawDeflate.ts"
import * as Raw from "../support/rawFrames.ts"

const takeover = { serverNoContextTakeover: false, clientNoContextTakeover: false }

/** Whatever our side sends is not compressed, so that answers can be read. */
const negotiated: Options = {
  extensions: "permessage-deflate",
  deflate: takeover,
  compression: { threshold: 1_000_000 }
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex")
const compressed = (payload: Uint8Array, opcode = Raw.text): Raw.Shape => ({ opcode, rsv: Raw.rsv1, payload })
const text = (payload: string | Uint8Array): Raw.Shape => ({ opcode: Raw.text, payload })
const deflate = (payload: Uint8Array): Buffer =>
  Zlib.deflateRawSync(payload, { finishFlush: Zlib.constants.Z_SYNC_FLUSH }).subarray(0, -4)

const hello = hex("f2 48 cd c9 c9 07 00")
const invalidData: Failure = { code: 1007, reason: "InvalidCompressedData" }

const cases = (...all: ReadonlyArray<Omit<Case, "options">>): void =>
  suite(all.map((one): Case => ({ ...one, options: negotiated })))

describe("messages", () => {
  cases(
    { name: "RFC 7692 7.2.3.1: one block", send: [compressed(hello)], answers: [text("Hello")] },
    {
      name: "RFC 7692 7.2.3.1: one block in two fragments",
      send: RawDeflate.fragments(Raw.text, hello, 3),
      answers: [text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.1: a byte a fragment, with a ping behind each, and a byte at a time",
      send: RawDeflate.fragments(Raw.text, hello, 1).flatMap((frame) => [frame, { opcode: Raw.pong }]),
      answers: [text("Hello")],
      chop: 1
    },
    {
      name: "RFC 7692 7.2.3.2: a window that is taken over from the message before",
      send: [compressed(hello), compressed(hex("f2 00 11 00 00")), compressed(hex("f2 00 11 00 00"))],
      answers: [text("Hello"), text("Hello"), text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.2: what is not compressed does not slide the window",
      send: [compressed(hello), text("between"), compressed(hex("f2 00 11 00 00"))],
      answers: [text("Hello"), text("between"), text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.3: a block that is not compressed",
      send: [compressed(hex("00 05 00 fa ff 48 65 6c 6c 6f 00"))],
      answers: [text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.4: a block with BFINAL",
      send: [compressed(hex("f3 48 cd c9 c9 07 00 00"))],
      answers: [text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.4: a block with BFINAL, without the block behind it that tells its end",
      send: [compressed(hex("f3 48 cd c9 c9 07 00"))],
      answers: [text("Hello")]
    },
    {
      name: "RFC 7692 7.2.1: another block behind one with BFINAL, which reaches back before it",
      send: [compressed(hex("f3 48 cd c9 c9 07 00 f2 00 11 00 00"))],
      answers: [text("HelloHello")]
    },
    {
      name: "RFC 7692 7.2.3.4: the next message reaches back behind a block with BFINAL",
      send: [compressed(hex("f3 48 cd c9 c9 07 00 00")), compressed(hex("f2 00 11 00 00"))],
      answers: [text("Hello"), text("Hello")]
    },
    {
      name: "RFC 7692 7.2.3.5: two blocks",
      send: [compressed(hex("f2 48 05 00 00 00 ff ff ca c9 c9 07 00"))],
      answers: [text("Hello")]
    },
    { name: "RFC 7692 7.2.3.6: an empty message", send: [compressed(hex("00"))], answers: [text("")] },
    {
      name: "RFC 7692 7.2.3.6: an empty message of no byte, as some write it",
      send: [compressed(hex(""))],
      answers: [text("")]
    },
    {
      name: "RFC 7692 6.2: a binary",
      send: [compressed(deflate(Buffer.from([0xff, 0xfe])), Raw.binary)],
      answers: [{ opcode: Raw.binary, payload: Buffer.from([0xff, 0xfe]) }]
    },
    {
      name: "RFC 7692 6: messages that are compressed and that are not, one after the other",
      send: [text("plain"), compressed(hello), text("plain"), compressed(deflate(Buffer.from("Hello")))],
      answers: [text("plain"), text("Hello"), text("plain"), text("Hello")]
    },
    {
      name: "RFC 6455 5.5: control frames are not compressed",
      send: [{ opcode: Raw.ping, payload: "ping" }],
      answers: [{ opcode: Raw.pong, payload: "ping" }]
    }
  )
})

describe("errors", () => {
  const rsv1 = (opcode: number, payload: string | Uint8Array = ""): Raw.Shape => ({ opcode, rsv: Raw.rsv1, payload })
  const large = deflate(Buffer.alloc(300_000, "the quick brown fox "))
  cases(
    ...[Raw.close, Raw.ping, Raw.pong].map((opcode) => ({
      name: `RFC 7692 6.1: RSV1 on the control frame ${opcode}`,
      send: [rsv1(opcode)],
      fails: protocolError("ReservedBits")
    })),
    {
      name: "RFC 7692 6.1: RSV1 on a second fragment",
      send: [{ ...compressed(hello.subarray(0, 3)), fin: false }, rsv1(Raw.continuation, hello.subarray(3))],
      fails: protocolError("ReservedBits")
    },
    {
      name: "RFC 7692 6.1: RSV1 on a second fragment only",
      send: [{ ...text("a"), fin: false }, rsv1(Raw.continuation, hello)],
      fails: protocolError("ReservedBits")
    },
    ...[2, 1, 3, 6].map((rsv) => ({
      name: `RFC 6455 5.2: reserved bits ${rsv} beside RSV1`,
      send: [{ ...compressed(hello), rsv }],
      fails: protocolError("ReservedBits")
    })),
    { name: "RFC 7692 6.2: what is no DEFLATE", send: [compressed(hex("ff ff ff ff"))], fails: invalidData },
    {
      name: "RFC 7692 6.2: a reach back to before the first byte",
      send: [compressed(hex("f2 00 11 00 00"))],
      fails: invalidData
    },
    {
      name: "RFC 7692 6.2: what is cut in the middle of a block",
      send: [compressed(hello.subarray(0, 4))],
      fails: invalidData
    },
    {
      name: "RFC 7692 6.2: a large message that is cut in the middle of a block",
      send: [compressed(large.subarray(0, -3))],
      fails: invalidData
    },
    {
      name: "RFC 7692 7.2.1: more streams than anybody has a use for",
      send: [compressed(Buffer.from("0300".repeat(8000), "hex"))],
      fails: invalidData
    },
    {
      name: "RFC 7692 6.2: an error behind a message, which is answered",
      send: [compressed(hello), compressed(hex("ff ff ff ff"))],
      answers: [text("Hello")],
      fails: invalidData
    },
    {
      name: "RFC 6455 8.1: a text that is no UTF-8 once it is inflated",
      send: [compressed(deflate(Buffer.from([0x61, 0xed, 0xa0, 0x80])))],
      fails: { code: 1007, reason: "InvalidUtf8" }
    },
    {
      name: "RFC 6455 8.1: a text that ends in the middle of a character once it is inflated",
      send: [compressed(deflate(Buffer.from([0x61, 0xc3])))],
      fails: { code: 1007, reason: "InvalidUtf8" }
    },
    {
      name: "RFC 6455 5.4: another message amid the fragments of a compressed one",
      send: [{ ...compressed(hello.subarray(0, 3)), fin: false }, compressed(hello)],
      fails: protocolError("ExpectedContinuation")
    }
  )

  inBothRoles((role) => {
    it.live("RFC 7692 7.2.2: a window that was not to be taken over is not", () =>
      run(role, {
        name: "",
        options: { ...negotiated, deflate: true, extensions: noTakeover },
        send: [compressed(hello), compressed(hex("f2 00 11 00 00"))],
        answers: [text("Hello")],
        fails: invalidData
      }))

    it.live("RFC 7692 7.1.2: what reaches back behind the window that was agreed on", () =>
      Effect.gen(function*() {
        const { peer } = yield* open(role, {
          ...negotiated,
          extensions: "permessage-deflate; client_max_window_bits=8; server_max_window_bits=8",
          deflate: { ...takeover, clientMaxWindowBits: 8, serverMaxWindowBits: 8 }
        })
        // Noise, so that the second message can only be short by reaching back 1,000 bytes, past the first one's end.
        const noise = Buffer.from(Array.from({ length: 1000 }, (_, i) => (i * i * 31 + (i >> 3)) & 0x7f))
        const codec = yield* RawDeflate.deflater({ bits: 15, takesOver: true })
        const [first, second] = [yield* Effect.promise(() => codec(noise)), yield* Effect.promise(() => codec(noise))]
        assert.isBelow(second.length, 50)
        yield* peer.send([compressed(first, Raw.binary), compressed(second, Raw.binary)])
        const frames = yield* peer.rest
        assertFrames(frames.slice(0, -1), role, [{ opcode: Raw.binary, payload: noise }])
        assert.strictEqual(Raw.readClose(frames.at(-1)!).code, 1007)
      }))
  })
})

const noTakeover = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

describe("what we send", () => {
  inBothRoles((role) => {
    it.live("RFC 7692 6.1: messages below the threshold, and those for which it is declined, are not compressed", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, {
          ...negotiated,
          compression: { threshold: 10 },
          use: (ws) =>
            Effect.gen(function*() {
              yield* ws.send("below")
              yield* ws.send("at the threshold")
              yield* ws.send("a secret, not compressed", { compress: false })
              yield* ws.sendAll(["at the threshold", "below", "at the threshold"])
              return yield* ws.receive
            })
        })
        const frames = yield* opened.peer.frames(6)
        assert.deepStrictEqual(frames.map(({ rsv }) => rsv), [0, Raw.rsv1, 0, Raw.rsv1, 0, Raw.rsv1])
        const inflate = yield* RawDeflate.inflater({ bits: 15, takesOver: true })
        const texts = yield* Effect.forEach(
          frames,
          ({ payload, rsv }) => Effect.promise(async () => (rsv === 0 ? payload : await inflate(payload)).toString())
        )
        assert.deepStrictEqual(texts, [
          "below",
          "at the threshold",
          "a secret, not compressed",
          "at the threshold",
          "below",
          "at the threshold"
        ])
        // The second time it is a reach back to the first.
        assert.isBelow(frames[3]!.payload.length, frames[1]!.payload.length)
        yield* closeByPeer(opened, role)
      }))

    it.live("RFC 6455 5.2: nothing is compressed that was not negotiated", () =>
      Effect.gen(function*() {
        const opened = yield* open(role, { compression: { threshold: 0 } })
        yield* opened.peer.send([text("x".repeat(5000))])
        assertFrames([yield* opened.peer.frame], role, [text("x".repeat(5000))])
        yield* closeByPeer(opened, role)
      }))
  })
})
