import { assert, describe, it } from "@effect/vitest"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { boolean, elementOf } from "./support/arbitraries.ts"

const timeout = 60_000

const windows: ReadonlyArray<PermessageDeflate.WindowBits> = [8, 9, 10, 11, 12, 13, 14, 15]
const windowBits = elementOf(windows)

const parameters: Arbitrary.Arbitrary<PermessageDeflate.Parameters> = Arbitrary.all({
  serverNoContextTakeover: boolean,
  clientNoContextTakeover: boolean,
  serverMaxWindowBits: windowBits,
  clientMaxWindowBits: windowBits
})

const nothingWanted: PermessageDeflate.Parameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15
}

/** What a server that wants nothing itself answers. */
const accept = (header: string, wanted = nothingWanted) => PermessageDeflate.accept(header, wanted)

const confirmed = (header: string, wanted = nothingWanted) =>
  Result.getOrThrow(PermessageDeflate.confirm(header, wanted))

const isRefused = (header: string, wanted: PermessageDeflate.Parameters): boolean =>
  Result.isFailure(PermessageDeflate.confirm(header, wanted))

describe("PermessageDeflate.make", { timeout }, () => {
  it("is the defaults where nothing is said", () => {
    const { defaults } = PermessageDeflate
    for (const options of [undefined, {}, { serverMaxWindowBits: undefined, clientNoContextTakeover: undefined }]) {
      assert.deepStrictEqual(PermessageDeflate.make(options), Result.succeed(defaults))
    }
    // No memory of a connection unless asked for.
    assert.deepStrictEqual(defaults, { ...nothingWanted, serverNoContextTakeover: true, clientNoContextTakeover: true })
  })

  it.prop("is what was written down", { parameters }, ({ parameters }) => {
    assert.deepStrictEqual(PermessageDeflate.make(parameters), Result.succeed(parameters))
  })

  it("R6 R8 no other number is a window, and the error names the option", () => {
    for (const name of ["serverMaxWindowBits", "clientMaxWindowBits"] as const) {
      for (const value of [0, 7, 16, 1000, -8, 8.5, 2 ** 32 + 8, Number.NaN, Infinity]) {
        const options: object = { [name]: value }
        const error = Result.getOrThrow(Result.flip(PermessageDeflate.make(options)))
        assert.instanceOf(error, OptionError)
        assert.strictEqual(error.message, `deflate.${name} is ${value}, it must be a whole number from 8 to 15`)
      }
    }
  })
})

describe("a negotiation", { timeout }, () => {
  /** What each end takes for agreed, and what it should be. */
  const negotiate = (client: PermessageDeflate.Parameters, server: PermessageDeflate.Parameters): {
    readonly ends: ReadonlyArray<unknown>
    readonly expected: ReadonlyArray<unknown>
  } => {
    const answer = PermessageDeflate.accept(PermessageDeflate.offer(client), server)!
    const agreed = Result.getOrThrow(PermessageDeflate.confirm(answer.header, client))
    const { clientMaxWindowBits, clientNoContextTakeover, serverMaxWindowBits, serverNoContextTakeover } = server
    const expected = {
      serverNoContextTakeover: client.serverNoContextTakeover || serverNoContextTakeover,
      clientNoContextTakeover: client.clientNoContextTakeover || clientNoContextTakeover,
      serverMaxWindowBits: Math.min(client.serverMaxWindowBits, serverMaxWindowBits),
      clientMaxWindowBits: Math.min(client.clientMaxWindowBits, clientMaxWindowBits)
    }
    return { ends: [answer.parameters, agreed], expected: [expected, expected] }
  }

  it.prop("of two of ours ends in what is strict enough for both, and both know it", {
    client: parameters,
    server: parameters
  }, ({ client, server }) => {
    const { ends, expected } = negotiate(client, server)
    assert.deepStrictEqual(ends, expected)
  }, { arbitrary: { runs: 500 } })

  it("of all windows with all windows does, too", () => {
    for (const serverMaxWindowBits of windows) {
      for (const clientMaxWindowBits of windows) {
        const one = { ...nothingWanted, serverMaxWindowBits, clientMaxWindowBits }
        const swapped = { ...one, serverMaxWindowBits: clientMaxWindowBits, clientMaxWindowBits: serverMaxWindowBits }
        for (const other of [nothingWanted, PermessageDeflate.defaults, swapped, one]) {
          for (const { ends, expected } of [negotiate(one, other), negotiate(other, one)]) {
            assert.deepStrictEqual(ends, expected)
          }
        }
      }
    }
  })

  it("is not forced on anybody: what was not answered is not agreed on", () => {
    assert.deepStrictEqual(PermessageDeflate.confirm(undefined, PermessageDeflate.defaults), Result.succeed(undefined))
  })
})

describe("PermessageDeflate.offer", () => {
  it("names what is wanted, and lets the server choose our window where any is right", () => {
    assert.strictEqual(PermessageDeflate.offer(nothingWanted), "permessage-deflate; client_max_window_bits")
    assert.strictEqual(
      PermessageDeflate.offer({
        serverNoContextTakeover: true,
        clientNoContextTakeover: true,
        serverMaxWindowBits: 8,
        clientMaxWindowBits: 9
      }),
      "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; " +
        "client_max_window_bits=9"
    )
  })
})

