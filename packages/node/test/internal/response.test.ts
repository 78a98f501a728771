import { assert, it } from "@effect/vitest"
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as Arbitrary from "effect/Arbitrary"
import { elementOf } from "../../../core/test/support/arbitraries.ts"
import { format, formatAccepted } from "../../src/internal/response.ts"

// Every character that Latin-1 has and a header may have, and lines that are long.
const latin1 = String.fromCharCode(
  ...Array.from({ length: 256 }, (_, i) => i).filter((code) => code >= 32 && code !== 127)
)
const values = ["", "websocket", "a, b", latin1, "x".repeat(65_536)]

const line: Arbitrary.Arbitrary<HeaderLines[number]> = Arbitrary.map(
  Arbitrary.all({ name: elementOf(["Upgrade", "X", "Set-Cookie", "n".repeat(300)]), value: elementOf(values) }),
  ({ name, value }) => [name, value]
)

it.prop("a 101 is its lines behind each other, each character of them a byte", {
  headers: Arbitrary.array(line, { maxLength: 40 })
}, ({ headers }) => {
  const text = headers.map(([name, value]) => `${name}: ${value}\r\n`).join("")
  const expected = Buffer.from(`HTTP/1.1 101 Switching Protocols\r\n${text}\r\n`, "latin1")
  assert.isTrue(expected.equals(formatAccepted(headers)))
})

// The example of RFC 9110 5.6.7.
const then = Date.UTC(1994, 10, 6, 8, 49, 37)

it("any other says when it was made, how long its body is, in bytes, and what its status means", () => {
  const response = { status: 429, headers: [["Retry-After", "1"]], body: "später" } as const
  const head = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n" +
    "Content-Length: 7\r\n\r\n"
  assert.strictEqual(Buffer.from(format(response, "GET", then)).toString(), `${head}später`)
  // RFC 9110 9.3.2
  assert.strictEqual(Buffer.from(format(response, "HEAD", then)).toString(), head)
})

it("its headers are Latin-1, its body is UTF-8, and a status that is new says nothing but its number", () => {
  const response = { status: 499, headers: [["X", "ü"], ["Date", "now"]], body: "ü" } as const
  assert.strictEqual(
    Buffer.from(format(response, "GET", then)).toString("latin1"),
    "HTTP/1.1 499 \r\nX: ü\r\nDate: now\r\nContent-Length: 2\r\n\r\n\u00c3\u00bc"
  )
})

it("the date of an application stays the only one", () => {
  const response = { status: 404, headers: [["date", "Mon, 07 Nov 1994 08:49:37 GMT"]], body: "" } as const
  assert.strictEqual(
    Buffer.from(format(response, "GET", then)).toString(),
    "HTTP/1.1 404 Not Found\r\ndate: Mon, 07 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"
  )
})

it("no header of it leaves its line", () => {
  for (const header of [["X", "a\r\nY: b"], ["X\r\nY", "b"], ["X", "\u2028"]] as const) {
    assert.throws(
      () => format({ status: 400, headers: [header], body: "" }, "GET", then),
      /Invalid character|valid HTTP token/
    )
  }
})
