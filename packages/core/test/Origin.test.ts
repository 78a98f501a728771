import { assert, describe, it } from "@effect/vitest"
import * as Origin from "@websocket-stream/core/Origin"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { elementOf } from "./support/arbitraries.ts"

const isRefused = (origin: string | undefined, host: string | undefined, allowed?: Origin.Allowed): boolean =>
  Result.getOrThrow(Origin.check(allowed))({ origin, host }) !== undefined

describe("Origin.check", () => {
  it("R24 lets the pages of the server's own host in", () => {
    for (
      const [origin, host] of [
        ["http://example.com", "example.com"],
        ["https://example.com", "example.com"],
        ["https://EXAMPLE.com", "example.COM"],
        ["http://example.com:8080", "example.com:8080"],
        ["http://example.com", "example.com:80"],
        ["https://example.com:443", "example.com"],
        ["https://[2001:db8::1]:8443", "[2001:db8::1]:8443"],
        ["https://[2001:db8::1]", "[2001:db8::1]:443"],
        ["chrome-extension://abcdef", "abcdef"]
      ] as const
    ) assert.isFalse(isRefused(origin, host), `${origin} at ${host}`)
  })

  it("R24 refuses all others", () => {
    for (
      const [origin, host] of [
        ["http://elsewhere.test", "example.com"],
        ["http://example.com.elsewhere.test", "example.com"],
        ["http://sub.example.com", "example.com"],
        ["http://example.com:8081", "example.com:8080"],
        ["http://example.com:443", "example.com"],
        ["https://example.com", "example.com:80"],
        ["https://[2001:db8::2]", "[2001:db8::1]"],
        ["null", "null"],
        ["", ""],
        ["example.com", "example.com"],
        ["://example.com", "example.com"],
        ["http://", ""],
        ["http://user@example.com", "user@example.com"],
        ["http://example.com/", "example.com/"],
        ["http://example.com:", "example.com:"],
        ["http://example.com:99999", "example.com:99999"],
        ["http://example.com, http://example.com", "example.com"],
        ["http://example.com", undefined]
      ] as const
    ) assert.isTrue(isRefused(origin, host), `${origin} at ${host}`)
  })

  it("lets those in that send none: they are no browsers", () => {
    assert.isFalse(isRefused(undefined, "example.com"))
    assert.isFalse(isRefused(undefined, undefined))
  })

  it("is widened by a list, whose origins are compared as browsers write them", () => {
    const allowed = ["https://App.example.com:443", "http://localhost:3000"]
    assert.isFalse(isRefused("https://app.example.com", "example.com", allowed))
    assert.isFalse(isRefused("http://localhost:3000", "example.com", allowed))
    assert.isFalse(isRefused("http://example.com", "example.com", allowed))
    // The scheme counts here: it is named.
    assert.isTrue(isRefused("http://app.example.com", "example.com", allowed))
    assert.isTrue(isRefused("null", "example.com", allowed))
  })

  it("is widened by a function, which sees the header as it came", () => {
    const seen: Array<string> = []
    const allowed = (origin: string) => seen.push(origin) > 0 && origin === "null"
    assert.isFalse(isRefused("null", "example.com", allowed))
    assert.isTrue(isRefused("HTTP://Elsewhere.test", "example.com", allowed))
    assert.deepStrictEqual(seen, ["null", "HTTP://Elsewhere.test"])
  })

  it("fails for what is no origin, and names it", () => {
    for (
      const origin of [
        "*",
        "example.com",
        "https://example.com/",
        "https://*.example.com",
        "https://b\u00fccher.test",
        ...["-5", "+5", "0x50", "1e3", "8.0", "65536"].map((port) => `https://example.com:${port}`)
      ]
    ) {
      const error = Result.getOrThrow(Result.flip(Origin.check(["https://example.com", origin])))
      assert.strictEqual(
        error.message,
        `origins[1] is ${origin}, it must be an origin like https://example.com:8443`
      )
    }
  })

  // What peers send is made of the pieces that the check looks for, and of what is left of them.
  const piece = elementOf(["http", "https", "://", ":", "443", "[", "]", "::1", "a", ".", "/", "@", " ", "null", ","])
  const value = Arbitrary.map(Arbitrary.array(piece, { maxLength: 8 }), (pieces) => pieces.join(""))

  it.prop("never throws, and never takes a path for a host", [value, value], ([origin, host]) => {
    assert.isBoolean(isRefused(origin, host, ["https://example.com"]))
    assert.isTrue(isRefused(`http://${origin}/x`, `${host}/x`))
  }, { arbitrary: { runs: 2000 } })
})
