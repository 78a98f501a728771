/** RFC 6455 8.1: texts are UTF-8, and fail at the byte that makes them anything else (Autobahn 6.x). */
import { assert, describe, it } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { type Case, expectFailure, type Failure, run, suite, turns } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"
import { groups, invalidAt, isText } from "../support/utf8Texts.ts"

const invalid: Failure = { code: 1007, reason: "InvalidUtf8" }

const text = (payload: string | Uint8Array): Raw.Shape => ({ opcode: Raw.text, payload })

const fragments = (payloads: ReadonlyArray<string | Uint8Array>): ReadonlyArray<Raw.Shape> =>
  payloads.map((payload, i) => ({
    opcode: i === 0 ? Raw.text : Raw.continuation,
    payload,
    fin: i === payloads.length - 1
  }))

const octets = (bytes: Uint8Array): ReadonlyArray<Uint8Array> => Array.from(bytes, (byte) => Uint8Array.of(byte))

const valid = Buffer.from("Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!")
const kosme = Buffer.from("\u03ba\u1f79\u03c3\u03bc\u03b5")
// A surrogate in the middle.
const spoiled = Buffer.concat([kosme, Buffer.from([0xed, 0xa0, 0x80]), Buffer.from("edited")])

describe("texts in fragments", () => {
  const name = (number: string, what: string) => `RFC 6455 8.1, Autobahn 6.${number}: ${what}`
  suite([
    { name: name("1.1", "an empty text"), send: [text("")], answers: [text("")] },
    { name: name("1.2", "an empty text of three fragments"), send: fragments(["", "", ""]), answers: [text("")] },
    {
      name: name("1.3", "three fragments, of which the second has the text"),
      send: fragments(["", "middle frame payload", ""]),
      answers: [text("middle frame payload")]
    },
    { name: name("2.1", "a text in one frame"), send: [text(valid)], answers: [text(valid)] },
    {
      name: name("2.2", "a text cut between characters"),
      send: fragments([valid.subarray(0, 13), valid.subarray(13)]),
      answers: [text(valid)]
    },
    { name: name("2.3", "a text in fragments of a byte"), send: fragments(octets(valid)), answers: [text(valid)] },
    { name: name("2.4", "another one"), send: fragments(octets(kosme)), answers: [text(kosme)] },
    { name: name("3.1", "a surrogate in one frame"), send: [text(spoiled)], fails: invalid },
    { name: name("3.2", "a surrogate in fragments of a byte"), send: fragments(octets(spoiled)), fails: invalid }
  ])
})

/** Sends the pieces, each but the last to no effect; at the last the connection fails, whatever was to come behind it. */
const failsAtLast = Effect.fnUntraced(function*(role: Role, pieces: ReadonlyArray<Uint8Array>) {
  const opened = yield* open(role)
  for (const piece of pieces.slice(0, -1)) {
    yield* opened.peer.write(piece)
    yield* turns
    assert.strictEqual(opened.peer.waiting(), 0)
    assert.isFalse(opened.peer.hasEnded())
  }
  yield* opened.peer.write(pieces.at(-1)!)
  yield* expectFailure(opened, role, [], invalid)
})

/** One frame's bytes, cut behind so many bytes of its payload each; what is behind the last cut is withheld. */
const withheld = (role: Role, frame: Raw.Shape, cuts: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const bytes = Raw.encode(frame, role === "server")
  const header = bytes.length - Buffer.from(frame.payload ?? "").length
  return cuts.map((cut, i) => bytes.subarray(i === 0 ? 0 : header + cuts[i - 1]!, header + cut))
}

// U+110000, which there is not: F4 is fine, 90 is not.
const tooHigh = Buffer.from([0xf4, 0x90, 0x80, 0x80])
const rest = Buffer.from("edited")

describe("failing fast", () => {
  inBothRoles((role) => {
    const encoded = (frames: ReadonlyArray<Raw.Shape>) => frames.map((frame) => Raw.encode(frame, role === "server"))

    it.live("RFC 6455 8.1, Autobahn 6.4.1: at the fragment that is no text, without waiting for the rest", () =>
      failsAtLast(role, encoded(fragments([kosme, tooHigh, rest]).slice(0, 2))))

    it.live("RFC 6455 8.1, Autobahn 6.4.2: at the fragment that goes on with the wrong byte", () =>
      failsAtLast(
        role,
        encoded(fragments([Buffer.concat([kosme, tooHigh.subarray(0, 1)]), tooHigh.subarray(1), rest]).slice(0, 2))
      ))

    it.live("RFC 6455 8.1, Autobahn 6.4.3: in the middle of a frame, at the bytes that are no text", () =>
      failsAtLast(role, withheld(role, text(Buffer.concat([kosme, tooHigh, rest])), [kosme.length, kosme.length + 4])))

    it.live("RFC 6455 8.1, Autobahn 6.4.4: in the middle of a frame, at the byte that is wrong", () =>
      failsAtLast(
        role,
        withheld(role, text(Buffer.concat([kosme, tooHigh, rest])), [kosme.length + 1, kosme.length + 2])
      ))

    it.live("RFC 6455 8.1: at the first byte of a frame that announces 2^19 more", () =>
      failsAtLast(role, withheld(role, { ...text(Uint8Array.of(0xff)), announced: 2n ** 19n }, [1])))

    it.live("RFC 6455 8.1: at the header of the last fragment, if a character was cut and it is empty", () =>
      failsAtLast(role, encoded(fragments([kosme.subarray(0, 1), ""]))))
  })
})

// Whether in one frame, or in fragments of a byte that come a byte at a time.
for (const { name, number, texts } of groups) {
  describe(`Autobahn 6.${number}: ${name}`, () => {
    suite(texts.flatMap((hex, i): ReadonlyArray<Case> => {
      const bytes = Buffer.from(hex, "hex")
      const outcome = isText(bytes) ? { answers: [text(bytes)] } : { fails: invalid }
      const what = hex.length > 32 ? `${hex.slice(0, 32)}...` : hex
      return [
        { name: `RFC 6455 8.1, Autobahn 6.${number}.${i + 1}: ${what}`, send: [text(bytes)], ...outcome },
        { name: `RFC 6455 8.1: ${what} in fragments of a byte`, send: fragments(octets(bytes)), ...outcome }
      ]
    }))

    inBothRoles((role) => {
      it.live("RFC 6455 8.1: split at every byte, in the middle of the frame", () =>
        Effect.forEach(texts, (hex) => {
          const bytes = Buffer.from(hex, "hex")
          const at = invalidAt(bytes)
          // What cannot become a text any more fails there, with more bytes announced.
          return at === undefined
            ? run(role, {
              name: "",
              send: [text(bytes)],
              chop: 1,
              ...(isText(bytes) ? { answers: [text(bytes)] } : { fails: invalid })
            })
            : failsAtLast(role, withheld(role, text(Buffer.concat([bytes, rest])), at === 1 ? [1] : [at - 1, at]))
        }, { concurrency: 4, discard: true }).pipe(Effect.scoped))
    })
  })
}
