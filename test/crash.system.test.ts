/** What the system does to a server: no descriptors, no room on the disk, a clock that jumps. */
import { assert, describe, it } from "@effect/vitest"
import type { WebsocketError } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { timeout } from "./support/examples.ts"
import * as Raw from "./support/rawFrames.ts"
import * as RawPeer from "./support/rawPeer.ts"
import { codeOf, echoes, textOf, type Troubled, troubled, type Ws } from "./support/trouble.ts"

describe("a server that has no descriptors left", { timeout }, () => {
  /** A connection in a scope of its own, or why there is none. */
  const attempt = Effect.fnUntraced(function*({ connect }: Troubled) {
    const scope = yield* Scope.fork(yield* Effect.scope)
    const leave = Scope.close(scope, Exit.void)
    return yield* Effect.match(Scope.provide(connect("/"), scope), {
      onFailure: ({ reason }: WebsocketError.OpenError) => reason,
      onSuccess: (ws): { readonly ws: Ws; readonly leave: Effect.Effect<void> } => ({ ws, leave })
    })
  })

  it.live("hangs up on who comes, serves those who are there, and takes the next when one has left", () =>
    Effect.gen(function*() {
      const server = yield* troubled(`ulimit -n 48 && exec "$@"`)
      for (let time = 0; time < 3; time++) {
        const open: Array<{ readonly ws: Ws; readonly leave: Effect.Effect<void> }> = []
        for (;;) {
          const attempted = yield* attempt(server)
          if ("ws" in attempted) open.push(attempted)
          else {
            assert.include(["ECONNRESET", "EPIPE"], attempted._tag === "Io" && attempted.code)
            break
          }
        }
        assert.isAbove(open.length, 5)
        for (const { ws } of open) yield* echoes(ws)
        assert.isFalse("ws" in (yield* attempt(server)))
        yield* open.pop()!.leave
        // The server has its descriptor back a little later than its peer knows.
        let next = yield* attempt(server)
        while (!("ws" in next)) next = yield* attempt(server)
        yield* echoes(next.ws)
        for (const { leave } of [...open, next]) yield* leave
      }
      yield* server.kill("SIGTERM")
      const { status, stderr } = yield* server.ended
      assert.strictEqual(status, 0)
      assert.match(stderr, /^$|could not accept a connection/)
    }).pipe(Effect.scoped))
})

describe.skipIf(!existsSync("/dev/full"))("a server that has no room for its log", { timeout }, () => {
  for (
    const [how, shell, args] of [
      ["where standard error is full", `exec "$@" 2>/dev/full`, []],
      ["where its logger throws", `exec "$@"`, ["--log-to", "/dev/full"]]
    ] as const
  ) {
    it.live(`serves on, ${how}`, () =>
      Effect.gen(function*() {
        const { connect, ended, kill, serves } = yield* troubled(shell, ...args)
        const bystander = yield* connect("/")
        // More than there are places: each is given back.
        for (let time = 0; time < 70; time++) {
          const ws = yield* connect("/throw")
          yield* ws.send("now")
          assert.strictEqual(yield* codeOf(ws), 1011)
        }
        yield* echoes(bystander)
        yield* serves
        yield* bystander.close()
        yield* kill("SIGTERM")
        assert.deepInclude(yield* ended, { status: 0, signal: null })
      }).pipe(Effect.scoped))
  }
})

describe("a server whose clock jumps", { timeout }, () => {
  const hour = 3_600_000

  const jump = Effect.fnUntraced(function*({ connect }: Troubled, milliseconds: number) {
    const ws = yield* connect("/jump")
    yield* ws.send(`${milliseconds}`)
    assert.strictEqual(yield* textOf(ws), "jumped")
  }, Effect.scoped)

  /** Waits for so many heartbeats, and answers them: the deadlines were looked at as often. */
  const heartbeats = Effect.fnUntraced(function*(peer: RawPeer.RawPeer, count: number) {
    for (let left = count; left > 0; left--) {
      const { opcode, payload } = yield* peer.frame
      assert.strictEqual(opcode, Raw.ping)
      yield* peer.send([{ opcode: Raw.pong, payload }])
    }
  })

  it.live("keeps who is there when it goes ahead by an hour, and cuts who is silent when it goes back by two", () =>
    Effect.gen(function*() {
      const server = yield* troubled()
      const peer = yield* RawPeer.dial(server.port)
      const timing = yield* server.connect("/round-trip")
      yield* heartbeats(peer, 1)
      // Past every deadline that there is: silence, life, handshake.
      yield* jump(server, hour)
      yield* heartbeats(peer, 4)
      const mute = yield* RawPeer.dial(server.port)
      yield* jump(server, -2 * hour)
      yield* heartbeats(peer, 4)
      yield* timing.send("now")
      const roundTrip = Number(yield* textOf(timing))
      assert.isAtLeast(roundTrip, 0)
      assert.isBelow(roundTrip, 60_000)
      // By the clock of the wall there would be two hours to go.
      assert.isAbove((yield* mute.rest).length, 0)
      yield* server.serves
      yield* server.kill("SIGTERM")
      assert.strictEqual(yield* codeOf(timing), 1001)
      assert.deepInclude(yield* server.ended, { status: 0, signal: null, stderr: "" })
    }).pipe(Effect.scoped))
})
