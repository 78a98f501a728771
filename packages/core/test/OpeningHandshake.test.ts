import { assert, describe, it } from "@effect/vitest"
import * as HandshakeError from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { elementOf } from "./support/arbitraries.ts"
import { validOffer, validRequest, validResponse, withHeaders } from "./support/handshakes.ts"

const requestWith = (headers: OpeningHandshake.Headers) => withHeaders(validRequest, headers)
const responseWith = (headers: OpeningHandshake.Headers) => withHeaders(validResponse, headers)

const read = (request: OpeningHandshake.ReceivedRequest): OpeningHandshake.Offer =>
  Result.getOrThrow(OpeningHandshake.read(request))

describe("OpeningHandshake.read", { timeout: 60_000 }, () => {
  it("reads the request of RFC 6455 1.3", () => {
    assert.deepStrictEqual(read(validRequest), validOffer)
  })

  it("takes tokens whatever their case, in lists and over several lines", () => {
    for (
      const headers of [
        { upgrade: "WebSocket", connection: "upgrade" },
        { upgrade: "WEBSOCKET", connection: "keep-alive, Upgrade" },
        { upgrade: "h2c, websocket", connection: "Upgrade,keep-alive" },
        { upgrade: ["h2c", "websocket"], connection: ["keep-alive", "upgrade"] },
        { upgrade: " websocket\t", connection: ",, Upgrade ," }
      ]
    ) {
      assert.deepStrictEqual(read(requestWith(headers)), validOffer)
    }
  })

  it("keeps the order of subprotocols, and their case", () => {
    const subprotocols = (value: OpeningHandshake.Headers[string]) =>
      read(requestWith({ "sec-websocket-protocol": value })).subprotocols
    assert.deepStrictEqual(subprotocols(undefined), [])
    assert.deepStrictEqual(subprotocols("a"), ["a"])
    assert.deepStrictEqual(subprotocols("b,a , C.v1"), ["b", "a", "C.v1"])
    assert.deepStrictEqual(subprotocols(["b", "a, c"]), ["b", "a", "c"])
    // Tokens are told apart by case (RFC 9110 5.6.2), and an HTTP parser may leave an empty element between two lines.
    assert.deepStrictEqual(subprotocols("chat, CHAT"), ["chat", "CHAT"])
    assert.deepStrictEqual(subprotocols("chat,, superchat"), ["chat", "superchat"])
  })

  it("takes a length of 0 for no content", () => {
    for (const length of ["0", "00"]) {
      assert.deepStrictEqual(read(requestWith({ "content-length": length })), validOffer)
    }
  })

  it("leaves extensions as they came", () => {
    const extensions = (value: OpeningHandshake.Headers[string]) =>
      read(requestWith({ "sec-websocket-extensions": value })).extensions
    assert.isUndefined(extensions(undefined))
    assert.strictEqual(extensions("permessage-deflate; x=\"a\""), "permessage-deflate; x=\"a\"")
    assert.strictEqual(extensions(["a", "b; c"]), "a, b; c")
  })

  it("knows what each absent header means", () => {
    const meaning: { readonly [name: string]: HandshakeError.RequestReason["_tag"] | undefined } = {
      host: "NoHost",
      upgrade: "NotAnUpgrade",
      connection: "NotAnUpgrade",
      "sec-websocket-key": "InvalidKey",
      "sec-websocket-version": "UnsupportedVersion",
      "sec-websocket-protocol": undefined,
      origin: undefined
    }
    for (const absent of Object.keys(validRequest.headers)) {
      const headers = Object.fromEntries(Object.entries(validRequest.headers).filter(([name]) => name !== absent))
      const answer = OpeningHandshake.read({ ...validRequest, headers })
      const reason = Result.isFailure(answer) ? answer.failure.reason._tag : undefined
      assert.strictEqual(reason, meaning[absent], absent)
    }
    const none = OpeningHandshake.read({ ...validRequest, headers: {} })
    assert.strictEqual(Result.getOrThrow(Result.flip(none)).reason._tag, "NoHost")
  })

  it("is not fooled by names that every object knows", () => {
    // What JSON.parse makes of "__proto__" is a header of that name, not a prototype.
    const hostile: OpeningHandshake.Headers = JSON.parse(
      `{"__proto__": "x", "constructor": "y", "hasOwnProperty": "z", "toString": "w"}`
    )
    assert.deepStrictEqual(read(requestWith(hostile)), validOffer)
    const bare: OpeningHandshake.Headers = Object.assign(Object.create(null), validRequest.headers)
    assert.deepStrictEqual(read({ ...validRequest, headers: bare }), validOffer)
    const answer = OpeningHandshake.read({ ...validRequest, headers: hostile })
    assert.strictEqual(Result.getOrThrow(Result.flip(answer)).reason._tag, "NoHost")
  })

  it("goes through a mebibyte of commas, and of anything else, in one pass", () => {
    const size = 1024 ** 2
    const names = ["upgrade", "connection", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"]
    for (const name of [...names, "host", "sec-websocket-extensions", "content-length", "transfer-encoding"]) {
      for (const hostile of [",", " ", "a", "a,", "\t,", "=", "\u00ff", "websocket, upgrade"]) {
        const value = hostile.repeat(size / hostile.length)
        const answer = OpeningHandshake.read(requestWith({ [name]: value }))
        if (Result.isFailure(answer)) assert.instanceOf(answer.failure, HandshakeError.RequestError)
        const confirmed = OpeningHandshake.confirm(responseWith({ [name]: value }), validOffer)
        if (Result.isFailure(confirmed)) assert.instanceOf(confirmed.failure, HandshakeError.ResponseError)
      }
    }
    const many = Array.from({ length: 100_000 }, (_, i) => `p${i}`)
    assert.deepStrictEqual(read(requestWith({ "sec-websocket-protocol": many })).subprotocols, many)
  })

  const hostileValue = Arbitrary.map(
    Arbitrary.array(
      elementOf(["a", "websocket", "Upgrade", ",", " ", "\t", "\r\n", "\0", "=", "\"", "\u00ff", "\ud800"]),
      {
        maxLength: 12
      }
    ),
    (pieces) => pieces.join("")
  )

  it.prop("never throws, whatever the headers hold", {
    names: Arbitrary.array(elementOf([...Object.keys(validRequest.headers), "sec-websocket-extensions", "__proto__"])),
    values: Arbitrary.array(hostileValue, { minLength: 1 })
  }, ({ names, values }) => {
    const headers = Object.fromEntries(names.map((name, i) => [name, values[i % values.length]]))
    const answer = OpeningHandshake.read(requestWith(headers))
    const confirmed = OpeningHandshake.confirm(responseWith(headers), validOffer)
    if (Result.isFailure(answer)) assert.include([400, 426], answer.failure.status)
    if (Result.isFailure(confirmed)) assert.isNotEmpty(confirmed.failure.message)
  }, { arbitrary: { runs: 500 } })
})

describe("OpeningHandshake.expectsContinue", () => {
  it("finds the expectation whatever its case, among others and over several lines", () => {
    for (const expect of ["100-continue", "100-Continue", "x, 100-continue", ["x", "100-continue"]]) {
      assert.isTrue(OpeningHandshake.expectsContinue({ expect }), String(expect))
    }
    for (const expect of [undefined, "", "100", "100-continue=1", "x"]) {
      assert.isFalse(OpeningHandshake.expectsContinue({ expect }), String(expect))
    }
  })
})

describe("OpeningHandshake.accept", () => {
  it("makes the response of RFC 6455 1.3", () => {
    assert.strictEqual(OpeningHandshake.acceptKey(validOffer.key), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert.deepStrictEqual(Result.getOrThrow(OpeningHandshake.accept(validOffer, { subprotocol: "chat" })), {
      status: 101,
      headers: [
        ["Upgrade", "websocket"],
        ["Connection", "Upgrade"],
        ["Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="],
        ["Sec-WebSocket-Protocol", "chat"]
      ],
      body: ""
    })
  })

  it("names neither a subprotocol nor extensions unless told to, and appends further headers", () => {
    const names = (options?: Parameters<typeof OpeningHandshake.accept>[1]) =>
      Result.getOrThrow(OpeningHandshake.accept(validOffer, options)).headers.slice(3)
    assert.deepStrictEqual(names(), [])
    assert.deepStrictEqual(names({}), [])
    assert.deepStrictEqual(names({ subprotocol: undefined, extensions: undefined, headers: undefined }), [])
    const headers = [["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"], ["constructor", "x"], ["__proto__", ""]] as const
    assert.deepStrictEqual(names({ subprotocol: "superchat", extensions: "x; y=1", headers }), [
      ["Sec-WebSocket-Protocol", "superchat"],
      ["Sec-WebSocket-Extensions", "x; y=1"],
      ...headers
    ])
  })

  it("chooses no subprotocol that was not offered, and says what was", () => {
    const refusal = (offer: OpeningHandshake.Offer, subprotocol: string) =>
      Result.getOrThrow(Result.flip(OpeningHandshake.accept(offer, { subprotocol }))).message
    assert.strictEqual(refusal(validOffer, "other"), "subprotocol is other, it must be chat or superchat")
    assert.strictEqual(refusal(validOffer, "CHAT"), "subprotocol is CHAT, it must be chat or superchat")
    const none = { ...validOffer, subprotocols: [] }
    assert.strictEqual(refusal(none, "chat"), "subprotocol is chat, it must be absent: the client offered none")
  })
})

describe("OpeningHandshake.reject", () => {
  const headersOf = (reason: HandshakeError.RequestReason) =>
    OpeningHandshake.reject(new HandshakeError.RequestError({ reason })).headers

  it("closes the connection behind a line of text", () => {
    assert.deepStrictEqual(headersOf({ _tag: "NoHost" }), [
      ["Connection", "close"],
      ["Content-Type", "text/plain; charset=utf-8"]
    ])
  })

  it("says what would be accepted instead", () => {
    assert.deepStrictEqual(headersOf({ _tag: "MethodNotGet", method: "POST" }), [
      ["Allow", "GET"],
      ["Connection", "close"],
      ["Content-Type", "text/plain; charset=utf-8"]
    ])
    for (const reason of [{ _tag: "NotAnUpgrade" }, { _tag: "UnsupportedVersion", version: "8" }] as const) {
      assert.deepStrictEqual(headersOf(reason), [
        ["Upgrade", "websocket"],
        ["Sec-WebSocket-Version", "13"],
        ["Connection", "Upgrade, close"],
        ["Content-Type", "text/plain; charset=utf-8"]
      ])
    }
  })
})

describe("OpeningHandshake.refuse", () => {
  it("closes the connection with what the application says", () => {
    assert.deepStrictEqual<Result.Result<OpeningHandshake.Response, unknown>>(
      OpeningHandshake.refuse({ status: 503, headers: [["Retry-After", "60"]], body: "full\n" }),
      Result.succeed({ status: 503, headers: [["Connection", "close"], ["Retry-After", "60"]], body: "full\n" })
    )
    assert.strictEqual(Result.getOrThrow(OpeningHandshake.refuse({ status: 300 })).body, "")
    assert.strictEqual(Result.getOrThrow(OpeningHandshake.refuse({ status: 599 })).status, 599)
  })

  it("says by a 426 what to upgrade to, which no application may say itself", () => {
    assert.deepStrictEqual(
      Result.getOrThrow(OpeningHandshake.refuse({ status: 426, headers: [["X-App", "2"]] })).headers,
      [
        ["Upgrade", "websocket"],
        ["Sec-WebSocket-Version", "13"],
        ["Connection", "Upgrade, close"],
        ["X-App", "2"]
      ]
    )
  })

  it("fails for a status that refuses nothing", () => {
    for (const status of [101, 200, 299, 600, 404.5, Number.NaN]) {
      const error = Result.getOrThrow(Result.flip(OpeningHandshake.refuse({ status })))
      assert.strictEqual(error.message, `status is ${status}, it must be a whole number from 300 to 599`)
    }
  })

  it("R17 fails for a header that would end its line, or is the handshake's own", () => {
    for (
      const headers of [[["X-Name", "a\r\nSet-Cookie: b"]], [["X Name", "a"]], [["Connection", "keep-alive"]]] as const
    ) {
      const error = Result.getOrThrow(Result.flip(OpeningHandshake.refuse({ status: 401, headers })))
      assert.strictEqual(error.option, `headers.${headers[0][0]}`)
    }
  })
})
