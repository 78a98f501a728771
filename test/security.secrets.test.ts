import { assert, it } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

const source = (path: string): string => readFileSync(new URL(`../${path}`, import.meta.url), "utf8")

const sources = (directory: string): ReadonlyArray<string> =>
  readdirSync(new URL(`../${directory}`, import.meta.url), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `${directory}/${name}`)

// A client sends credentials, and takes them off before a redirect; it compares none with what a peer sent.
const clients = ["basicAuth.ts", "redirect.ts", "target.ts", "open.ts", "WebsocketClient.ts"]

it("R16: the servers look at no secret, so that they compare none; who admits does, in constant time where we show how", () => {
  const servers = [...sources("packages/core/src"), ...sources("packages/node/src")].filter((path) =>
    !clients.some((name) => path.endsWith(`/${name}`))
  )
  assert.isAbove(servers.length, 40)
  for (const path of servers) {
    const code = source(path).replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, "")
    assert.notMatch(code, /authorization|cookie|password/i, path)
  }
  const example = source("examples/one-port.ts")
  assert.include(example, "timingSafeEqual(digest(a), digest(b))")
  assert.notMatch(example, /authorization.*===/)
})
