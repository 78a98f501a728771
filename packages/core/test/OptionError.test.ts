import { assert, describe, it } from "@effect/vitest"
import { OptionError } from "@websocket-stream/core/OptionError"

describe("OptionError", () => {
  it("names the option, the value and what it takes", () => {
    const error = new OptionError({ option: "port", value: "http", expected: "a number" })
    assert.strictEqual(error._tag, "OptionError")
    assert.instanceOf(error, Error)
    assert.strictEqual(error.message, "port is http, it must be a number")
  })

  it("shows a value that is empty", () => {
    for (const value of ["", [], [""]]) {
      const error = new OptionError({ option: "host", value, expected: "a name" })
      assert.strictEqual(error.message, `host is "", it must be a name`)
    }
  })

  it("prints any value", () => {
    for (const [value, text] of [[undefined, "undefined"], [null, "null"], [Symbol("s"), "Symbol(s)"], [-1n, "-1"]]) {
      const error = new OptionError({ option: "x", value, expected: "a number" })
      assert.strictEqual(error.message, `x is ${String(text)}, it must be a number`)
    }
  })

  it("says so where the value cannot be printed", () => {
    const throwing = {
      toString: () => {
        throw new Error("no text")
      }
    }
    for (const value of [Object.create(null), [Object.create(null)], throwing]) {
      const error = new OptionError({ option: "x", value, expected: "a number" })
      assert.strictEqual(error.message, "x is a value without a text, it must be a number")
    }
  })
})
