/**
 * The negotiation of permessage-deflate: whatever a peer writes, the parameters that a plain reading of RFC 7692 7.1 gives, or a
 * refusal; and two ends of ours understand each other.
 */
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import assert from "node:assert/strict"
import * as Generator from "../generator.ts"
import * as Extensions from "../oracles/extensions.ts"
import type { Target } from "../target.ts"

interface Part {
  readonly name: string
  readonly value?: string | undefined
  readonly quoted: boolean
  readonly before: string
}

export interface Input {
  readonly ours: PermessageDeflate.Parameters
  readonly theirs: PermessageDeflate.Parameters
  /** Parameters and names of extensions, each with what stands before it. */
  readonly parts: ReadonlyArray<Part>
  /** What stands behind them. */
  readonly text: string
}

const bits = Generator.choice<PermessageDeflate.WindowBits>([15, 8, 9, 10, 14])

const parameters: Generator.Generator<PermessageDeflate.Parameters> = Generator.struct({
  serverNoContextTakeover: Generator.boolean,
  clientNoContextTakeover: Generator.boolean,
  serverMaxWindowBits: bits,
  clientMaxWindowBits: bits
})

const names = [
  "server_no_context_takeover",
  "client_no_context_takeover",
  "server_max_window_bits",
  "client_max_window_bits"
]

const fragments = ["permessage-deflate", ...names, "8", "15", "=", ";", ",", `"`, "\\", " ", "\t", "x", "constructor"]

const inputs: Generator.Generator<Input> = Generator.struct({
  ours: parameters,
  theirs: parameters,
  parts: Generator.list(
    Generator.struct<Part>({
      before: Generator.choice(["; ", ";", ";", ", ", " ,\t,", " ; ", " ", ""]),
      name: Generator.choice([
        "permessage-deflate",
        ...names,
        ...names,
        "x",
        "constructor",
        "__proto__",
        "Permessage-Deflate",
        "a b",
        ""
      ]),
      value: Generator.choice<string | undefined>([
        undefined,
        undefined,
        "8",
        "9",
        "12",
        "15",
        "7",
        "16",
        "08",
        "1e1",
        "",
        "x"
      ]),
      quoted: Generator.boolean
    }),
    8
  ),
  text: Generator.string(fragments, 6)
})

export const check = ({ ours, parts, text, theirs }: Input): Effect.Effect<void> =>
  Effect.sync(() => {
    const header = `${parts.map(written).join("")}${text}`
    const extensions = Extensions.parse(header)
    const accepted = PermessageDeflate.accept(header, ours)
    assert.deepEqual(accepted?.parameters, Extensions.answer(extensions ?? [], ours))
    if (accepted !== undefined) assert.match(accepted.header, /^[ -~]+$/)

    const confirmed = PermessageDeflate.confirm(header, ours)
    assert.deepEqual(Result.isSuccess(confirmed) ? confirmed.success : "wrong", Extensions.agreed(extensions, ours))
    if (Result.isFailure(confirmed)) assert.ok(confirmed.failure.message.length > 0)

    // A request is read as far as the grammar goes.
    const request = OpeningHandshake.read({ method: "GET", httpVersion: "1.1", headers: requestHeaders(header) })
    assert.equal(Result.isSuccess(request), extensions !== undefined)

    const server = PermessageDeflate.accept(PermessageDeflate.offer(theirs), ours)
    assert.ok(server !== undefined)
    const client = Result.getOrThrow(PermessageDeflate.confirm(server.header, theirs))!
    assertCompatible(client, server.parameters)
  })

export const target: Target<Input> = { name: "extensions", inputs, check, quick: 2000 }

// Whoever compresses may do with less than the other end is ready for.
const assertCompatible = (client: PermessageDeflate.Parameters, server: PermessageDeflate.Parameters): void => {
  assert.ok(client.clientMaxWindowBits <= server.clientMaxWindowBits)
  assert.ok(server.serverMaxWindowBits <= client.serverMaxWindowBits)
  assert.ok(client.clientNoContextTakeover || !server.clientNoContextTakeover)
  assert.ok(server.serverNoContextTakeover || !client.serverNoContextTakeover)
}

const written = ({ before, name, quoted, value }: Part, i: number): string => {
  const text = value === undefined ? name : `${name}=${quoted ? `"${value}"` : value}`
  return i === 0 ? text : `${before}${text}`
}

const requestHeaders = (extensions: string): OpeningHandshake.Headers => ({
  host: "server.example.com",
  upgrade: "websocket",
  connection: "Upgrade",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  "sec-websocket-version": "13",
  "sec-websocket-extensions": extensions
})
