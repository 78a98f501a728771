import { it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Readable } from "node:stream"
import { Excerpt } from "../../src/internal/excerpt.ts"
import { event, park } from "../support/streams.ts"

it.effect("is complete for who asks late, too: at the end, at 1,024 bytes, or when the connection is gone", () =>
  Effect.gen(function*() {
    const ends = [
      ["end", (body: Readable) => body.push(null)],
      ["data", (body: Readable) => body.push("x".repeat(1024))],
      ["close", (body: Readable) => body.destroy(new Error("gone"))]
    ] as const
    for (const [name, end] of ends) {
      const body = new Readable({ read: () => {} })
      const excerpt = new Excerpt(body)
      const ended = yield* park(event(body, name))
      const complete = yield* park(excerpt.complete)
      end(body)
      yield* Fiber.join(ended)
      yield* Fiber.join(complete)
      yield* excerpt.complete
    }
  }))
