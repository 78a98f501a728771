import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import * as CloseCode from "@websocket-stream/core/CloseCode"
import type { Reason } from "@websocket-stream/core/EncodeError"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { integer } from "./support/arbitraries.ts"
import { concat } from "./support/bytes.ts"
import { characters, listOf, nearlyText, text, utf8 } from "./support/messages.ts"
import * as NaiveUtf8 from "./support/naiveUtf8.ts"
import { reasons } from "./support/reasons.ts"

const encoded = (code: number, reason?: string): Uint8Array => Result.getOrThrow(Close.encode(Close.make(code, reason)))

const refusal = (code: number, reason?: string): Reason =>
  Result.getOrThrow(Result.flip(Close.encode(Close.make(code, reason)))).reason

const failure = (...bytes: ReadonlyArray<number>): ProtocolError.Reason =>
  Result.getOrThrow(Result.flip(Close.decode(Uint8Array.from(bytes)))).reason

const bodyOf = (code: number, reason: Uint8Array): Uint8Array => concat([[code >> 8, code & 0xff], reason])

/** The error with another message, as a translation would have it. */
const errorSaying = (message: string): ProtocolError.ProtocolError =>
  Object.defineProperty(new ProtocolError.ProtocolError({ reason: { _tag: "InvalidUtf8" } }), "explanation", {
    value: message
  })

/** Without stack traces, which take most of the time of a hundred thousand errors. */
const withoutTraces = <A>(make: () => A): A => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  const made = make()
  Error.stackTraceLimit = stackTraceLimit
  return made
}

describe("Close", { timeout: 60_000 }, () => {
  it("every code of two bytes travels or not, as CloseCode.isSendable says, in both directions", () => {
    for (let code = 0; code <= 0xffff; code++) {
      const body = Uint8Array.of(code >> 8, code)
      const encoded = withoutTraces(() => Close.encode({ code, reason: "" }))
      const decoded = withoutTraces(() => Close.decode(body))
      // Sparing with assertions: there are 65,536 codes.
      if (CloseCode.isSendable(code)) {
        assert.deepStrictEqual(encoded, Result.succeed(body))
        assert.deepStrictEqual(decoded, Result.succeed({ code, reason: "" }))
      } else if (Result.isSuccess(decoded) || decoded.failure.reason._tag !== "InvalidCloseCode") {
        assert.fail(`${code} came through`)
      } else if (code !== CloseCode.NoStatusReceived && Result.isSuccess(encoded)) {
        assert.fail(`${code} would be sent`)
      }
    }
    assert.deepStrictEqual(failure(0x03, 0xed), { _tag: "InvalidCloseCode", code: 1005 })
    assert.deepStrictEqual(failure(0xff, 0xff), { _tag: "InvalidCloseCode", code: 65_535 })
  })

  it("no other number is a code: none is cut down to one", () => {
    for (const code of [-1, 1000.5, 3999.9, 65_536 + 1000, 2 ** 32 + 1000, Number.NaN, Infinity]) {
      assert.deepStrictEqual(refusal(code), { _tag: "InvalidCloseCode", code })
    }
  })

  it("an empty body is code 1005 and the other way round; 1005 has no reason and 1006 no frame", () => {
    assert.deepStrictEqual(encoded(1005), new Uint8Array(0))
    assert.deepStrictEqual(Result.getOrThrow(Close.decode(new Uint8Array(0))), { code: 1005, reason: "" })
    assert.deepStrictEqual(Result.getOrThrow(Close.encode(Close.none)), new Uint8Array(0))
    assert.deepStrictEqual(refusal(1005, "a"), { _tag: "InvalidCloseCode", code: 1005 })
    assert.deepStrictEqual(Close.abnormal, Close.make(1006))
    assert.deepStrictEqual(refusal(1006), { _tag: "InvalidCloseCode", code: 1006 })
  })

  it("a body of one byte is refused", () => {
    for (let byte = 0; byte < 0x100; byte++) assert.deepStrictEqual(failure(byte), { _tag: "CloseBodyTooShort" })
  })

  it("reasons have up to 123 bytes, counted in UTF-8", () => {
    assert.strictEqual(Close.maxReasonBytes, 123)
    for (const character of ["a", "\u00e9", "\u20ac", "\u{1f600}"]) {
      const size = utf8(character).length
      for (const length of [0, 1, 122, 123, 124, 125, 126, 1000]) {
        const reason = character.repeat(Math.floor(length / size)) + "a".repeat(length % size)
        assert.strictEqual(utf8(reason).length, length)
        if (length <= 123) {
          const body = encoded(4000, reason)
          assert.strictEqual(body.length, 2 + length)
          assert.deepStrictEqual(Result.getOrThrow(Close.decode(body)), { code: 4000, reason })
        } else {
          assert.deepStrictEqual(refusal(4000, reason), { _tag: "CloseReasonTooLong", length })
        }
      }
    }
  })

  it("a reason is what it was, a byte order mark and a NUL included", () => {
    for (const reason of ["\ufeff", "\ufeffa\ufeff", "\0", ...characters]) {
      assert.deepStrictEqual(Result.getOrThrow(Close.decode(encoded(1000, reason))), { code: 1000, reason })
    }
    // UTF-8 has no word for half a surrogate pair.
    assert.deepStrictEqual(Result.getOrThrow(Close.decode(encoded(1000, "\ud800"))).reason, "\ufffd")
  })

  it.prop("any reason that fits comes back", { code: integer(3000, 4999), reason: text }, ({ code, reason }) => {
    const body = Close.encode({ code, reason })
    if (Result.isSuccess(body)) {
      assert.deepStrictEqual(Close.decode(body.success), Result.succeed({ code, reason }))
    } else {
      assert.deepStrictEqual(body.failure.reason, { _tag: "CloseReasonTooLong", length: utf8(reason).length })
      assert.isAbove(utf8(reason).length, 123)
    }
  })

  it.prop("a reason that is no UTF-8, or cut by its end, is refused", { reason: nearlyText }, ({ reason }) => {
    const decoded = Close.decode(bodyOf(1000, reason))
    assert.strictEqual(Result.isSuccess(decoded), NaiveUtf8.check(reason).isWhole)
    if (Result.isFailure(decoded)) assert.deepStrictEqual(decoded.failure.reason, { _tag: "InvalidUtf8" })
  }, { arbitrary: { runs: 300 } })

  it("the code is looked at before the reason", () => {
    assert.deepStrictEqual(failure(0, 0, 0xff), { _tag: "InvalidCloseCode", code: 0 })
  })

  it("reads a body that is part of a larger array, and writes to none", () => {
    const bytes = Buffer.from([0xff, 0x03, 0xe8, 0x68, 0x69, 0xff])
    assert.deepStrictEqual(Close.decode(bytes.subarray(1, 5)), Result.succeed({ code: 1000, reason: "hi" }))
    assert.deepStrictEqual([...bytes], [0xff, 0x03, 0xe8, 0x68, 0x69, 0xff])
  })
})

