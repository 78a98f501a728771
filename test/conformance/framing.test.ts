/** RFC 6455 5.2 and 5.6: every form of length, of text and of binary messages (Autobahn 1.x). */
import { describe } from "@effect/vitest"
import { type Case, protocolError, suite } from "../support/cases.ts"
import * as Raw from "../support/rawFrames.ts"
import type { Chop } from "../support/rawPeer.ts"

const lengths = [0, 125, 126, 127, 128, 65_535, 65_536]

const echoed = (name: string, shape: Raw.Shape, chop?: Chop): Case => ({
  name,
  send: [shape],
  answers: [shape],
  ...(chop === undefined ? {} : { chop })
})

const kinds = [
  { kind: "text", group: 1, shape: (length: number): Raw.Shape => ({ opcode: Raw.text, payload: "*".repeat(length) }) },
  {
    kind: "binary",
    group: 2,
    shape: (length: number): Raw.Shape => ({ opcode: Raw.binary, payload: Buffer.alloc(length, 0xfe) })
  }
]

for (const { group, kind, shape } of kinds) {
  describe(`${kind} messages`, () => {
    suite([
      ...lengths.map((length, i) =>
        echoed(`RFC 6455 5.6, Autobahn 1.${group}.${i + 1}: ${length} bytes`, shape(length))
      ),
      echoed(`RFC 6455 5.6, Autobahn 1.${group}.8: 65536 bytes in chops of 997`, shape(65_536), 997),
      ...lengths.slice(0, 5).map((length) =>
        echoed(`RFC 6455 5.2: ${length} bytes, a byte at a time`, shape(length), 1)
      )
    ])
  })
}

const many = lengths.slice(0, 5).flatMap((length) => kinds.map(({ shape }) => shape(length)))

// 64-bit lengths that JavaScript's numbers or 32-bit operators would take for smaller ones.
const huge: ReadonlyArray<Raw.Shape> = [2n ** 32n, 2n ** 32n + 1n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 63n - 1n]
  .map((announced) => ({ opcode: Raw.binary, announced }))

describe("lengths and masks", () => {
  suite([
    { name: "RFC 6455 5.2: messages behind each other in one piece", send: many, answers: many },
    {
      name: "RFC 6455 5.2: a length of two bytes that one would do for",
      send: [{ opcode: Raw.text, payload: "*".repeat(125), lengthBytes: 2 }],
      fails: protocolError("LengthNotMinimal")
    },
    {
      name: "RFC 6455 5.2: a length of eight bytes that two would do for",
      send: [{ opcode: Raw.binary, payload: Buffer.alloc(65_535), lengthBytes: 8 }],
      fails: protocolError("LengthNotMinimal")
    },
    {
      name: "RFC 6455 5.2: a length of eight bytes for nothing",
      send: [{ opcode: Raw.binary, lengthBytes: 8 }],
      fails: protocolError("LengthNotMinimal")
    },
    {
      name: "RFC 6455 5.2: a 64-bit length with its top bit set",
      send: [{ opcode: Raw.binary, announced: 2n ** 63n }],
      fails: protocolError("LengthTopBit")
    },
    {
      name: "RFC 6455 5.2: a 64-bit length of ones",
      send: [{ opcode: Raw.binary, announced: 2n ** 64n - 1n }],
      fails: protocolError("LengthTopBit")
    },
    ...huge.map((shape): Case => ({
      name: `RFC 6455 10.4: an announced length of ${shape.announced}`,
      send: [shape],
      fails: { code: 1009, reason: "FrameTooLarge" }
    }))
  ])
})
