/**
 * RFC 7692: the sizes, fragments, data and offers of the public numbering (Autobahn 12.x and 13.x). There each case has a
 * thousand messages, which are seven gigabytes; here it has 100, or as many as are worth 64 KiB, and at least two. Thousands of
 * messages are the business of `compressionWindows`.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { closeByPeer } from "../support/cases.ts"
import { corpora, type Corpus, cut } from "../support/corpus.ts"
import { share } from "../support/link.ts"
import { inBothRoles } from "../support/opened.ts"
import { type Agreement, exchange } from "../support/rawDeflate.ts"

const kib = 1024

/** The size of a message, and of a frame of it where it is sent in frames. */
const all: ReadonlyArray<readonly [size: number, fragment?: number]> = [
  ...[16, 64, 256, kib, 4 * kib, 8 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib].map((size) => [size] as const),
  ...[8 * kib, 16 * kib, 32 * kib, 64 * kib, 128 * kib].map((size) => [size, 256] as const),
  ...[kib, 4 * kib, 32 * kib].map((fragment) => [128 * kib, fragment] as const)
]

const sizes = all.filter(([size]) => size <= share(128 * kib))

const volume = share(64 * kib)
const count = (size: number): number => Math.min(100, Math.max(2, Math.floor(volume / size)))

interface Group {
  readonly number: string
  readonly what: string
  readonly corpus: Corpus
  /** What a client offers, and a server answers. */
  readonly offer: string
  readonly answer: string
  readonly agreement: Agreement
}

const full = { bits: 15, takesOver: true }
const fresh = { bits: 15, takesOver: false }

// A client that can do everything says so; "client_no_context_takeover" is one of the things.
const able = "client_no_context_takeover; client_max_window_bits"

const twelve: ReadonlyArray<Group> = corpora.map((corpus, i) => ({
  number: `12.${i + 1}`,
  what: corpus.name,
  corpus,
  offer: `permessage-deflate; client_max_window_bits`,
  answer: "permessage-deflate",
  agreement: { server: full, client: full }
}))

const offers: ReadonlyArray<readonly [offer: string, answer: string, agreement: Agreement]> = [
  ["", "client_no_context_takeover", { server: full, client: fresh }],
  ["server_no_context_takeover", "server_no_context_takeover; client_no_context_takeover", {
    server: fresh,
    client: fresh
  }],
  ["server_max_window_bits=9", "client_no_context_takeover; server_max_window_bits=9", {
    server: { bits: 9, takesOver: true },
    client: fresh
  }],
  // RFC 7692 7.1.2.1: accepted "by including" it.
  ["server_max_window_bits=15", "client_no_context_takeover; server_max_window_bits=15", {
    server: full,
    client: fresh
  }],
  [
    "server_no_context_takeover; server_max_window_bits=9",
    "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9",
    {
      server: { bits: 9, takesOver: false },
      client: fresh
    }
  ],
  [
    "server_no_context_takeover; server_max_window_bits=15",
    "server_no_context_takeover; client_no_context_takeover; server_max_window_bits=15",
    { server: fresh, client: fresh }
  ]
]

const thirteen: ReadonlyArray<Group> = offers.map(([offer, answer, agreement], i) => ({
  number: `13.${i + 1}`,
  what: offer === "" ? "no wish" : offer,
  corpus: corpora[0]!,
  offer: `permessage-deflate; ${offer === "" ? "" : `${offer}; `}${able}`,
  answer: `permessage-deflate; ${answer}`,
  agreement
}))

const last = thirteen[4]!
const several: Group = {
  ...last,
  number: "13.7",
  what: "three offers, of which the first is taken",
  offer: [last, thirteen[1]!, thirteen[0]!].map(({ offer }) => offer).join(", ")
}

for (const { agreement, answer, corpus, number, offer, what } of [...twelve, ...thirteen, several]) {
  describe(`Autobahn ${number}: ${what}`, () => {
    inBothRoles((role) => {
      for (const [i, [size, fragment]] of sizes.entries()) {
        const messages = cut(corpus, size, count(size))
        const how = fragment === undefined ? "" : ` in frames of ${fragment}`
        it.live(`RFC 7692 7.2, Autobahn ${number}.${i + 1}: ${messages.length} messages of ${size} bytes${how}`, () =>
          Effect.gen(function*() {
            const opened = yield* exchange(role, {
              agreement,
              options: {
                extensions: role === "server" ? offer : answer,
                deflate: {
                  serverNoContextTakeover: role === "client" && !agreement.server.takesOver,
                  clientNoContextTakeover: false,
                  serverMaxWindowBits: role === "client" && agreement.server.bits === 9 ? 9 : 15
                },
                compression: { threshold: 0 }
              },
              messages,
              fragment
            })
            if (role === "server") {
              assert.strictEqual(opened.peer.head.headers.get("sec-websocket-extensions"), answer)
            }
            yield* closeByPeer(opened, role)
          }))
      }
    })
  })
}
