/** RFC 6455 5.2: reserved bits, reserved opcodes and the mask (Autobahn 3.x and 4.x). */
import { describe } from "@effect/vitest"
import { type Case, protocolError, suite } from "../support/cases.ts"
import * as Raw from "../support/rawFrames.ts"
import type { Chop } from "../support/rawPeer.ts"

const hello: Raw.Shape = { opcode: Raw.text, payload: "Hello, world!" }
const ping: Raw.Shape = { opcode: Raw.ping }

const fails = (
  name: string,
  reason: "ReservedBits" | "UnknownOpcode",
  send: ReadonlyArray<Raw.Shape>,
  answers: ReadonlyArray<Raw.Shape>,
  chop?: Chop
): Case => ({ name, send, answers, fails: protocolError(reason), ...(chop === undefined ? {} : { chop }) })

// What came whole before the frame that is wrong is answered, and what comes behind it is not.
describe("reserved bits", () => {
  const name = (number: number, text: string) => `RFC 6455 5.2, Autobahn 3.${number}: ${text}`
  suite([
    fails(name(1, "RSV 1 of a text"), "ReservedBits", [{ ...hello, rsv: 1 }], []),
    fails(name(2, "RSV 2 of the second text"), "ReservedBits", [hello, { ...hello, rsv: 2 }, ping], [hello]),
    fails(name(3, "RSV 3, by frames"), "ReservedBits", [hello, { ...hello, rsv: 3 }, ping], [hello], "frames"),
    fails(name(4, "RSV 4, a byte at a time"), "ReservedBits", [hello, { ...hello, rsv: 4 }, ping], [hello], 1),
    fails(
      name(5, "RSV 5 of a binary"),
      "ReservedBits",
      [{ opcode: Raw.binary, payload: hello.payload!, rsv: 5 }, ping],
      []
    ),
    fails(name(6, "RSV 6 of a ping"), "ReservedBits", [{ opcode: Raw.ping, payload: hello.payload!, rsv: 6 }], []),
    fails(name(7, "RSV 7 of a Close frame"), "ReservedBits", [
      { opcode: Raw.close, payload: Raw.closeBody(1000), rsv: 7 }
    ], []),
    ...[1, 2, 4].flatMap((rsv) =>
      [Raw.text, Raw.binary, Raw.close, Raw.ping, Raw.pong].map((opcode) =>
        fails(`RFC 6455 5.2: RSV ${rsv} alone, of opcode ${opcode}`, "ReservedBits", [{ opcode, rsv }], [])
      )
    ),
    ...[1, 2, 4].map((rsv) =>
      fails(`RFC 6455 5.2: RSV ${rsv} of a continuation`, "ReservedBits", [
        { opcode: Raw.text, payload: "a", fin: false },
        { opcode: Raw.continuation, payload: "b", rsv }
      ], [])
    )
  ])
})

describe("opcodes", () => {
  const payload = "reserved opcode payload"
  const groups = [{ group: "4.1", first: 3 }, { group: "4.2", first: 11 }]
  for (const { first, group } of groups) {
    const name = (number: number, text: string) =>
      `RFC 6455 5.2, Autobahn ${group}.${number}: opcode ${first + number - 1}${text}`
    suite([
      fails(name(1, ""), "UnknownOpcode", [{ opcode: first }], []),
      fails(name(2, " with a payload"), "UnknownOpcode", [{ opcode: first + 1, payload }], []),
      fails(name(3, " behind a text"), "UnknownOpcode", [hello, { opcode: first + 2 }, ping], [hello]),
      fails(name(4, " with a payload, behind a text"), "UnknownOpcode", [
        hello,
        { opcode: first + 3, payload },
        ping
      ], [hello]),
      fails(name(5, ", a byte at a time"), "UnknownOpcode", [hello, { opcode: first + 4, payload }, ping], [hello], 1)
    ])
  }
})
