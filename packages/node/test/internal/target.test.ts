import { assert, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { hostname, parse } from "../../src/internal/target.ts"

it("a target has user and password among its headers, in front of the others, and not in its URL", () => {
  const { headers, url } = Result.getOrThrow(parse("wss://user:word@[::1]:8080/a?b", [["Origin", "http://a"]]))
  assert.strictEqual(url.href, "wss://[::1]:8080/a?b")
  assert.deepStrictEqual(headers, [["Authorization", "Basic dXNlcjp3b3Jk"], ["Origin", "http://a"]])
  assert.strictEqual(hostname(url), "::1")
})

it("an Authorization that is given is the only one, whatever its case", () => {
  for (const name of ["Authorization", "authorization"]) {
    const given = [[name, "Bearer 1"]] as const
    assert.deepStrictEqual(Result.getOrThrow(parse("ws://user:word@127.0.0.1/", given)).headers, given)
  }
})