describe("Close.encodeError", { timeout: 60_000 }, () => {
  it("says the code and the explanation of every reason, and nothing of what to do on our side", () => {
    for (const reason of Object.values(reasons)) {
      const error = new ProtocolError.ProtocolError({ reason })
      const close = Result.getOrThrow(Close.decode(Close.encodeError(error)))
      assert.strictEqual(close.code, error.closeCode)
      assert.strictEqual(close.reason, error.explanation)
      assert.isTrue(error.message.startsWith(close.reason))
      assert.deepStrictEqual(Close.fromError(error), close)
    }
  })

  it("cuts no character in two", () => {
    for (const character of ["a", "\u00e9", "\u20ac", "\u{1f600}"]) {
      for (let before = 0; before < 4; before++) {
        const message = "x".repeat(before) + character.repeat(130)
        const body = Close.encodeError(errorSaying(message))
        const { code, reason } = Result.getOrThrow(Close.decode(body))
        assert.strictEqual(code, 1007)
        assert.isTrue(message.startsWith(reason))
        assert.isAtMost(body.length, 125)
        // The next one would not have fitted.
        assert.isAbove(body.length + utf8(character).length, 125)
      }
    }
  })

  it.prop("is a body that a peer reads, whatever the message", {
    message: Arbitrary.map(listOf(text, 0, 4), (texts) => texts.join(""))
  }, ({ message }) => {
    const { reason } = Result.getOrThrow(Close.decode(Close.encodeError(errorSaying(message))))
    if (utf8(message).length <= 123) assert.strictEqual(reason, message)
    else assert.isTrue(message.startsWith(reason) && utf8(reason).length > 119)
  })
})

describe("Close.fitting", () => {
  it("keeps a reason that fits, and cuts a longer one between two characters", () => {
    for (const length of [0, 1, 122, 123]) {
      assert.deepStrictEqual(Close.fitting(4000, "x".repeat(length)), { code: 4000, reason: "x".repeat(length) })
    }
    assert.strictEqual(Close.fitting(4000, "x".repeat(124)).reason, "x".repeat(123))
    // Three bytes each: 41 of them are 123, and behind a byte 40 are 121.
    assert.strictEqual(Close.fitting(4000, "\u20ac".repeat(50)).reason, "\u20ac".repeat(41))
    assert.strictEqual(Close.fitting(4000, `x${"\u20ac".repeat(50)}`).reason, `x${"\u20ac".repeat(40)}`)
  })
})