describe("PermessageDeflate.accept", { timeout }, () => {
  it("answers each parameter of an offer, and adds what it wants itself", () => {
    for (
      const [header, answer] of [
        ["permessage-deflate", "permessage-deflate"],
        ["permessage-deflate; server_no_context_takeover", "permessage-deflate; server_no_context_takeover"],
        ["permessage-deflate; client_no_context_takeover", "permessage-deflate; client_no_context_takeover"],
        ["permessage-deflate; client_max_window_bits", "permessage-deflate"],
        ...windows.slice(0, -1).flatMap((bits) =>
          [
            [
              `permessage-deflate; server_max_window_bits=${bits}`,
              `permessage-deflate; server_max_window_bits=${bits}`
            ],
            [`permessage-deflate; client_max_window_bits=${bits}`, `permessage-deflate; client_max_window_bits=${bits}`]
          ] as const
        ),
        // RFC 7692 7.1.2.1: accepted "by including" it. A client's is only ever limited.
        [
          "permessage-deflate; server_max_window_bits=15; client_max_window_bits=15",
          "permessage-deflate; server_max_window_bits=15"
        ]
      ] as const
    ) {
      assert.strictEqual(accept(header)?.header, answer)
    }
    const wanted = { ...nothingWanted, serverMaxWindowBits: 9, clientMaxWindowBits: 10 } as const
    assert.strictEqual(
      accept("permessage-deflate; client_max_window_bits=12", wanted)?.header,
      "permessage-deflate; server_max_window_bits=9; client_max_window_bits=10"
    )
  })

  it("limits the client's window only if the client says that it can (RFC 7692 7.1.2.2)", () => {
    const wanted = { ...nothingWanted, clientMaxWindowBits: 9 } as const
    const answer = accept("permessage-deflate; server_max_window_bits=10", wanted)
    assert.strictEqual(answer?.header, "permessage-deflate; server_max_window_bits=10")
    assert.strictEqual(answer?.parameters.clientMaxWindowBits, 15)
  })

  it("takes the first offer that can be kept: they come in the client's order of preference", () => {
    const bits = (header: string) => accept(header)?.parameters.serverMaxWindowBits
    const [ten, eleven, unknown] = ["server_max_window_bits=10", "server_max_window_bits=11", "x"].map((parameter) =>
      `permessage-deflate; ${parameter}`
    )
    assert.strictEqual(bits(`${ten}, ${eleven}`), 10)
    assert.strictEqual(bits(`${eleven}, ${ten}`), 11)
    assert.strictEqual(bits(`${unknown}, ${ten}, ${eleven}`), 10)
    assert.strictEqual(bits(`permessage-bzip2; x=1, x-webkit-deflate-frame, ${eleven}`), 11)
    assert.isUndefined(accept(`${unknown}, permessage-bzip2`))
  })

  it("reads quoted values, blanks and parameters in any order", () => {
    for (
      const header of [
        `permessage-deflate; server_max_window_bits="10"; client_max_window_bits="9"`,
        `permessage-deflate;client_max_window_bits=9;server_max_window_bits=10`,
        `\tpermessage-deflate ; client_max_window_bits = 9 ;\tserver_max_window_bits\t=\t"10" `,
        `,, permessage-deflate; client_max_window_bits="\\9"; server_max_window_bits="1\\0",`
      ]
    ) {
      assert.deepStrictEqual(accept(header)?.parameters, {
        ...nothingWanted,
        serverMaxWindowBits: 10,
        clientMaxWindowBits: 9
      }, header)
    }
  })
})

describe("PermessageDeflate.confirm", { timeout }, () => {
  it("R8 an answer that does not keep to what was asked for is refused", () => {
    const flags = { ...nothingWanted, serverNoContextTakeover: true }
    assert.isTrue(isRefused("permessage-deflate", flags))
    assert.isTrue(isRefused("permessage-deflate; client_no_context_takeover", flags))
    assert.isDefined(confirmed("permessage-deflate; server_no_context_takeover", flags))
    for (const serverMaxWindowBits of windows) {
      const wanted = { ...nothingWanted, serverMaxWindowBits }
      for (const bits of windows) {
        const header = `permessage-deflate; server_max_window_bits=${bits}`
        if (bits > serverMaxWindowBits) assert.isTrue(isRefused(header, wanted))
        else assert.strictEqual(confirmed(header, wanted)?.serverMaxWindowBits, bits)
      }
      if (serverMaxWindowBits < 15) assert.isTrue(isRefused("permessage-deflate", wanted))
    }
  })

  it("what a server asks for beside is taken, and what we asked of ourselves is kept to", () => {
    const header = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; " +
      `server_max_window_bits=8; client_max_window_bits="9"`
    assert.deepStrictEqual(confirmed(header), {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 8,
      clientMaxWindowBits: 9
    })
    const wanted = { ...nothingWanted, clientNoContextTakeover: true, clientMaxWindowBits: 10 } as const
    assert.deepStrictEqual(confirmed("permessage-deflate", wanted), wanted)
  })
})

describe("PermessageDeflate.confirm", () => {
  it("refuses a window for us that is larger than the one we offered, and takes a smaller one", () => {
    const wanted = Result.getOrThrow(
      PermessageDeflate.make({ clientMaxWindowBits: 10, serverNoContextTakeover: false })
    )
    const confirm = (bits: number) =>
      PermessageDeflate.confirm(`permessage-deflate; client_max_window_bits=${bits}`, wanted)
    assert.isTrue(Result.isFailure(confirm(11)))
    assert.strictEqual(Result.getOrThrow(confirm(10))?.clientMaxWindowBits, 10)
    assert.strictEqual(Result.getOrThrow(confirm(9))?.clientMaxWindowBits, 9)
    assert.strictEqual(
      Result.getOrThrow(PermessageDeflate.confirm("permessage-deflate", wanted))?.clientMaxWindowBits,
      10
    )
  })
})
