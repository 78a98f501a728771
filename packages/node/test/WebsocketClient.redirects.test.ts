import { assert, describe, it } from "@effect/vitest"
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as WebsocketClient from "@websocket-stream/node/WebsocketClient"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as tls from "node:tls"
import * as Certificate from "./support/certificate.ts"
import { asText, encode, text } from "./support/frames.ts"
import { gone, proper, type Request, serve } from "./support/rawServer.ts"
import { refusal } from "./support/refusal.ts"

const redirect = (location: string, status = 302) =>
  `HTTP/1.1 ${status} Elsewhere\r\nLocation: ${location}\r\nContent-Length: 0\r\n\r\n`

/** Opens at `/end`, with the request line in a frame, and answers everything else by `respond`. */
const serveRedirects = Effect.fnUntraced(function*(respond: (path: string) => string | Buffer) {
  const requests = yield* Queue.unbounded<Request>()
  const { port, sockets, url } = yield* serve((socket, request) => {
    Queue.offerUnsafe(requests, request)
    const path = request.line.split(" ")[1] ?? ""
    const opening = [Buffer.from(proper(request)), encode("client", text(request.line))]
    socket.write(path.startsWith("/end") ? Buffer.concat(opening) : respond(path))
  })
  return { port, sockets, url, requests: Queue.clear(requests) }
})

const credentials: HeaderLines = [["Authorization", "Bearer 1"], ["cookie", "a=1"], ["Proxy-Authorization", "Basic 2"]]
const names = credentials.map(([name]) => name.toLowerCase())
const sent = (request: Request | undefined) => names.filter((name) => request?.headers.has(name))

