import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { inspect } from "node:util"
import { proper, type Request, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"

/** What a server reads in `Authorization`. */
const authorization = Effect.fnUntraced(function*(userinfo: string, options?: WebsocketClient.Options) {
  const requests = yield* Queue.unbounded<Request>()
  const { port } = yield* serve((socket, request) => {
    Queue.offerUnsafe(requests, request)
    socket.write(proper(request))
  })
  yield* WebsocketClient.connectStream(`ws://${userinfo}127.0.0.1:${port}/chat`, options)
  const { headers, line } = yield* Queue.take(requests)
  assert.deepStrictEqual([line, headers.get("host")], ["GET /chat HTTP/1.1", `127.0.0.1:${port}`])
  return headers.get("authorization")
})

const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`

describe("user and password in the URL", () => {
  for (
    const [userinfo, expected] of [
      ["", undefined],
      ["@", undefined],
      ["user:pa%20ss@", basic("user:pa ss")],
      ["user@", basic("user:")],
      [":word@", basic(":word")],
      ["user:a:b%3Ac@", basic("user:a:b:c")],
      ["m%C3%BCller:%E2%82%AC@", basic("m\u00fcller:\u20ac")],
      ["a%40b:%2F%3F%23%25@", basic("a@b:/?#%")]
    ] as const
  ) {
    it.live(`${JSON.stringify(userinfo)} is sent as ${expected}`, () =>
      Effect.gen(function*() {
        assert.strictEqual(yield* authorization(userinfo), expected)
      }))
  }

  it.live("gives way to a header that is given, whatever its case", () =>
    Effect.gen(function*() {
      for (const name of ["Authorization", "authorization"]) {
        const headers = [[name, "Bearer 1"]] as const
        assert.strictEqual(yield* authorization("user:word@", { headers }), "Bearer 1")
      }
    }))

  it.live("is the only source: not what Node takes for a request", () =>
    Effect.gen(function*() {
      assert.strictEqual(yield* authorization("", { tls: { auth: "other:word" } }), undefined)
    }))

  for (
    const [what, url, expected] of [
      ["another scheme", "http://user:secret@127.0.0.1/", "http://***@127.0.0.1/"],
      ["an @ in the password", "http://user:sec@ret@127.0.0.1/", "http://***@127.0.0.1/"],
      ["a fragment", "ws://user:secret@127.0.0.1/#top", "ws://***@127.0.0.1/#top"],
      ["a fragment that is empty", "ws://user:secret@127.0.0.1/#", "ws://***@127.0.0.1/#"],
      ["no URL at all", "ws://user:secret@127.0.0.1:99999/", "***@127.0.0.1:99999/"],
      ["no URL, and slashes in the password", "user:secret//secret@127.0.0.1", "***@127.0.0.1"],
      ["percent signs that stand for nothing", "ws://user:secret%zz@127.0.0.1/", "ws://***@127.0.0.1/"],
      ["percent-encoding that is not UTF-8", "ws://user:secret%ff@127.0.0.1/", "ws://***@127.0.0.1/"],
      ["a user with a colon", "ws://secret%3Asecret:x@127.0.0.1/", "ws://***@127.0.0.1/"],
      ["R17: the end of a line in a password", "ws://user:secret%0D%0AX: y@127.0.0.1/", "ws://***@127.0.0.1/"],
      ["R17: NUL in a user", "ws://secret%00:secret@127.0.0.1/", "ws://***@127.0.0.1/"],
      ["R17: the end of a line as such", "ws://user:secret\r\n@127.0.0.1/", `"ws://***@127.0.0.1/"`]
    ] as const
  ) {
    it.live(`is not in the error for ${what}`, () =>
      Effect.gen(function*() {
        const error = yield* Effect.flip(Effect.scoped(WebsocketClient.connect(url)))
        if (error.reason._tag !== "InvalidOption") return assert.fail(error.message)
        assert.deepInclude(error.reason.error, { option: "url", value: expected })
        assert.include(error.message, `url is ${expected}, it must be `)
        assert.notInclude(inspect(error, { depth: Infinity, showHidden: true }), "secret")
      }))
  }
})

describe("R17: control characters", () => {
  const hostile = ["\r\nX-Evil: 1", "\n", "\r", "\0", "\x7f", "\x1b"]
  const places: ReadonlyArray<readonly [string, string, (text: string) => readonly [string, WebsocketClient.Options]]> =
    [
      ["the value of a header", "headers.X-A", (text) => ["ws://127.0.0.1:1/", { headers: [["X-A", `a${text}b`]] }]],
      ["the name of a header", "headers", (text) => ["ws://127.0.0.1:1/", { headers: [[`X-A${text}`, "a"]] }]],
      ["a subprotocol", "subprotocols", (text) => ["ws://127.0.0.1:1/", { subprotocols: ["chat", `a${text}b`] }]],
      ["the path", "url", (text) => [`ws://127.0.0.1:1/a${text}b`, {}]],
      ["the query", "url", (text) => [`ws://127.0.0.1:1/?a${text}b`, {}]],
      ["the host", "url", (text) => [`ws://127.0.0.1${text}:1/`, {}]],
      ["what is around the URL", "url", (text) => [`${text}ws://127.0.0.1:1/${text}`, {}]]
    ]
  for (const [place, option, make] of places) {
    it.live(`are refused in ${place}, before anything is dialled`, () =>
      Effect.gen(function*() {
        for (const text of hostile) {
          const [url, options] = make(text)
          // Nobody listens there: what is dialled fails with Io.
          const reason = yield* refusal(url, options)
          if (reason._tag !== "InvalidOption") return assert.fail(reason.message)
          assert.isTrue(reason.error.option.startsWith(option), reason.error.option)
        }
      }))
  }

  it.live("stay what they are in percent-encoding, and in a URL that was parsed", () =>
    Effect.gen(function*() {
      const requests = yield* Queue.unbounded<Request>()
      const { url } = yield* serve((socket, request) => {
        Queue.offerUnsafe(requests, request)
        socket.write(proper(request))
      })
      yield* WebsocketClient.connectStream(`${url}a%0D%0Ab?c%00`)
      assert.strictEqual((yield* Queue.take(requests)).line, "GET /a%0D%0Ab?c%00 HTTP/1.1")
      yield* WebsocketClient.connectStream(new URL(`${url}a\r\nb\0c`))
      assert.strictEqual((yield* Queue.take(requests)).line, "GET /ab%00c HTTP/1.1")
    }))
})
