import { assert, describe, it } from "@effect/vitest"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { gone, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"

/** What a client says that got this response; the server goes on listening for its end. */
const refusedBy = Effect.fnUntraced(function*(response: string | Uint8Array, options?: WebsocketClient.Options) {
  const { sockets, url } = yield* serve((socket) => socket.write(response))
  const reason = yield* refusal(url, options)
  yield* gone(yield* Queue.take(sockets))
  if (reason._tag !== "Refused") throw new Error(`${reason._tag}: ${reason.message}`)
  return reason
})

const withBody = (body: Uint8Array, length = body.length) =>
  Buffer.concat([Buffer.from(`HTTP/1.1 403 Forbidden\r\nContent-Length: ${length}\r\n\r\n`), body])

describe("a server that refuses", () => {
  for (const status of [200, 204, 304, 302, 401, 426, 503, 599]) {
    it.live(`with ${status} is told with its response, and the socket is closed`, () =>
      Effect.gen(function*() {
        const hasBody = status !== 204 && status !== 304
        const { body, headers, status: told } = yield* refusedBy(
          `HTTP/1.1 ${status} No\r\nLocation: ws://127.0.0.1/\r\nX-Why: because\r\n` +
            (hasBody ? "Content-Length: 2\r\n\r\nno" : "\r\n")
        )
        assert.deepStrictEqual([told, headers["x-why"], body], [status, "because", hasBody ? "no" : ""])
      }))
  }

  it.live("with a 426 that has the headers of an upgrade does not upgrade", () =>
    Effect.gen(function*() {
      const { headers, status } = yield* refusedBy(
        "HTTP/1.1 426 Upgrade Required\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 0\r\n\r\n"
      )
      assert.deepStrictEqual([status, headers.upgrade], [426, "websocket"])
    }))

  it.live("in chunks, behind interim responses", () =>
    Effect.gen(function*() {
      const { body, status } = yield* refusedBy(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" +
          "HTTP/1.1 503 Busy\r\nTransfer-Encoding: chunked\r\n\r\n3\r\ntoo\r\n5\r\n many\r\n0\r\n\r\n"
      )
      assert.deepStrictEqual([status, body], [503, "too many"])
    }))

  it.live("at great length is read for 1,024 bytes and no further, though it goes on", () =>
    Effect.gen(function*() {
      const endless = withBody(Buffer.alloc(100_000, "x"), 1_000_000_000)
      assert.strictEqual((yield* refusedBy(endless)).body, "x".repeat(1024))
    }))

  it.live("with 1,024 bytes and no end is not waited for", () =>
    Effect.gen(function*() {
      const { body } = yield* refusedBy(withBody(Buffer.alloc(1024, "x"), 1025))
      assert.strictEqual(body, "x".repeat(1024))
    }))

  it.live("in UTF-8: a character that the end cuts is left out, bytes that are none are replaced", () =>
    Effect.gen(function*() {
      const cut = Buffer.from(`${"a".repeat(1022)}\u20ac and more`)
      assert.strictEqual((yield* refusedBy(withBody(cut))).body, "a".repeat(1022))
      assert.strictEqual((yield* refusedBy(withBody(Buffer.from([0x61, 0xff, 0x62])))).body, "a\ufffdb")
    }))

  it.live("and hangs up in the middle is told with what there was", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket) => socket.end(withBody(Buffer.from("half"), 100)))
      assert.deepInclude(yield* refusal(url), { _tag: "Refused", status: 403, body: "half" })
    }))

  it.live("can be caught by reason, for connect as well", () =>
    Effect.gen(function*() {
      const { url } = yield* serve((socket) => socket.write("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n"))
      const status = yield* Effect.as(WebsocketClient.connect(url, { deflate: true }), 101).pipe(
        Effect.catchReason("OpenError", "Refused", ({ status }) => Effect.succeed(status))
      )
      assert.strictEqual(status, 401)
    }))
})