describe("maxRedirects", () => {
  for (const status of [301, 302, 303, 307, 308]) {
    it.live(`follows a ${status} with a key of its own, and closes the connection before`, () =>
      Effect.gen(function*() {
        const { requests, sockets, url } = yield* serveRedirects(() => redirect("end?a=b#fragment", status))
        const stream = yield* WebsocketClient.connectStream(`${url}begin`, { maxRedirects: 1 })
        assert.strictEqual(asText(yield* stream.read), "GET /end?a=b HTTP/1.1")
        yield* gone(yield* Queue.take(sockets))
        const keys = (yield* requests).map(({ headers }) => headers.get("sec-websocket-key"))
        assert.strictEqual(new Set(keys).size, 2)
      }))
  }

  for (const [encoding, octets] of [["utf8", "%C3%BC"], ["latin1", "%FC"]] as const) {
    it.live(`asks for the octets that the server wrote, beyond ASCII in ${encoding}`, () =>
      Effect.gen(function*() {
        const { url } = yield* serveRedirects(() => Buffer.from(redirect("/end/\u00fc?\u00fc"), encoding))
        const stream = yield* WebsocketClient.connectStream(`${url}begin`, { maxRedirects: 1 })
        assert.strictEqual(asText(yield* stream.read), `GET /end/${octets}?${octets} HTTP/1.1`)
      }))
  }

  it.live("follows nothing unless asked to", () =>
    Effect.gen(function*() {
      const { requests, url } = yield* serveRedirects(() => redirect("/end"))
      assert.deepInclude(yield* refusal(url), { _tag: "Refused", status: 302 })
      assert.lengthOf(yield* requests, 1)
    }))

  it.live("ends with the refusal that was one too many", () =>
    Effect.gen(function*() {
      const { requests, sockets, url } = yield* serveRedirects((path) => redirect(`${path}x`))
      const reason = yield* refusal(`${url}a`, { maxRedirects: 3 })
      if (reason._tag !== "Refused") return assert.fail(reason.message)
      assert.strictEqual(reason.headers.location, "/axxxx")
      assert.lengthOf(yield* requests, 4)
      yield* Effect.forEach(yield* Queue.clear(sockets), gone)
    }))

  for (const maxRedirects of [undefined, 0, 2]) {
    it.live(`says of a redirect that it does not follow where it leads and what to raise: ${maxRedirects}`, () =>
      Effect.gen(function*() {
        let location = ""
        const { port, url } = yield* serveRedirects(() => redirect(location))
        location = `http://user:secret@127.0.0.1:${port}/a?secret`
        const reason = yield* refusal(url, { maxRedirects })
        assert.deepInclude(reason, { _tag: "Refused", redirect: `ws://127.0.0.1:${port}` })
        assert.strictEqual(
          reason.message,
          "the server answered with status 302 Found instead of 101 (RFC 6455 4.1): " +
            `it redirects to ws://127.0.0.1:${port}, raise maxRedirects to follow it`
        )
      }))
  }

  it.live("advises nothing for a redirect that it would not follow either way", () =>
    Effect.gen(function*() {
      const { url } = yield* serveRedirects(() => redirect("ftp://127.0.0.1/"))
      const { message } = yield* refusal(url)
      assert.strictEqual(message, "the server answered with status 302 Found instead of 101 (RFC 6455 4.1)")
    }))

  it.live("does not wait for the body of a redirect", () =>
    Effect.gen(function*() {
      const { url } = yield* serveRedirects(() => "HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 9\r\n\r\n")
      yield* WebsocketClient.connectStream(url, { maxRedirects: 1, openDeadline: "Infinity" })
    }))

  it.live("takes what is no redirect for a refusal: no Location, or another status", () =>
    Effect.gen(function*() {
      const { url } = yield* serveRedirects((path) =>
        path === "/302" ? "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n" : redirect("/end", Number(path.slice(1)))
      )
      // RFC 9110 15.4.6: 305 would name a proxy, which a server is not to choose.
      for (const status of [300, 304, 305, 306]) {
        assert.deepInclude(yield* refusal(`${url}${status}`, { maxRedirects: 1 }), { _tag: "Refused", status })
      }
      assert.deepInclude(yield* refusal(`${url}302`, { maxRedirects: 1 }), { _tag: "Refused", status: 302 })
    }))

  it.live("keeps credentials where the host stays, user and password among them", () =>
    Effect.gen(function*() {
      const { port, requests } = yield* serveRedirects(() => redirect("/end"))
      const url = `ws://127.0.0.1:${port}/begin`
      yield* WebsocketClient.connectStream(url, { maxRedirects: 1, headers: credentials })
      assert.deepStrictEqual((yield* requests).map(sent), [names, names])
      yield* WebsocketClient.connectStream(url.replace("//", "//user:word@"), { maxRedirects: 1 })
      assert.deepStrictEqual(
        (yield* requests).map(({ headers }) => headers.get("authorization")),
        ["Basic dXNlcjp3b3Jk", "Basic dXNlcjp3b3Jk"]
      )
    }))

  for (const scheme of ["ws", "http"]) {
    it.live(`follows ${scheme}: to another host, and leaves credentials behind for good`, () =>
      Effect.gen(function*() {
        const other = yield* serveRedirects(() => "")
        const back = yield* serveRedirects(() => redirect(`${scheme}://127.0.0.1:${other.port}/end`))
        const first = yield* serveRedirects(() => redirect(`//not:ours@127.0.0.1:${back.port}/back`))
        const options = { maxRedirects: 2, headers: [...credentials, ["X-Other", "1"]] } as const
        yield* WebsocketClient.connectStream(first.url, options)
        const requests = [...(yield* first.requests), ...(yield* back.requests), ...(yield* other.requests)]
        assert.deepStrictEqual(requests.map(sent), [names, [], []])
        assert.deepStrictEqual(
          requests.map(({ headers }) => [headers.get("host"), headers.get("x-other")]),
          [first, back, other].map(({ port }) => [`127.0.0.1:${port}`, "1"])
        )
      }))
  }

  for (const location of ["ftp://127.0.0.1/", "javascript:alert(1)", "ws://", "file:///etc/passwd"]) {
    it.live(`refuses to be sent to ${location}`, () =>
      Effect.gen(function*() {
        const { sockets, url } = yield* serveRedirects(() => redirect(location))
        const reason = yield* refusal(url, { maxRedirects: 1 })
        assert.deepInclude(reason, { _tag: "InvalidRedirect", status: 302, location })
        assert.include(reason.message, `redirects (302) to ${location}, it must be a URL of scheme`)
        yield* gone(yield* Queue.take(sockets))
      }))
  }

  for (const location of ["ws://b\u00fccher.test/", "ws://127.0.0.1:65536/", "ws://"]) {
    it.live(`says of ${location}, which is none, what a URL has`, () =>
      Effect.gen(function*() {
        const { url } = yield* serveRedirects(() => Buffer.from(redirect(location), "latin1"))
        const { message } = yield* refusal(url, { maxRedirects: 1 })
        assert.strictEqual(
          message,
          `the server redirects (302) to ${location}, it must be a URL of scheme ws:, wss:, http: or https: ` +
            "with a host in UTF-8, and a port from 0 to 65535 if it has one"
        )
      }))
  }

  it.live("leaves out of its error what may be a secret in a Location", () =>
    Effect.gen(function*() {
      const { url } = yield* serveRedirects(() => redirect("ftp://user:secret@127.0.0.1/"))
      const { message } = yield* refusal(url, { maxRedirects: 1 })
      assert.include(message, "ftp://***@127.0.0.1/")
    }))

  for (const scheme of ["ws", "http"]) {
    it.live(`refuses to go from wss: to ${scheme}:`, () =>
      Effect.gen(function*() {
        const certificate = Certificate.make()
        const { requests, url } = yield* serveRedirects(() => "")
        const { port } = yield* serve(
          (socket) => socket.write(redirect(url.replace("ws", scheme))),
          (onConnection) => tls.createServer(certificate, onConnection)
        )
        const options = { maxRedirects: 1, tls: { ca: certificate.cert } }
        const reason = yield* refusal(`wss://localhost:${port}/`, options)
        assert.strictEqual(reason._tag, "InvalidRedirect")
        assert.include(reason.message, "it must be wss: or https:, as the connection was secure before")
        assert.lengthOf(yield* requests, 0)
      }))
  }

  it.live("goes from ws: to https:", () =>
    Effect.gen(function*() {
      const certificate = Certificate.make()
      const { port } = yield* serve(
        (socket, request) => socket.write(proper(request)),
        (onConnection) => tls.createServer(certificate, onConnection)
      )
      const { url } = yield* serveRedirects(() => redirect(`https://localhost:${port}/`))
      yield* WebsocketClient.connectStream(url, { maxRedirects: 1, tls: { ca: certificate.cert } })
    }))
})
