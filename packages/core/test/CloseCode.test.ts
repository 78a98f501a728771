import { assert, describe, it } from "@effect/vitest"
import * as CloseCode from "@websocket-stream/core/CloseCode"

/** RFC 6455 7.4 and the registry of 11.7, written out: from, to, may it travel in a Close frame, what it is called. */
const table: ReadonlyArray<readonly [from: number, to: number, sendable: boolean, name: string]> = [
  [0, 999, false, "Reserved"],
  [1000, 1000, true, "Normal"],
  [1001, 1001, true, "GoingAway"],
  [1002, 1002, true, "ProtocolError"],
  [1003, 1003, true, "UnsupportedData"],
  [1004, 1004, false, "Reserved"],
  [1005, 1005, false, "NoStatusReceived"],
  [1006, 1006, false, "AbnormalClosure"],
  [1007, 1007, true, "InvalidPayloadData"],
  [1008, 1008, true, "PolicyViolation"],
  [1009, 1009, true, "MessageTooBig"],
  [1010, 1010, true, "MandatoryExtension"],
  [1011, 1011, true, "InternalError"],
  [1012, 1012, true, "ServiceRestart"],
  [1013, 1013, true, "TryAgainLater"],
  [1014, 1014, true, "BadGateway"],
  [1015, 1015, false, "TlsHandshake"],
  [1016, 2999, false, "Reserved"],
  [3000, 3999, true, "Library"],
  [4000, 4999, true, "Application"],
  [5000, 5100, false, "Reserved"]
]

describe("CloseCode", () => {
  it("every code from 0 to 5100 is sendable or not, and has its name", () => {
    let next = 0
    for (const [from, to, sendable, name] of table) {
      assert.strictEqual(from, next)
      for (let code = from; code <= to; code++) {
        assert.strictEqual(CloseCode.isSendable(code), sendable, `${code}`)
        assert.strictEqual(CloseCode.name(code), name, `${code}`)
      }
      next = to + 1
    }
    assert.strictEqual(next, 5101)
  })

  it("the constants are the codes of their names", () => {
    const { isSendable: _, name, ...constants } = CloseCode
    const named = table.filter(([from, to, , name]) => from === to && name !== "Reserved")
    assert.sameDeepMembers(Object.entries(constants), named.map(([code, , , name]) => [name, code]))
    for (const [constant, code] of Object.entries(constants)) assert.strictEqual(name(code), constant)
  })

  it("numbers that no Close frame can hold are not sendable", () => {
    for (const code of [-1, -1000, 65_535, 65_536 + 1000, Number.NaN, Infinity]) {
      assert.isFalse(CloseCode.isSendable(code))
      assert.strictEqual(CloseCode.name(code), "Reserved")
    }
  })
})
