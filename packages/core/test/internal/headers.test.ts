import { assert, describe, it } from "@effect/vitest"
import * as headers from "../../src/internal/headers.ts"

const everyCode = Array.from({ length: 0x200 }, (_, code) => code)
const matching = (holds: (text: string) => boolean): string =>
  everyCode.map((code) => String.fromCharCode(code)).filter(holds).join("")

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
const digits = "0123456789"
const visible = everyCode.filter((code) => code > 0x20 && code < 0x7f).map((code) => String.fromCharCode(code)).join("")

describe("headers", () => {
  it("a line is a value, the lines of an array joined, or absent", () => {
    const values = { one: "a", none: "", many: ["a", "b, c"], undefined: undefined }
    assert.strictEqual(headers.line(values, "one"), "a")
    assert.strictEqual(headers.line(values, "none"), "")
    assert.strictEqual(headers.line(values, "many"), "a, b, c")
    assert.isUndefined(headers.line(values, "undefined"))
    assert.isUndefined(headers.line(values, "absent"))
  })

  it("a list is cut at commas, trimmed, and without empty elements", () => {
    assert.deepStrictEqual(headers.list("a"), ["a"])
    assert.deepStrictEqual(headers.list(" a ,b\t,, c d ,"), ["a", "b", "c d"])
    assert.deepStrictEqual(headers.list(""), [])
    assert.deepStrictEqual(headers.list(" , ,"), [])
  })

  it("a token of a list is found whatever its case, whole, and only in what is there", () => {
    for (const value of ["upgrade", "Upgrade", "UPGRADE", "keep-alive, Upgrade", "a,upgrade ,b"]) {
      assert.isTrue(headers.hasToken(value, "upgrade"), value)
    }
    for (const value of [undefined, "", "upgraded", "up grade", "xupgrade", "keep-alive"]) {
      assert.isFalse(headers.hasToken(value, "upgrade"), value)
    }
  })

  it("tokens have the characters of RFC 9110 5.6.2", () => {
    const characters = new Set(matching(headers.isToken))
    assert.deepStrictEqual(characters, new Set(`!#$%&'*+-.^_\`|~${digits}${letters}`))
    assert.isFalse(headers.isToken(""))
    assert.isTrue(headers.isToken("chat.v1"))
    assert.isFalse(headers.isToken("chat v1"))
  })

  it("R17 field values have no control characters but the tab, and nothing past Latin-1", () => {
    const refused = everyCode.filter((code) => !headers.isFieldValue(`a${String.fromCharCode(code)}b`))
    const controls = everyCode.filter((code) => code < 0x20 && code !== 0x09)
    assert.deepStrictEqual(refused, [...controls, 0x7f, ...everyCode.filter((code) => code > 0xff)])
    assert.isTrue(headers.isFieldValue(""))
  })

  it("R17 request targets are visible ASCII", () => {
    assert.strictEqual(matching(headers.isVisible), visible)
    assert.isFalse(headers.isVisible(""))
    assert.isTrue(headers.isRequestTarget("/a?b=c"))
    for (const target of ["", "a", "/a b", "/a#b", "/a\r\nb"]) assert.isFalse(headers.isRequestTarget(target))
  })

  it("a host has the characters of RFC 3986 3.2.2, colons in brackets alone, and digits for a port", () => {
    const name = `!$%&'()*+,-.;=_~${digits}${letters}`
    const around = (before: string, after: string) =>
      new Set(matching((text) => headers.isHost(`${before}${text}${after}`)))
    assert.deepStrictEqual(around("", "a"), new Set(name))
    assert.deepStrictEqual(around("[", "]"), new Set(`${name}:`))
    assert.deepStrictEqual(around("a:", ""), new Set(digits))
    for (const host of ["", ":", "a:", "a:080", "[::1]:443", "[fe80::1%25eth0]"]) {
      assert.isTrue(headers.isHost(host), host)
    }
    for (const host of ["[", "]", "[::1", "::1", "[::1]a", "a[::1]", "[[::1]]", "a:b:1"]) {
      assert.isFalse(headers.isHost(host), host)
    }
  })

  it("know no white space but spaces and tabs, and no letters beyond ASCII", () => {
    assert.strictEqual(headers.trim(" \t a \u00a0\t"), "a \u00a0")
    assert.isTrue(headers.hasToken("h2c, \tWebSocket ", "websocket"))
    assert.isFalse(headers.hasToken("\u00a0websocket", "websocket"))
    // The Kelvin sign, whose lower case is an ASCII k.
    assert.isFalse(headers.hasToken("websoc\u212aet", "websocket"))
  })

  it("the Base64 of 16 bytes has 22 digits and two signs of equality", () => {
    const digit = (text: string) => headers.isBase64Of16Bytes(`${text}HNhbXBsZSBub25jZQhNha==`.padStart(24, "A"))
    assert.deepStrictEqual(new Set(matching(digit)), new Set(`+/${digits}${letters}`))
    assert.isTrue(headers.isBase64Of16Bytes("dGhlIHNhbXBsZSBub25jZQ=="))
    const wrong = [
      "",
      "==",
      "dGhlIHNhbXBsZSBub25jZQ",
      "dGhlIHNhbXBsZSBub25jZQ=",
      "dGhlIHNhbXBsZSBub25jZQ===",
      "dGhlIHNhbXBsZSBub25jZQAA",
      "dGhlIHNhbXBsZSBub25jZ===",
      "dGhlIHNhbXBsZSBub25j====",
      "dGhlIHNhbXBsZSBub25jZQA==",
      " dGhlIHNhbXBsZSBub25jZQ="
    ]
    for (const text of wrong) assert.isFalse(headers.isBase64Of16Bytes(text), text)
  })
})
