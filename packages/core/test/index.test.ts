import { assert, it } from "@effect/vitest"
import * as core from "@websocket-stream/core"
import { sourceNames } from "./support/sources.ts"

it("the package exports every public module by its name, and nothing else", () => {
  const isPublic = (name: string) => name !== "index" && !name.startsWith("internal/")
  assert.sameMembers(Object.keys(core), sourceNames.filter(isPublic))
})
