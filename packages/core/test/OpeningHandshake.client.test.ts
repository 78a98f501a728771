import { assert, describe, it } from "@effect/vitest"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { OptionError } from "@websocket-stream/core/OptionError"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { elementOf, maskingKey } from "./support/arbitraries.ts"
import { noise } from "./support/bytes.ts"
import { received, validOffer, validRequest, validResponse, withHeaders } from "./support/handshakes.ts"

const responseWith = (headers: OpeningHandshake.Headers) => withHeaders(validResponse, headers)

const requestOptions: OpeningHandshake.RequestOptions = {
  host: "server.example.com",
  target: "/chat?room=1",
  nonce: new TextEncoder().encode("the sample nonce")
}

describe("OpeningHandshake.request", () => {
  it("makes the request of RFC 6455 1.3", () => {
    const headers = [["Origin", "http://example.com"]] as const
    const options = { ...requestOptions, target: "/chat", subprotocols: ["chat", "superchat"], headers }
    assert.deepStrictEqual(Result.getOrThrow(OpeningHandshake.request(options)), {
      ...validOffer,
      method: "GET",
      target: "/chat",
      headers: [
        ["Host", "server.example.com"],
        ["Upgrade", "websocket"],
        ["Connection", "Upgrade"],
        ["Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="],
        ["Sec-WebSocket-Version", "13"],
        ["Sec-WebSocket-Protocol", "chat, superchat"],
        ["Origin", "http://example.com"]
      ]
    })
  })

  it("offers nothing unless told to", () => {
    const request = Result.getOrThrow(OpeningHandshake.request(requestOptions))
    assert.deepStrictEqual(request.headers.map(([name]) => name), [
      "Host",
      "Upgrade",
      "Connection",
      "Sec-WebSocket-Key",
      "Sec-WebSocket-Version"
    ])
    assert.deepStrictEqual(request.subprotocols, [])
    assert.isUndefined(request.extensions)
  })

  it("refuses what it could not send as it is, and names the option", () => {
    const refusal = (options: Partial<OpeningHandshake.RequestOptions>): readonly [string, string] => {
      const error = Result.getOrThrow(Result.flip(OpeningHandshake.request({ ...requestOptions, ...options })))
      assert.instanceOf(error, OptionError)
      return [error.option, error.message]
    }
    const host = `host is "", it must be a name or an address, with a port or without`
    assert.deepStrictEqual(refusal({ host: "" }), ["host", host])
    const target =
      `target is "", it must be a path with a query or without, of visible ASCII characters, and no fragment`
    assert.deepStrictEqual(refusal({ target: "" }), ["target", target])
    assert.strictEqual(refusal({ target: "/chat#part" })[0], "target")
    assert.strictEqual(refusal({ target: "chat" })[0], "target")
    const nonce = "nonce is 15 bytes long, it must be 16 bytes long"
    assert.deepStrictEqual(refusal({ nonce: new Uint8Array(15) }), ["nonce", nonce])
    assert.strictEqual(refusal({ nonce: new Uint8Array(17) })[0], "nonce")
    const subprotocols = "subprotocols is a,a, it must be tokens, each of them once"
    assert.deepStrictEqual(refusal({ subprotocols: ["a", "a"] }), ["subprotocols", subprotocols])
    assert.strictEqual(refusal({ subprotocols: [""] })[0], "subprotocols")
    assert.strictEqual(refusal({ subprotocols: ["a, b"] })[0], "subprotocols")
    assert.strictEqual(refusal({ target: "/a b" })[0], "target")
    assert.strictEqual(refusal({ target: "/\u00e4" })[0], "target")
    for (const host of ["a b", "user@a", "a:b", "a/"]) assert.strictEqual(refusal({ host })[0], "host", host)
    assert.deepStrictEqual(refusal({ headers: [["", "x"]] }), [
      "headers.",
      `headers. is "", it must be named by a token (RFC 9110 5.6.2)`
    ])
  })

  it("offers no extensions that a server could not read, and none are not the empty text", () => {
    for (const extensions of ["", ",", "a b", "a;", "a; b=", "a; b=\"c d\"", "\u00e4"]) {
      const request = OpeningHandshake.request({ ...requestOptions, extensions })
      const response = OpeningHandshake.accept({ ...validOffer, extensions: "a" }, { extensions })
      for (const answer of [request, response]) {
        const { message } = Result.getOrThrow(Result.flip<{}, OptionError>(answer))
        const expected = "absent, or names with their parameters (RFC 6455 9.1)"
        assert.strictEqual(message, `extensions is ${JSON.stringify(extensions)}, it must be ${expected}`)
      }
    }
  })

  it.prop("asks for nothing that a server refuses to read", {
    extensions: Arbitrary.map(
      Arbitrary.array(elementOf(["a", "a", "; b", "; b", "=c", "=\"d\"", ", e", "\t", ";", "\"", "\\", "\n"]), {
        maxLength: 4
      }),
      (pieces) => `a${pieces.join("")}`
    )
  }, ({ extensions }) => {
    const request = OpeningHandshake.request({ ...requestOptions, extensions })
    const headers = received(Result.isSuccess(request) ? request.success.headers : [])
    const offer = OpeningHandshake.read({
      method: "GET",
      httpVersion: "1.1",
      headers: { ...validRequest.headers, ...headers, "sec-websocket-extensions": extensions }
    })
    assert.strictEqual(Result.isSuccess(offer), Result.isSuccess(request))
  }, { timeout: 60_000, arbitrary: { runs: 500 } })

  it("leaves no header of the handshake to its caller, in any case", () => {
    const own = ["Host", "Upgrade", "CONNECTION", "content-length", "Transfer-Encoding", "Trailer"]
    const sec = ["Key", "Version", "Accept", "Protocol", "Extensions"].map((name) => `Sec-WebSocket-${name}`)
    for (const name of [...own, ...sec]) {
      const headers = [["X-Fine", "1"], [name, "x"]] as const
      const message = `headers.${name} is given, it must be absent: the handshake sets it`
      const request = OpeningHandshake.request({ ...requestOptions, headers })
      assert.strictEqual(Result.getOrThrow(Result.flip(request)).message, message)
      const response = OpeningHandshake.accept(validOffer, { headers })
      assert.strictEqual(Result.getOrThrow(Result.flip(response)).message, message)
    }
  })
})

