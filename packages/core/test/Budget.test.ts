import { assert, describe, it } from "@effect/vitest"
import * as Budget from "@websocket-stream/core/Budget"
import * as Frame from "@websocket-stream/core/Frame"
import * as Opcode from "@websocket-stream/core/Opcode"
import { assemble, assembled, makeDecoder } from "./support/assembling.ts"
import { noise } from "./support/bytes.ts"
import { wholePart } from "./support/messages.ts"

describe("Budget", () => {
  it("has nothing on it in the beginning, and each is an account of its own", () => {
    const [first, second] = [Budget.make(), Budget.make()]
    assert.deepStrictEqual([first, second], [{ held: 0 }, { held: 0 }])
    const begun = wholePart(Frame.make(Opcode.Binary, noise(10, 1), { fin: false }))
    const decoder = makeDecoder({ budget: first })
    assembled([begun], decoder)
    assert.deepStrictEqual([first, second], [{ held: 10 }, { held: 0 }])
    decoder.clear()
    assert.deepStrictEqual([first, second], [{ held: 0 }, { held: 0 }])
  })

  it("only counts: decoders with limits of their own may share it", () => {
    const budget = Budget.make()
    const begun = wholePart(Frame.make(Opcode.Binary, noise(10, 1), { fin: false }))
    const generous = makeDecoder({ budget, maxHeldBytes: 100 })
    const strict = makeDecoder({ budget, maxHeldBytes: 15 })
    assembled([begun], generous)
    assert.deepStrictEqual(assemble([begun], strict).failure, { _tag: "TooMuchHeld", limit: 15 })
    assert.deepStrictEqual(assembled([{ ...begun, opcode: Opcode.Continuation }], generous), [])
    assert.strictEqual(budget.held, 20)
  })
})
