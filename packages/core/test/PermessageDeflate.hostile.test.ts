import { assert, describe, it } from "@effect/vitest"
import { ResponseError } from "@websocket-stream/core/HandshakeError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { elementOf, oneOf } from "./support/arbitraries.ts"
import { listOf } from "./support/messages.ts"

const timeout = 60_000

const nothingWanted: PermessageDeflate.Parameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15
}

/** What a server that wants nothing itself answers. */
const accept = (header: string) => PermessageDeflate.accept(header, nothingWanted)

const confirm = (header: string) => PermessageDeflate.confirm(header, nothingWanted)

/** Whether a client refuses the answer, and says that it was that. */
const isRefused = (header: string): boolean => {
  const answer = confirm(header)
  if (Result.isSuccess(answer)) return false
  const { failure: { reason } } = answer
  return answer.failure instanceof ResponseError && reason._tag === "InvalidExtensions" && reason.extensions === header
}

/** Parameters that are not to be taken in either direction. */
const invalid = [
  ...["server_max_window_bits", "client_max_window_bits"].flatMap((name) => [
    ...["0", "7", "16", "1000", "-8", "+8", "08", "010", "8.0", "1e1", "0x8", "8a", "a", "99999999999999999999"].map((
      value
    ) => `${name}=${value}`),
    `${name}="08"`,
    `${name}=8; ${name}=8`,
    `${name}=8; ${name}=9`
  ]),
  "server_max_window_bits",
  ...["server_no_context_takeover", "client_no_context_takeover"].flatMap((name) => [
    `${name}=1`,
    `${name}=true`,
    `${name}="x"`,
    `${name}; ${name}`
  ]),
  "unknown",
  "unknown=1",
  "SERVER_NO_CONTEXT_TAKEOVER",
  "server_no_context_takeover; unknown"
]

/** Headers that do not follow the grammar of RFC 6455 9.1. */
const ungrammatical = [
  "",
  ",",
  ";",
  "permessage-deflate;",
  "permessage-deflate; ;",
  "permessage-deflate; =8",
  "permessage-deflate; server_max_window_bits=",
  "permessage-deflate; server_max_window_bits=\"",
  "permessage-deflate; server_max_window_bits=\"\"",
  "permessage-deflate; server_max_window_bits=\"8",
  "permessage-deflate; server_max_window_bits=8\"",
  "permessage-deflate; server_max_window_bits=\"8\\\"",
  "permessage-deflate; server_max_window_bits=8 9",
  "permessage deflate",
  "permessage-deflate\0",
  "permessage-deflate, a b"
]

describe("parameters that are unknown, doubled or out of range", { timeout }, () => {
  it("R8 decline the offer, and the next one is looked at", () => {
    for (const parameter of invalid) {
      assert.isUndefined(accept(`permessage-deflate; ${parameter}`), parameter)
      const next = `permessage-deflate; ${parameter}, permessage-deflate; server_max_window_bits=9`
      assert.strictEqual(accept(next)?.parameters.serverMaxWindowBits, 9, parameter)
    }
    for (const header of ungrammatical) assert.isUndefined(accept(header), header)
  })

  it("R8 are refused in an answer, as is what was not offered", () => {
    for (const parameter of [...invalid, "client_max_window_bits"]) {
      assert.isTrue(isRefused(`permessage-deflate; ${parameter}`), parameter)
    }
    for (const header of ungrammatical) assert.isTrue(isRefused(header))
    for (
      const header of [
        "permessage-bzip2",
        "Permessage-Deflate",
        "permessage-deflate, permessage-deflate",
        "permessage-deflate, x"
      ]
    ) {
      assert.isTrue(isRefused(header))
    }
  })

  it("R12 names that every object knows are names like any other", () => {
    for (const name of ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf"]) {
      assert.isUndefined(accept(name))
      assert.isTrue(isRefused(name))
      for (const parameter of [name, `${name}=8`, `${name}; ${name}`]) {
        assert.isUndefined(accept(`permessage-deflate; ${parameter}`))
        assert.isDefined(accept(`${name}; ${parameter}, permessage-deflate`))
        assert.isTrue(isRefused(`permessage-deflate; ${parameter}`))
      }
    }
    assert.isUndefined(accept("permessage-deflate; server_max_window_bits=constructor"))
  })

  it("R13 a mebibyte of anything is read in one pass", () => {
    const fill = (text: string) => text.repeat(1024 ** 2 / text.length)
    const single = [",", ";", "=", "\"", "\\", " ", "\t", "a"]
    const several = ["\"\\", "\\\"", "a;", "a,", "a=", "a=\"", "a=\"b\";", ";a=b", "permessage-deflate; x,"]
    for (const text of [...single, ...several, "; server_max_window_bits=8"]) {
      assert.isTrue(isRefused(fill(text)), text)
      assert.isUndefined(accept(`permessage-deflate; x="${fill(text)}`), text)
    }
    assert.isDefined(accept(fill("permessage-deflate,")))
    assert.isTrue(isRefused(fill("permessage-deflate,")))
    // All of them different, which is what a list of names seen before would be slow at.
    const many = Array.from({ length: 100_000 }, (_, i) => `p${i}`).join("; ")
    assert.isUndefined(accept(`permessage-deflate; ${many}`))
  })

  it.prop("never throw, and what is accepted is what we would accept of our own", {
    header: Arbitrary.map(
      listOf(
        oneOf(
          elementOf([
            "permessage-deflate",
            "permessage-deflate; ",
            "; ",
            ", ",
            "=",
            "\"",
            "\\",
            " ",
            "\0",
            "\u00ff",
            "8",
            "15"
          ]),
          elementOf(["server_max_window_bits=", "client_max_window_bits", "server_no_context_takeover", "constructor"])
        ),
        0,
        12
      ),
      (pieces) => pieces.join("")
    ),
    wanted: elementOf([
      nothingWanted,
      PermessageDeflate.defaults,
      { ...nothingWanted, serverMaxWindowBits: 9 } as const
    ])
  }, ({ header, wanted }) => {
    const answer = PermessageDeflate.accept(header, wanted)
    PermessageDeflate.confirm(header, wanted)
    if (answer !== undefined) assert.deepStrictEqual(confirm(answer.header), Result.succeed(answer.parameters))
  }, { arbitrary: { runs: 1000 } })
})
