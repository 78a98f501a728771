/** `websockets` of Python, as client and as server: one process for any number of connections, told what to do in JSON. */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { spawnSync } from "node:child_process"
import { fileURLToPath } from "node:url"
import { socketPath } from "../../packages/node/test/support/paths.ts"
import { start } from "./childProcess.ts"
import type { Waiting } from "./meeting.ts"
import { type FramePeer, fromWire, toWire } from "./peer.ts"
import { type Address, addressOf, certificate, type Transport } from "./transports.ts"

// Debian's own, whatever else is called python3.
const interpreter = "/usr/bin/python3"

/** Whether there is a Python that has the package. */
export const isInstalled = spawnSync(interpreter, ["-c", "import websockets"]).status === 0

type Answer = { readonly value: any } | { readonly error: string }

export class Python extends Context.Service<Python, {
  /** Runs one of the commands of python_peer.py. */
  readonly ask: (command: string, args: object) => Effect.Effect<any>
}>()("test/Python") {
  static readonly layer = Layer.effect(
    Python,
    Effect.gen(function*() {
      const script = fileURLToPath(new URL("python_peer.py", import.meta.url))
      const python = yield* start(interpreter, [script])
      const waiting = new Map<number, Deferred.Deferred<Answer>>()
      let asked = 0
      const answers = Effect.forever(Effect.gen(function*() {
        const [number, answer] = JSON.parse(yield* python.line)
        yield* Deferred.succeed(waiting.get(number)!, answer)
        waiting.delete(number)
      }))
      // Whoever waits is told that it was in vain.
      const giveUp = (cause: Cause.Cause<never>) =>
        Effect.forEach(waiting.values(), Deferred.succeed<Answer>({ error: Cause.pretty(cause) }))
      yield* Effect.forkScoped(Effect.onError(answers, giveUp))
      const ask = Effect.fnUntraced(function*(command: string, args: object) {
        const answer = yield* Deferred.make<Answer>()
        waiting.set(++asked, answer)
        python.stdin.write(`${JSON.stringify([asked, command, args])}\n`)
        const result = yield* Deferred.await(answer)
        return "value" in result ? result.value : yield* Effect.die(new Error(`python: ${command}: ${result.error}`))
      })
      return { ask }
    })
  )
}

/** Dials. */
export const connect = Effect.fnUntraced(function*(address: Address) {
  const { ask } = yield* Python
  return peer(ask, yield* ask("connect", address))
})

/** Listens. */
export const wait = Effect.fnUntraced(function*(transport: Transport) {
  const { ask } = yield* Python
  const path = transport === "a unix socket" ? yield* socketPath : undefined
  const { port, server } = yield* ask("listen", {
    socketPath: path,
    identity: transport === "TLS" ? certificate : undefined
  })
  return {
    address: addressOf(transport, { port, socketPath: path ?? "" }),
    accepted: Effect.map(ask("accept", { server }), (opened) => peer(ask, opened))
  } satisfies Waiting<FramePeer>
})

const peer = (ask: Python["Service"]["ask"], { connection }: { readonly connection: number }): FramePeer => ({
  send: (...messages) => ask("send", { connection, messages: messages.map(toWire) }),
  receive: Effect.map(ask("receive", { connection, count: 1 }), ([wire]) => fromWire(wire)),
  receiveMany: (count) => Effect.map(ask("receive", { connection, count }), (wires) => wires.map(fromWire)),
  // 1000 is what the package sends where it is given none.
  close: (code = 1000, reason = "") => ask("close", { connection, code, reason }),
  closed: ask("closed", { connection }),
  ping: (payload) => ask("ping", { connection, payload }),
  sendFragments: (fragments) => ask("send_fragments", { connection, fragments })
})
