import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** A path for a unix socket, in a directory of its own. */
export const socketPath: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "websocket-stream-"))),
  (directory) => Effect.promise(() => rm(directory, { recursive: true }))
).pipe(Effect.map((directory) => join(directory, "socket")))
