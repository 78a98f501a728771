import { assert, describe, it } from "@effect/vitest"
import * as Close from "@websocket-stream/core/Close"
import type * as Connection from "@websocket-stream/core/Connection"
import * as FrameDecoder from "@websocket-stream/core/FrameDecoder"
import * as ProtocolError from "@websocket-stream/core/ProtocolError"
import * as Result from "effect/Result"
import { concat } from "./support/bytes.ts"
import { makeConnection } from "./support/connections.ts"
import { invalidSequences } from "./support/messages.ts"

/** What needs memory of earlier frames. What one frame decides is the frame decoder's, and compression has no bytes here. */
type Tag =
  | "UnexpectedContinuation"
  | "ExpectedContinuation"
  | "MessageTooLarge"
  | "TooManyFragments"
  | "TooMuchHeld"
  | "InvalidUtf8"
  | "CloseBodyTooShort"
  | "InvalidCloseCode"

interface Case {
  /** What a server sent; the last byte is the one that decides. */
  readonly bytes: ReadonlyArray<number>
  readonly reason: ProtocolError.Reason
  readonly limits?: Partial<Connection.Options>
}

const close = (...body: ReadonlyArray<number>) => [0x88, body.length, ...body]

const cases: {
  readonly [T in Tag]: { readonly closeCode: number; readonly section: string; readonly cases: ReadonlyArray<Case> }
} = {
  UnexpectedContinuation: {
    closeCode: 1002,
    section: "5.4",
    cases: [[0x80, 0], [0x00, 0], [0x80, 5], [0x81, 1, 0x61, 0x80, 0], [0x01, 0, 0x80, 0, 0x80, 0]].map((bytes) => ({
      bytes,
      reason: { _tag: "UnexpectedContinuation" }
    }))
  },
  ExpectedContinuation: {
    closeCode: 1002,
    section: "5.4",
    cases: [1, 2].flatMap((opcode) =>
      [[0x01, 0], [0x02, 1, 0x61], [0x01, 0, 0x00, 0], [0x01, 0, 0x89, 0]].map((before) => ({
        bytes: [...before, 0x80 | opcode, 0],
        reason: { _tag: "ExpectedContinuation", opcode }
      }))
    )
  },
  MessageTooLarge: {
    closeCode: 1009,
    section: "10.4",
    cases: [
      { bytes: [0x82, 4], limits: { maxMessageSize: 3 } },
      { bytes: [0x02, 3, 1, 2, 3, 0x80, 1], limits: { maxMessageSize: 3 } },
      { bytes: [0x02, 1, 1, 0x00, 2, 2, 3, 0x89, 0, 0x00, 1], limits: { maxMessageSize: 3 } }
    ].map((one) => ({ ...one, reason: { _tag: "MessageTooLarge", limit: 3, announcedAtLeast: 4 } }))
  },
  TooManyFragments: {
    closeCode: 1008,
    section: "10.4",
    cases: [[0x02, 0, 0x00, 0, 0x00, 0], [0x02, 1, 1, 0x00, 1, 1, 0x89, 0, 0x80, 0]].map((bytes) => ({
      bytes,
      limits: { maxFragments: 2 },
      reason: { _tag: "TooManyFragments", limit: 2 }
    }))
  },
  TooMuchHeld: {
    closeCode: 1013,
    section: "10.4",
    cases: [[0x02, 3, 1, 2, 3], [0x02, 2, 1, 2, 0x80, 1, 1]].map((bytes) => ({
      bytes,
      limits: { maxHeldBytes: 2 },
      reason: { _tag: "TooMuchHeld", limit: 2 }
    }))
  },
  InvalidUtf8: {
    closeCode: 1007,
    section: "8.1",
    cases: [
      [0x81, 5, 0x61, 0xff],
      [0x01, 1, 0xc3, 0x80, 9, 0x41],
      // Cut by the end of the text, and in the reason of a Close frame, which is not read before it is whole.
      [0x81, 1, 0xc3],
      [0x01, 1, 0xc3, 0x80, 0],
      ...invalidSequences.map((bytes) => close(0x03, 0xe8, ...bytes)),
      close(0x03, 0xe8, 0xc3)
    ].map((bytes) => ({ bytes, reason: { _tag: "InvalidUtf8" } }))
  },
  CloseBodyTooShort: {
    closeCode: 1002,
    section: "5.5.1",
    cases: [close(0x03), [0x01, 0, ...close(0xff)]].map((bytes) => ({ bytes, reason: { _tag: "CloseBodyTooShort" } }))
  },
  InvalidCloseCode: {
    closeCode: 1002,
    section: "7.4",
    cases: [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) => ({
      bytes: close(code >> 8, code & 0xff),
      reason: { _tag: "InvalidCloseCode", code }
    }))
  }
}

/** The step that fails the connection, as soon as something is wrong. */
const failing = (chunks: ReadonlyArray<Uint8Array>, limits?: Partial<Connection.Options>) => {
  const frames = FrameDecoder.make({ role: "client", maxFrameSize: 1000 })
  const connection = makeConnection("client", limits)
  for (const [i, chunk] of chunks.entries()) {
    frames.push(chunk)
    while (true) {
      const part = Result.getOrThrow(frames.nextPart())
      if (part === undefined) break
      const step = connection.receive(part)
      if (Result.isFailure(step)) return { at: i, error: step.failure, step: connection.fail(step.failure) }
    }
  }
  return undefined
}

describe("ProtocolError of messages", () => {
  for (const [tag, { cases: casesOfTag, closeCode, section }] of Object.entries(cases)) {
    it(`B12 ${tag} is ${closeCode}, at exactly the byte that decides it, and the peer is told so`, () => {
      for (const { bytes, limits, reason } of casesOfTag) {
        const whole = failing([concat([bytes, [0, 0, 0]])], limits)
        const single = failing(bytes.map((byte) => Uint8Array.of(byte)), limits)
        assert.strictEqual(single?.at, bytes.length - 1)
        for (const failed of [whole, single]) {
          assert.deepStrictEqual(failed?.error.reason, reason)
          assert.deepStrictEqual([reason._tag, failed?.error.closeCode, failed?.error.section], [
            tag,
            closeCode,
            section
          ])
          const said = Result.getOrThrow(Close.decode(failed!.step.reply!.payload))
          assert.deepStrictEqual(said, Close.fromError(failed!.error))
          assert.strictEqual(said.code, closeCode)
        }
      }
    })
  }

  it("compression has rules of its own", () => {
    const { InflatedTooLarge, InvalidCompressedData } = ProtocolError.rules
    assert.deepStrictEqual(InvalidCompressedData, { closeCode: 1007, section: "7692 6.2" })
    assert.deepStrictEqual(InflatedTooLarge, { closeCode: 1009, section: "10.4" })
  })
})
