/** RFC 7692 7.1: every size of window and both settings of takeover, for both directions. */
import { assert, describe, it } from "@effect/vitest"
import type { Role } from "@websocket-stream/core/Role"
import * as Effect from "effect/Effect"
import { closeByPeer } from "../support/cases.ts"
import { corpora, numbers } from "../support/corpus.ts"
import { share } from "../support/link.ts"
import { inBothRoles, type Options } from "../support/opened.ts"
import { type Agreement, exchange, type Message } from "../support/rawDeflate.ts"

type Bits = 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15

const sizes: ReadonlyArray<Bits> = [8, 9, 10, 11, 12, 13, 14, 15]

interface Setting {
  readonly server: { readonly bits: Bits; readonly takesOver: boolean }
  readonly client: { readonly bits: Bits; readonly takesOver: boolean }
}

// The other direction has the window of the other end of the scale. Every window comes with and without takeover, and each of
// the mixed pairs with two of them.
const settings: ReadonlyArray<Setting> = sizes.flatMap((bits, i): ReadonlyArray<Setting> => {
  const other = sizes.at(-1 - i)!
  const setting = (server: boolean, client: boolean): Setting => ({
    server: { bits, takesOver: server },
    client: { bits: other, takesOver: client }
  })
  const mixed = i % 4 === 0 ? [setting(true, false)] : i % 4 === 2 ? [setting(false, true)] : []
  return [setting(true, true), setting(false, false), ...mixed]
})

const header = ({ client, server }: Setting): string =>
  [
    "permessage-deflate",
    ...(server.takesOver ? [] : ["server_no_context_takeover"]),
    ...(client.takesOver ? [] : ["client_no_context_takeover"]),
    ...(server.bits < 15 ? [`server_max_window_bits=${server.bits}`] : []),
    ...(client.bits < 15 ? [`client_max_window_bits=${client.bits}`] : [])
  ].join("; ")

const optionsOf = (role: Role, setting: Setting): Options => ({
  // An offer says what there is to choose from, a response what was chosen.
  extensions: role === "server" ? "permessage-deflate; client_max_window_bits" : header(setting),
  deflate: {
    serverNoContextTakeover: !setting.server.takesOver,
    clientNoContextTakeover: !setting.client.takesOver,
    serverMaxWindowBits: setting.server.bits,
    clientMaxWindowBits: setting.client.bits
  },
  compression: { threshold: 0 }
})

/** Messages of 0 to 300 bytes mostly, some of a few KiB, and a few of up to 128 KiB. */
const messages = (count: number, seed: number): ReadonlyArray<Message> => {
  const next = numbers(seed)
  return Array.from({ length: count }, (_, i) => {
    const { bytes, opcode } = corpora[next() % corpora.length]!
    const most = i % 250 === 249 ? 128 * 1024 : i % 40 === 39 ? 8192 : 300
    const size = i === count - 1 ? 128 * 1024 : next() % (most + 1)
    const start = next() % (bytes.length - size)
    return { opcode, payload: bytes.subarray(start, start + size) }
  })
}

const describeSetting = ({ client, server }: Setting): string =>
  [server, client].map(({ bits, takesOver }, i) =>
    `the ${i === 0 ? "server" : "client"} ${bits} bits ${takesOver ? "with" : "without"} takeover`
  ).join(", ")

describe(`${share(1000)} messages of up to 128 KiB`, () => {
  inBothRoles((role) => {
    for (const [i, setting] of settings.entries()) {
      it.live(`RFC 7692 7.1: ${describeSetting(setting)}`, () =>
        Effect.gen(function*() {
          const agreement: Agreement = setting
          const opened = yield* exchange(role, {
            agreement,
            options: optionsOf(role, setting),
            messages: messages(share(1000), i + 1)
          })
          const negotiated = opened.peer.head.headers.get("sec-websocket-extensions")
          // As a client we offer; what a server of ours answers is the setting.
          if (role === "server") assert.strictEqual(negotiated, header(setting))
          yield* closeByPeer(opened, role)
        }))
    }
  })
})

describe("a byte at a time", () => {
  inBothRoles((role) => {
    for (const takesOver of [true, false]) {
      const setting: Setting = { server: { bits: 15, takesOver }, client: { bits: 15, takesOver } }
      it.live(`RFC 7692 7.2.2: fragments of 7 bytes that come a byte at a time, ${takesOver ? "with" : "without"} takeover`, () =>
        Effect.gen(function*() {
          const opened = yield* exchange(role, {
            agreement: setting,
            options: optionsOf(role, setting),
            messages: messages(1000, 77).filter(({ payload }) => payload.length <= 300).slice(0, 20),
            fragment: 7,
            chop: 1
          })
          yield* closeByPeer(opened, role)
        }))
    }
  })
})
