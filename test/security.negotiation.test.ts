/** What hostile peers do with the headers that negotiate extensions and subprotocols, each requirement by its number. */
import { assert, describe, it } from "@effect/vitest"
import { Websocket, WebsocketClient, WebsocketUpgrade } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { readdirSync, readFileSync } from "node:fs"
import * as Zlib from "node:zlib"
import * as http from "../packages/node/test/support/http.ts"
import * as rawServer from "../packages/node/test/support/rawServer.ts"
import { assertFrames, closeByPeer } from "./support/cases.ts"
import { echo, inBothRoles, open } from "./support/opened.ts"
import * as Raw from "./support/rawFrames.ts"

/** An echo server that compresses for those who offer it. */
const serve = Effect.gen(function*() {
  const { port, server } = yield* http.serve
  yield* WebsocketUpgrade.run(
    server,
    (connection) => Effect.flatMap(Websocket.make(connection.stream, connection), echo),
    { deflate: true, subprotocols: ["constructor", "chat"] }
  ).pipe(Effect.forkScoped({ startImmediately: true }))
  return port
})

const goodbye = Raw.encode({ opcode: Raw.close, payload: Raw.closeBody(1000) }, true)

const shake = Effect.fnUntraced(function*(port: number, headers: { readonly [name: string]: string }) {
  const socket = yield* http.dial(port)
  socket.write(Buffer.concat([Buffer.from(http.request({ headers })), goodbye]))
  const chunks: Array<Buffer> = []
  yield* Effect.callback<void>((resume) => {
    socket.on("data", (chunk: Buffer) => chunks.push(chunk)).on("end", () => resume(Effect.void))
  })
  socket.end()
  return http.parse(Buffer.concat(chunks))
})

