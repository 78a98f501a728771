import { assert, it } from "@effect/vitest"
import type { HeaderLines } from "@websocket-stream/core/OpeningHandshake"
import * as Result from "effect/Result"
import { next } from "../../src/internal/redirect.ts"

const headers: HeaderLines = [["Authorization", "Bearer 1"], ["Origin", "http://a"]]

const follow = (from: string, location: string) => {
  const target = next({ url: new URL(from), headers }, 307, { location })
  if (target === undefined) return "nowhere"
  const { headers: kept, url } = Result.getOrThrow(target)
  return `${url.href} ${kept === headers ? "with" : "without"} credentials`
}

it("the same host is the same port too, unless it is the default one of either scheme", () => {
  assert.strictEqual(follow("ws://a.test/x", "https://a.test/y"), "wss://a.test/y with credentials")
  assert.strictEqual(follow("ws://a.test/x", "https://a.test:443/y"), "wss://a.test/y with credentials")
  assert.strictEqual(follow("ws://a.test:80/x", "wss://A.test/y"), "wss://a.test/y with credentials")
  assert.strictEqual(follow("ws://a.test:8080/x", "wss://a.test:8080/y"), "wss://a.test:8080/y with credentials")
  assert.strictEqual(follow("ws://a.test:8080/x", "ws://a.test/y"), "ws://a.test/y without credentials")
  assert.strictEqual(follow("ws://a.test/x", "ws://a.test:443/y"), "ws://a.test:443/y without credentials")
  assert.strictEqual(follow("ws://a.test/x", "ws://www.a.test/y"), "ws://www.a.test/y without credentials")
})

it("a Location may be relative", () => {
  assert.strictEqual(follow("wss://a.test/x/y?q", "z"), "wss://a.test/x/z with credentials")
  assert.strictEqual(follow("wss://a.test/x/y?q", "?r"), "wss://a.test/x/y?r with credentials")
  assert.strictEqual(follow("wss://a.test/x/y", "//b.test"), "wss://b.test/ without credentials")
})

it("every octet beyond ASCII stays the one that the server wrote, the first and the last of them, too", () => {
  // "À" and "ÿ" in UTF-8, as Node reads them.
  assert.strictEqual(follow("ws://a.test/", "/\u00c3\u0080?\u00c3\u00bf"), "ws://a.test/%C3%80?%C3%BF with credentials")
})

it("what a server writes for user and password is not taken, nor is a fragment", () => {
  assert.strictEqual(follow("ws://a.test/", "//user:word@a.test/x#y"), "ws://a.test/x with credentials")
})
