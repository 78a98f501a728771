import { assert, describe, it } from "@effect/vitest"
import * as Opcode from "@websocket-stream/core/Opcode"

/** RFC 6455 5.2 and 11.8. */
const registry = [
  [0x0, "Continuation", "data"],
  [0x1, "Text", "data"],
  [0x2, "Binary", "data"],
  [0x8, "Close", "control"],
  [0x9, "Ping", "control"],
  [0xa, "Pong", "control"]
] as const

describe("Opcode", () => {
  it("has the six opcodes of the registry as constants, with their names", () => {
    const { Binary, Close, Continuation, Ping, Pong, Text } = Opcode
    const constants: { readonly [name: string]: number } = { Continuation, Text, Binary, Close, Ping, Pong }
    assert.deepStrictEqual(constants, Object.fromEntries(registry.map(([value, name]) => [name, value] as const)))
    for (const [value, name] of registry) assert.strictEqual(Opcode.name(value), name)
  })

  it("is one of six numbers", () => {
    const known = new Set<number>(registry.map(([value]) => value))
    for (let value = -1; value < 300; value++) assert.strictEqual(Opcode.isOpcode(value), known.has(value))
    for (const value of [0.5, Number.NaN, Infinity, 2 ** 32 + 1]) assert.isFalse(Opcode.isOpcode(value))
  })

  it("names a control frame or a data frame, never both", () => {
    for (const [value, , kind] of registry) {
      assert.strictEqual(Opcode.isControl(value), kind === "control")
      assert.strictEqual(Opcode.isData(value), kind === "data")
    }
  })
})
