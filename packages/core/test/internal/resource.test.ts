import { assert, describe, it } from "@effect/vitest"
import { resource } from "../../src/internal/resource.ts"

describe("resource", () => {
  it("is the target itself, as it came, where that is a path", () => {
    for (const target of ["/", "/a", "/a?b=c", "/?", "//a.test/b", "/a/../b", "/%2e%2e/a", "/http://a.test/", "/*"]) {
      assert.deepStrictEqual(resource(target), { name: target, host: undefined })
    }
  })

  it("is path and query of a whole URL, as they came, and its host", () => {
    for (
      const [target, host, name] of [
        ["http://a.test/b?c=d", "a.test", "/b?c=d"],
        ["https://a.test/b", "a.test", "/b"],
        ["HTTP://A.test", "A.test", "/"],
        ["hTTPs://a.test?b=/c", "a.test", "/?b=/c"],
        ["http://a.test:8080/", "a.test:8080", "/"],
        ["http://a.test:/", "a.test:", "/"],
        ["http://[::1]:80/a", "[::1]:80", "/a"],
        ["http://a.test/b/../%2e/c", "a.test", "/b/../%2e/c"],
        ["http://a.test/@/http://b.test", "a.test", "/@/http://b.test"],
        ["http://a", "a", "/"]
      ] as const
    ) {
      assert.deepStrictEqual(resource(target), { name, host })
    }
  })

  it("is none of an asterisk, another scheme, no host, userinfo and a fragment", () => {
    for (
      const target of [
        "",
        "*",
        "*a",
        "a",
        "a.test:80",
        "?a",
        "/a#b",
        "/a b",
        "/\u00e4",
        "http:",
        "http:/a",
        "http:a.test",
        "http://",
        "https://",
        "http:///a",
        "http://?a",
        "http://:80/",
        "http://a@b.test/",
        "http://a:b@c.test/",
        "http://a.test:b/",
        "http://[::1/",
        "http://a.test/b#c",
        "http://a.test#b",
        "http://a.test/b c",
        "http://a.test/\u00e4",
        "http\u017f://a.test/",
        "ws://a.test/",
        "wss://a.test/",
        "ftp://a.test/",
        "file:///a"
      ]
    ) {
      assert.isUndefined(resource(target), target)
    }
  })
})
