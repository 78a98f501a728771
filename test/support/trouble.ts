/** The program `troubled.ts`, started, and how a test shows that it serves on. */
import { assert } from "@effect/vitest"
import { type Websocket, WebsocketClient, type WebsocketError } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { fileURLToPath } from "node:url"
import { start } from "./childProcess.ts"

export type Ws = Websocket.Websocket["Service"]

export interface Troubled extends Effect.Success<ReturnType<typeof start>> {
  readonly port: number
  /** Opens a connection to a path: what its handler does is named there. */
  readonly connect: (path: string) => Effect.Effect<Ws, WebsocketError.OpenError, Scope.Scope>
  /** Shows that it serves: somebody new gets an echo, and all is closed cleanly. */
  readonly serves: Effect.Effect<void, unknown>
}

/** Under a shell that may limit it or redirect its output: `"$@"` is the program. */
export const troubled = Effect.fnUntraced(function*(shell = `exec "$@"`, ...args: ReadonlyArray<string>) {
  const program = fileURLToPath(new URL("troubled.ts", import.meta.url))
  // Not bash, which takes an input that is a socket, as Node's pipes are, for one of rshd's, and runs its user's .bashrc: whatever
  // that says is not the program's.
  const child = yield* start("sh", ["-c", shell, "sh", process.execPath, program, ...args])
  const port = Number(yield* child.line)
  const connect: Troubled["connect"] = (path) =>
    WebsocketClient.connect(`ws://127.0.0.1:${port}${path}`, { closeDeadline: "1 minute" })
  const serves = Effect.gen(function*() {
    const ws = yield* connect("/")
    yield* echoes(ws)
    assert.strictEqual((yield* ws.close()).code, 1000)
  }).pipe(Effect.scoped)
  const troubled: Troubled = { ...child, port, connect, serves }
  return troubled
})

/** Shows that a connection is served. */
export const echoes = Effect.fnUntraced(function*(ws: Ws) {
  yield* ws.send("still here")
  assert.strictEqual(yield* textOf(ws), "still here")
})

/** The next message, as text. */
export const textOf = (ws: Ws): Effect.Effect<string, WebsocketError.ReadError> =>
  Effect.map(ws.receive, ({ payload }) => Buffer.from(payload).toString())

/** The code that a connection is closed with by the server. */
export const codeOf = (ws: Ws): Effect.Effect<number | undefined> =>
  Effect.match(Effect.forever(ws.receive), {
    onFailure: ({ reason }) => reason._tag === "Closed" ? reason.code : undefined,
    onSuccess: () => undefined
  })