// Without comments and texts.
const codeOf = (path: string): string =>
  readFileSync(new URL(`../${path}`, import.meta.url), "utf8")
    .replace(/("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, (_, text) =>
      text === undefined ? "" : "text")

const regularExpression = /(?:[([{,;=:?!&|>]|\breturn)\s*\/|\bRegExp\b/

const badParameters = [
  ...["7", "16", "1000", "08", "8.0", "1e1", "-9", "+9", "0x9", "NaN", "99999999999999999999"].flatMap((bits) => [
    `server_max_window_bits=${bits}`,
    `client_max_window_bits=${bits}`
  ]),
  "server_max_window_bits",
  "server_no_context_takeover=1",
  "client_no_context_takeover=true",
  "server_no_context_takeover; server_no_context_takeover",
  "client_no_context_takeover; client_no_context_takeover",
  "server_max_window_bits=10; server_max_window_bits=10",
  "client_max_window_bits=10; client_max_window_bits=11",
  "unknown",
  "unknown=1",
  "constructor",
  "__proto__=1",
  "toString; hasOwnProperty"
]

describe("negotiation", () => {
  it.live("R8: a server declines an offer with a parameter that is unknown, doubled or out of range, and goes on", () =>
    Effect.gen(function*() {
      const port = yield* serve
      for (const parameters of badParameters) {
        const bad = `permessage-deflate; ${parameters}`
        const { headers, status } = yield* shake(port, { "Sec-WebSocket-Extensions": bad })
        assert.strictEqual(status, 101, parameters)
        assert.isFalse(headers.has("sec-websocket-extensions"), parameters)
        const second = yield* shake(port, { "Sec-WebSocket-Extensions": `${bad}, permessage-deflate` })
        assert.strictEqual(
          second.headers.get("sec-websocket-extensions"),
          "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
        )
      }
    }))

  it.live("R8: a client leaves a server that answers so, or with more than it was offered", () =>
    Effect.gen(function*() {
      const more = [
        "permessage-deflate, permessage-deflate",
        "permessage-deflate; client_max_window_bits",
        "permessage-deflate; server_max_window_bits=15",
        "x-webkit-deflate-frame",
        "constructor",
        "permessage-deflate; =",
        ""
      ]
      const answers = [
        ...badParameters.map((parameters) => `permessage-deflate; server_no_context_takeover; ${parameters}`),
        ...more
      ]
      for (const answer of answers) {
        const { sockets, url } = yield* rawServer.serve((socket, request) => {
          socket.write(rawServer.proper(request, { "Sec-WebSocket-Extensions": answer }))
        })
        // A window below 15 was asked for, so that 15 is more than that.
        const error = yield* Effect.flip(
          Effect.scoped(WebsocketClient.connect(url, { deflate: { serverMaxWindowBits: 14 } }))
        )
        const tag = error.reason._tag === "Handshake" ? error.reason.error.reason._tag : error.reason._tag
        assert.strictEqual(tag, "InvalidExtensions", answer)
        yield* rawServer.gone(yield* Queue.take(sockets))
      }
    }))

  const names = ["constructor", "__proto__", "toString", "hasOwnProperty", "valueOf", "prototype", "then"]

  it.live("R12: names of JavaScript's own are names like any other", () =>
    Effect.gen(function*() {
      const port = yield* serve
      for (const name of names) {
        for (const extensions of [name, `${name}; ${name}=${name}`, `permessage-deflate; ${name}`]) {
          const { headers, rest, status } = yield* shake(port, { "Sec-WebSocket-Extensions": extensions })
          assert.strictEqual(status, 101, extensions)
          assert.isFalse(headers.has("sec-websocket-extensions"))
          assert.isTrue(rest.equals(Raw.encode({ opcode: Raw.close, payload: Raw.closeBody(1000) }, false)))
        }
        const { headers } = yield* shake(port, { "Sec-WebSocket-Protocol": name })
        assert.strictEqual(headers.get("sec-websocket-protocol"), name === "constructor" ? name : undefined)
      }
    }))

  const long = 12_000
  const hostile: ReadonlyArray<readonly [what: string, value: string]> = [
    ["commas", ",".repeat(long)],
    ["semicolons", `a${";".repeat(long)}`],
    ["parameters", `a${"; b".repeat(long / 3)}`],
    ["extensions", "a, ".repeat(long / 3)],
    ["a quote that is never closed", `a; b="${"\\".repeat(long)}`],
    ["quotes", `a; b=${"\"".repeat(long)}`],
    ["equals signs", `a; b${"=".repeat(long)}`],
    ["spaces", `a${" ".repeat(long)}b`],
    ["spaces and tabs", `a; b=c${" \t".repeat(long / 2)}; d`],
    ["one name", "a".repeat(long)],
    ["offers of compression", "permessage-deflate; client_max_window_bits, ".repeat(long / 44)],
    ["bytes above ASCII", "\u00ff".repeat(long)]
  ]

  for (const header of ["Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol", "Connection", "Sec-WebSocket-Key"]) {
    it.live(`R13: headers of 12 KB that take others quadratic time are answered: ${header}`, () =>
      Effect.gen(function*() {
        const port = yield* serve
        for (const [what, value] of hostile) {
          const socket = yield* http.dial(port)
          socket.write(Buffer.from(http.request({ headers: { [header]: value } }), "latin1"))
          const answer = yield* Effect.callback<string>((resume) => {
            socket.once("data", (chunk: Buffer) => resume(Effect.succeed(chunk.toString("latin1"))))
          })
          assert.match(answer, /^HTTP\/1\.1 (101|400|426) /, what)
          socket.destroy()
        }
      }))
  }

  it.live("R13: so it is in the answers of servers", () =>
    Effect.gen(function*() {
      for (const [what, value] of hostile) {
        const { url } = yield* rawServer.serve((socket, request) => {
          socket.write(Buffer.from(rawServer.proper(request, { "Sec-WebSocket-Extensions": value }), "latin1"))
        })
        const error = yield* Effect.flip(Effect.scoped(WebsocketClient.connect(url, { deflate: true })))
        assert.strictEqual(error.reason._tag, "Handshake", what)
      }
    }))

  it("R13: there is no regular expression but for the URL that a client is given by its own application", () => {
    const matching = ["packages/core/src", "packages/node/src"].flatMap((directory) =>
      readdirSync(new URL(`../${directory}`, import.meta.url), { recursive: true, encoding: "utf8" })
        .filter((name) => name.endsWith(".ts") && regularExpression.test(codeOf(`${directory}/${name}`)))
    )
    assert.deepStrictEqual(matching, ["internal/target.ts"])
  })

  const flush = { finishFlush: Zlib.constants.Z_SYNC_FLUSH }
  const hello = Zlib.deflateRawSync("Hello", flush).subarray(0, -4)

  inBothRoles((role) => {
    it.live("R8: every window that may be agreed on works in both directions", () =>
      Effect.gen(function*() {
        for (const bits of [8, 15] as const) {
          const opened = yield* open(role, {
            extensions: `permessage-deflate; server_max_window_bits=${bits}; client_max_window_bits=${bits}`,
            deflate: {
              serverNoContextTakeover: false,
              clientNoContextTakeover: false,
              serverMaxWindowBits: bits,
              clientMaxWindowBits: bits
            },
            compression: { threshold: 1000 }
          })
          yield* opened.peer.send([{ opcode: Raw.binary, rsv: Raw.rsv1, payload: hello }])
          assertFrames([yield* opened.peer.frame], role, [{ opcode: Raw.binary, payload: "Hello" }])
          yield* closeByPeer(opened, role)
        }
      }))
  })
})
