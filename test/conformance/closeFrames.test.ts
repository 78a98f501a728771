/** RFC 6455 5.5.1 and 7.4: what a Close frame may say (Autobahn 7.3 to 7.13). */
import { assert, describe, it } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { assertFrames, expectEndOfTcp, expectFailure, protocolError } from "../support/cases.ts"
import { inBothRoles, open } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

const close = (payload: string | Uint8Array = ""): Raw.Shape => ({ opcode: Raw.close, payload })

/** The peer closes: the same comes back, TCP ends in order, and our side knows what the peer said. */
const accepted = Effect.fnUntraced(function*(role: Role, payload: Uint8Array, said: { code: number; reason: string }) {
  const { closed, peer, reason } = yield* open(role)
  yield* peer.send([close(payload)])
  assertFrames([yield* peer.frame], role, [close(payload)])
  assert.deepInclude(yield* reason, { _tag: "Closed", by: "Peer", ...said, clean: true, truncated: false })
  yield* expectEndOfTcp(peer, role)
  yield* closed
})

const refused = Effect.fnUntraced(
  function*(role: Role, payload: Uint8Array, failure = protocolError("InvalidCloseCode")) {
    const opened = yield* open(role)
    yield* opened.peer.send([close(payload)])
    yield* expectFailure(opened, role, [], failure)
  }
)

// A reason of two bytes a character, so that its length in characters is another one than in bytes.
const longest = `${"\u00e4".repeat(61)}.`

const validCodes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]
const invalidCodes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999]

describe("bodies", () => {
  inBothRoles((role) => {
    it.live("RFC 6455 7.1.5, Autobahn 7.3.1: no body, which is read as 1005", () =>
      accepted(role, Buffer.alloc(0), { code: 1005, reason: "" }))

    it.live("RFC 6455 5.5.1, Autobahn 7.3.2: a body of one byte", () =>
      refused(role, Buffer.from("a"), protocolError("CloseBodyTooShort")))

    it.live("RFC 6455 5.5.1, Autobahn 7.3.3: a code", () =>
      accepted(role, Raw.closeBody(1000), { code: 1000, reason: "" }))

    it.live("RFC 6455 5.5.1, Autobahn 7.3.4: a code and a reason", () =>
      accepted(role, Raw.closeBody(1000, "Hello World!"), { code: 1000, reason: "Hello World!" }))

    it.live("RFC 6455 5.5, Autobahn 7.3.5: a reason of 123 bytes", () =>
      accepted(role, Raw.closeBody(1000, longest), { code: 1000, reason: longest }))

    it.live("RFC 6455 5.5, Autobahn 7.3.6: a reason of 124 bytes", () =>
      refused(role, Raw.closeBody(1000, "*".repeat(124)), protocolError("ControlTooLong")))

    it.live("RFC 6455 5.5.1: a reason of one byte", () =>
      accepted(role, Raw.closeBody(1000, "x"), { code: 1000, reason: "x" }))

    it.live("RFC 6455 5.5.1: a byte order mark is part of the reason", () =>
      accepted(role, Raw.closeBody(1000, "\ufeffx"), { code: 1000, reason: "\ufeffx" }))

    for (
      const [what, bytes] of [["a surrogate", [0xce, 0xba, 0xed, 0xa0, 0x80]], ["a cut character", [
        0x61,
        0xce
      ]]] as const
    ) {
      it.live(`RFC 6455 8.1, Autobahn 7.5.1: a reason that is no text: ${what}`, () =>
        refused(role, Raw.closeBody(1000, Buffer.from(bytes)), { code: 1007, reason: "InvalidUtf8" }))
    }
  })
})

describe("codes", () => {
  inBothRoles((role) => {
    for (const [i, code] of validCodes.entries()) {
      it.live(`RFC 6455 7.4, Autobahn 7.7.${i + 1}: ${code}`, () =>
        accepted(role, Raw.closeBody(code), { code, reason: "" }))
    }

    for (const code of [1012, 1013, 1014]) {
      it.live(`RFC 6455 11.7, registered since: ${code}`, () =>
        accepted(role, Raw.closeBody(code), { code, reason: "" }))
    }

    for (const [i, code] of invalidCodes.entries()) {
      it.live(`RFC 6455 7.4, Autobahn 7.9.${i + 1}: ${code} may not travel`, () => refused(role, Raw.closeBody(code)))
    }

    it.live("RFC 6455 7.4.1: 1015 may not travel", () => refused(role, Raw.closeBody(1015, "TLS")))

    for (const [i, code] of [5000, 65_535].entries()) {
      it.live(`RFC 6455 7.4.2, Autobahn 7.13.${i + 1}: ${code} is undefined, and refused`, () =>
        refused(role, Raw.closeBody(code)))
    }

    it.live("RFC 6455 7.4: what a peer may not send, we may not either, and the connection goes on", () =>
      Effect.gen(function*() {
        const { ws } = yield* open(role)
        const mayTravel = (code: number) =>
          (code >= 1000 && code <= 1014 && ![1004, 1005, 1006].includes(code)) || (code >= 3000 && code <= 4999)
        // 1005 is how an empty body is asked for.
        const codes = [-1, 1000.5, Number.NaN, 65_535, 70_000, ...Array.from({ length: 5100 }, (_, code) => code)]
        for (const code of codes.filter((code) => !mayTravel(code) && code !== 1005)) {
          const { reason } = yield* Effect.flip(ws.close(code))
          assert.strictEqual(reason._tag === "Encode" && reason.error.reason._tag, "InvalidCloseCode", `${code}`)
        }
        // Nothing of it was sent.
        yield* ws.send("still open")
      }))
  })
})