describe("OpeningHandshake.confirm", { timeout: 60_000 }, () => {
  it("confirms the response of RFC 6455 1.3", () => {
    const agreement = OpeningHandshake.confirm(validResponse, validOffer)
    assert.deepStrictEqual(Result.getOrThrow(agreement), { subprotocol: "chat", extensions: undefined })
  })

  it("takes no subprotocol for an answer, and lists, cases and spaces as HTTP has them", () => {
    const response = responseWith({
      upgrade: ["WebSocket"],
      connection: "keep-alive, upgrade",
      "sec-websocket-accept": " s3pPLMBiTxaQ9kYGzzhZRbK+xOo= ",
      "sec-websocket-protocol": undefined
    })
    const agreement = Result.getOrThrow(OpeningHandshake.confirm(response, validOffer))
    assert.deepStrictEqual(agreement, { subprotocol: undefined, extensions: undefined })
  })

  for (const upgrade of ["TLS/1.2, websocket", "websocket, h2c", ["websocket", "websocket"], "websocket,", ""]) {
    it(`takes no Upgrade but websocket alone: ${JSON.stringify(upgrade)}`, () => {
      const agreement = OpeningHandshake.confirm(responseWith({ upgrade }), validOffer)
      assert.deepStrictEqual(Result.getOrThrow(Result.flip(agreement)).reason, { _tag: "NotUpgraded" })
    })
  }

  it("hands on extensions if some were offered", () => {
    const response = responseWith({ "sec-websocket-extensions": ["a; b", "c"] })
    const agreement = OpeningHandshake.confirm(response, { ...validOffer, extensions: "a" })
    assert.deepStrictEqual(Result.getOrThrow(agreement), { subprotocol: "chat", extensions: "a; b, c" })
  })

  it.prop("confirms what accept answers to what request asks", {
    seed: maskingKey,
    subprotocols: elementOf<ReadonlyArray<string>>([[], ["a"], ["a", "b.c"], ["x", "y", "z"]]),
    choice: elementOf([0, 1, 2, 3]),
    extensions: elementOf([undefined, "permessage-deflate; client_max_window_bits"])
  }, ({ choice, extensions, seed, subprotocols }) => {
    const options = { ...requestOptions, nonce: noise(16, seed), subprotocols, extensions }
    const request = Result.getOrThrow(OpeningHandshake.request(options))
    const sent = { method: request.method, httpVersion: "1.1", headers: received(request.headers) }
    const offer = Result.getOrThrow(OpeningHandshake.read(sent))
    assert.deepStrictEqual(offer, { key: request.key, subprotocols, extensions })
    const agreed = { subprotocol: subprotocols[choice], extensions }
    const response = Result.getOrThrow(OpeningHandshake.accept(offer, agreed))
    const headers = received(response.headers)
    assert.deepStrictEqual(Result.getOrThrow(OpeningHandshake.confirm({ status: 101, headers }, request)), agreed)
  })
})
