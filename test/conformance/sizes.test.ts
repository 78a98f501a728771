/** Messages of up to 16 MiB, in fragments and in chops of many sizes (Autobahn 9.x and 10.1). */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Case, closeByPeer, suite } from "../support/cases.ts"
import { share } from "../support/link.ts"
import { inBothRoles, open, type Options } from "../support/opened.ts"
import * as Raw from "../support/rawFrames.ts"

const kib = 1024
const mib = 1024 * 1024
const options: Options = { limits: { maxMessageSize: 16 * mib } }

/** 10 bytes again and again, so that fragments cut characters wherever they can be cut. */
const payloads: ReadonlyArray<readonly [kind: string, opcode: number, payload: (size: number) => Buffer]> = [
  ["text", Raw.text, (size) => Buffer.alloc(size - (size % 10), "a\u00e4\u20ac\u{1f30d}")],
  ["binary", Raw.binary, (size) => Buffer.alloc(size, Buffer.from([0x00, 0xff, 0xfe, 0x80, 0x7f]))]
]

const fragmented = (opcode: number, payload: Buffer, size: number): ReadonlyArray<Raw.Shape> =>
  Array.from({ length: Math.ceil(payload.length / size) }, (_, i) => ({
    opcode: i === 0 ? opcode : Raw.continuation,
    payload: payload.subarray(i * size, (i + 1) * size),
    fin: (i + 1) * size >= payload.length
  }))

const show = (
  bytes: number
): string => (bytes < kib ? `${bytes} bytes` : bytes < mib ? `${bytes / kib} KiB` : `${bytes / mib} MiB`)

const name = (number: string, what: string): string => `RFC 6455 5.2, Autobahn 9.${number}: ${what}`

for (const [i, [kind, opcode, payload]] of payloads.entries()) {
  describe(`${kind} messages`, () => {
    suite([
      ...[64 * kib, 256 * kib, mib, 4 * mib, 8 * mib, 16 * mib].filter((size) => size <= share(16 * mib)).map(
        (size, j): Case => {
          const message = { opcode, payload: payload(size) }
          return { name: name(`${i + 1}.${j + 1}`, show(size)), send: [message], answers: [message], options }
        }
      ),
      ...[64, 256, kib, 4 * kib, 16 * kib, 64 * kib, 256 * kib, mib, 4 * mib].filter((size) => size <= share(4 * mib))
        .map((size, j): Case => {
          const whole = payload(share(4 * mib))
          return {
            name: name(`${i + 3}.${j + 1}`, `${show(share(4 * mib))} in fragments of ${show(size)}`),
            send: fragmented(opcode, whole, size),
            answers: [{ opcode, payload: whole }],
            options
          }
        }),
      ...[64, 128, 256, 512, kib, 2 * kib].map((chop, j): Case => {
        const message = { opcode, payload: payload(share(mib)) }
        return {
          name: name(`${i + 5}.${j + 1}`, `${show(share(mib))} in chops of ${show(chop)}`),
          send: [message],
          answers: [message],
          chop,
          options
        }
      })
    ])

    inBothRoles((role) => {
      for (const [j, size] of [0, 16, 64, 256, kib, 4 * kib].entries()) {
        it.live(
          name(`${i + 7}.${j + 1}`, `${share(1000)} messages of ${show(size)} there and back, one after the other`),
          () =>
            Effect.gen(function*() {
              const opened = yield* open(role)
              const message = { opcode, payload: payload(size) }
              for (let count = 0; count < share(1000); count++) {
                yield* opened.peer.send([message])
                const answer = yield* opened.peer.frame
                assert.isTrue(answer.opcode === opcode && answer.payload.equals(message.payload), `message ${count}`)
              }
              yield* closeByPeer(opened, role)
            })
        )
      }
    })
  })
}

describe("automatic fragments", () => {
  const whole = Buffer.alloc(65_536, "*")
  suite([{
    name: "RFC 6455 5.4, Autobahn 10.1.1: 64 KiB in fragments of 1300 bytes",
    send: fragmented(Raw.text, whole, 1300),
    answers: [{ opcode: Raw.text, payload: whole }]
  }])
})
