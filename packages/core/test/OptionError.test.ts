import { assert, describe, it } from "@effect/vitest"
import { OptionError } from "@websocket-stream/core/OptionError"

describe("OptionError", () => {
  it("names the option, the value and what it takes", () => {
    const error = new OptionError({ option: "port", value: "http", expected: "a number" })
    assert.strictEqual(error._tag, "OptionError")
    assert.instanceOf(error, Error)
    assert.strictEqual(error.message, "port is http, it must be a number")
  })

  it("prints any value", () => {
    for (const [value, text] of [[undefined, "undefined"], [null, "null"], [Symbol("s"), "Symbol(s)"], [-1n, "-1"]]) {
      const error = new OptionError({ option: "x", value, expected: "a number" })
      assert.strictEqual(error.message, `x is ${String(text)}, it must be a number`)
    }
  })
})
