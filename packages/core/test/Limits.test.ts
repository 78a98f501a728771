import { assert, describe, it } from "@effect/vitest"
import * as Limits from "@websocket-stream/core/Limits"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Result from "effect/Result"

const names = ["maxMessageSize", "maxFrameSize", "maxInflatedSize", "maxFragments", "maxHeldBytes"] as const

describe("Limits", () => {
  it("are the defaults of the role where nothing is said", () => {
    const others = { maxFragments: 131_072, maxHeldBytes: 268_435_456 }
    for (const options of [undefined, {}, { maxMessageSize: undefined, maxFragments: undefined }]) {
      for (const [role, size] of [["server", 1_048_576], ["client", 16_777_216]] as const) {
        assert.deepStrictEqual(
          Limits.make(role, options),
          Result.succeed({ maxMessageSize: size, maxFrameSize: size, maxInflatedSize: size, ...others })
        )
      }
    }
    assert.strictEqual(Limits.defaultServerMaxMessageSize, 1_048_576)
    assert.strictEqual(Limits.defaultClientMaxMessageSize, 16_777_216)
    assert.strictEqual(Limits.defaultMaxFragments, others.maxFragments)
    assert.strictEqual(Limits.defaultMaxHeldBytes, others.maxHeldBytes)
  })

  it("of frames and inflated messages are that of messages, unless they say otherwise", () => {
    const limits = Result.getOrThrow(Limits.make("server", { maxMessageSize: 10 }))
    assert.deepInclude(limits, { maxMessageSize: 10, maxFrameSize: 10, maxInflatedSize: 10 })
    const apart = { maxMessageSize: 10, maxFrameSize: 5, maxInflatedSize: 20 }
    assert.deepInclude(Result.getOrThrow(Limits.make("server", apart)), apart)
  })

  it("are what was written down, from none at all to no limit", () => {
    for (const role of ["client", "server"] as const) {
      for (const name of names) {
        for (const value of [0, 1, 125, 65_536, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
          assert.strictEqual(Result.getOrThrow(Limits.make(role, { [name]: value }))[name], value)
        }
      }
    }
  })

  it("B8 R6 fail closed: what is no whole number lifts nothing, and the error names it", () => {
    for (const role of ["client", "server"] as const) {
      for (const name of names) {
        for (const value of [-1, 0.5, Number.NaN, Infinity, -Infinity, 2 ** 53]) {
          const error = Result.getOrThrow(Result.flip(Limits.make(role, { [name]: value })))
          assert.instanceOf(error, OptionError)
          assert.strictEqual(error.option, `limits.${name}`)
          assert.deepStrictEqual(error.value, value)
          assert.strictEqual(
            error.message,
            `limits.${name} is ${value}, it must be a whole number from 0 to 9007199254740991`
          )
        }
      }
    }
  })
})
