import { assert, it } from "@effect/vitest"
import * as HandshakeError from "@websocket-stream/core/HandshakeError"
import * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import type { OptionError } from "@websocket-stream/core/OptionError"
import * as Arbitrary from "effect/Arbitrary"
import * as Result from "effect/Result"
import { elementOf } from "./support/arbitraries.ts"
import { controlCharacters, validOffer } from "./support/handshakes.ts"

const requestOptions: OpeningHandshake.RequestOptions = { host: "example.com", target: "/", nonce: new Uint8Array(16) }

type Emitted = Result.Result<{ readonly headers: OpeningHandshake.HeaderLines }, OptionError>

/** Every place where a program's text gets into what we send, and the option that an error is to name. */
const places: { readonly [place: string]: readonly [option: string, emit: (text: string) => Emitted] } = {
  "the host of a request": ["host", (host) => OpeningHandshake.request({ ...requestOptions, host })],
  "the target of a request": ["target", (target) => OpeningHandshake.request({ ...requestOptions, target })],
  "a subprotocol of a request": [
    "subprotocols",
    (text) => OpeningHandshake.request({ ...requestOptions, subprotocols: ["fine", text] })
  ],
  "the extensions of a request": [
    "extensions",
    (extensions) => OpeningHandshake.request({ ...requestOptions, extensions })
  ],
  "the name of a request's header": [
    "headers",
    (name) => OpeningHandshake.request({ ...requestOptions, headers: [["X-Fine", "1"], [name, "x"]] })
  ],
  "the value of a request's header": [
    "headers",
    (value) => OpeningHandshake.request({ ...requestOptions, headers: [["X-Fine", "1"], ["X-Header", value]] })
  ],
  // Offers are plain values: a server may get one from elsewhere than `read`.
  "the subprotocol of a response": [
    "subprotocol",
    (text) => OpeningHandshake.accept({ ...validOffer, subprotocols: ["fine", text] }, { subprotocol: text })
  ],
  "the extensions of a response": ["extensions", (extensions) => OpeningHandshake.accept(validOffer, { extensions })],
  "the name of a response's header": [
    "headers",
    (name) => OpeningHandshake.accept(validOffer, { headers: [["X-Fine", "1"], [name, "x"]] })
  ],
  "the value of a response's header": [
    "headers",
    (value) => OpeningHandshake.accept(validOffer, { headers: [["X-Fine", "1"], ["X-Header", value]] })
  ]
}

const isClean = (text: string): boolean => controlCharacters.every((character) => !text.includes(character))

for (const [place, [option, emit]] of Object.entries(places)) {
  it(`R17 control characters are refused in ${place}`, () => {
    for (const character of controlCharacters) {
      for (const text of [character, `a${character}b`, `a${character}`, `${character}a`]) {
        const error = Result.getOrThrow(Result.flip(emit(text)))
        assert.strictEqual(error.option.split(".")[0], option)
      }
    }
  })
}

it.prop("R17 nothing that is emitted has a control character, whatever it was made of", {
  place: elementOf(Object.keys(places)),
  pieces: Arbitrary.array(elementOf(["a", "/", " ", "\r\n", "\n", "\0", "Set-Cookie: x", "\t", ...controlCharacters]))
}, ({ pieces, place }) => {
  const answer = places[place]![1](pieces.join(""))
  if (Result.isFailure(answer)) return
  for (const [name, value] of answer.success.headers) assert.isTrue(isClean(name) && isClean(value))
}, { timeout: 60_000, arbitrary: { runs: 500 } })

it("R17 what a client wrote gets into the body of a rejection, never into its headers", () => {
  const hostile = "8\r\nSet-Cookie: stolen=1\0"
  const reasons: ReadonlyArray<HandshakeError.RequestReason> = [
    { _tag: "MethodNotGet", method: hostile },
    { _tag: "HttpTooOld", httpVersion: hostile },
    { _tag: "UnsupportedVersion", version: hostile },
    { _tag: "InvalidKey", key: hostile },
    { _tag: "InvalidSubprotocols", subprotocols: hostile }
  ]
  for (const reason of reasons) {
    for (const [name, value] of OpeningHandshake.reject(new HandshakeError.RequestError({ reason })).headers) {
      assert.isTrue(isClean(name) && isClean(value))
      assert.notInclude(value, "stolen")
    }
  }
})

it("the tab and Latin-1 may stand in a value, as RFC 9110 5.5 has it", () => {
  const headers: OpeningHandshake.HeaderLines = [["X-Header", "a\tb \u00e4\u00ff"], ["X-Empty", ""]]
  const response = Result.getOrThrow(OpeningHandshake.accept(validOffer, { headers }))
  assert.deepStrictEqual<OpeningHandshake.HeaderLines>(response.headers.slice(3), headers)
})

it("characters beyond Latin-1, which no octet stands for, may not, and the error names them", () => {
  const answer = OpeningHandshake.accept(validOffer, { headers: [["X-Header", "\u20ac"]] })
  const { message } = Result.getOrThrow(Result.flip(answer))
  assert.strictEqual(
    message,
    "headers.X-Header is not, it must be free of control characters, and of characters beyond Latin-1"
  )
})
