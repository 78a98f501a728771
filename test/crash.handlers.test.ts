/** Handlers that throw and handlers that never end, in a server that is a process of its own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { timeout } from "./support/examples.ts"
import * as RawPeer from "./support/rawPeer.ts"
import { codeOf, echoes, troubled } from "./support/trouble.ts"

const throwing: ReadonlyArray<readonly [path: string, log: string, code?: number]> = [
  ["/throw", "Error: thrown by a handler"],
  ["/throw-in-an-effect", "Error: thrown in an effect"],
  ["/throw-no-error", "WebSocket handler failed"],
  ["/reject", "Error: rejected"],
  ["/throw-in-a-fiber", "Error: of a fiber"],
  ["/throw-in-a-finalizer", "Error: of a finalizer", 1001],
  ["/overflow-the-stack", "RangeError: Maximum call stack size exceeded"]
]

describe("a handler that throws", { timeout }, () => {
  it.live("ends its own connection, is logged, and the server serves on", () =>
    Effect.gen(function*() {
      const { connect, ended, kill, serves } = yield* troubled()
      const bystander = yield* connect("/")
      // Often enough that places which are not given back, of which there are 64, would be missed.
      for (let time = 0; time < 10; time++) {
        for (const [path, , code = 1011] of throwing) {
          const ws = yield* connect(path)
          yield* ws.send("now")
          assert.strictEqual(yield* codeOf(ws), code, path)
        }
        yield* echoes(bystander)
      }
      yield* serves
      yield* bystander.close()
      yield* kill("SIGTERM")
      const { status, stderr } = yield* ended
      assert.strictEqual(status, 0)
      for (const [path, log] of throwing) assert.include(stderr, log, path)
    }).pipe(Effect.scoped))
})

describe("a handler that never ends", { timeout }, () => {
  it.live("keeps nobody from being served, nor the server from closing at its deadline", () =>
    Effect.gen(function*() {
      const { connect, ended, kill, port, serves } = yield* troubled()
      const stuck = yield* Effect.forEach(["/never", "/never-resolve", "/never"], connect)
      // What it is sent stands before the Close frame, which may come too late for the deadline.
      const flooded = yield* connect("/send-for-ever")
      for (const ws of [...stuck, flooded]) yield* ws.send("now")
      // It takes nothing of what it is sent, and will not answer that it is to leave.
      const mute = yield* RawPeer.dial(port)
      yield* mute.pause
      yield* serves
      yield* kill("SIGTERM")
      const codes = yield* Effect.forEach(stuck, codeOf, { concurrency: "unbounded" })
      assert.deepStrictEqual(codes, stuck.map(() => 1001))
      yield* codeOf(flooded)
      assert.deepInclude(yield* ended, { status: 0, signal: null, stderr: "" })
    }).pipe(Effect.scoped))
})
