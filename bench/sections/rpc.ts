import * as Effect from "effect/Effect"
import { pinning, stamp } from "../report/machine.ts"
import type { Section } from "../report/section.ts"
import type { Settings } from "../support/compare.ts"
import { effectRpc, oursRpc } from "../support/contestants.ts"
import { echo } from "../support/workloads.ts"
import { costs, measure } from "./workloads.ts"

const calls = {
  ...echo("RPC", { connections: 64, size: 125, depth: 1 }),
  description: "64 connections, a call of 125 B there and back, one in flight"
}

/** What a call of Effect's RPC costs, over our sockets and over Effect's own. */
export const rpcSection = Effect.fnUntraced(function*(settings: Settings) {
  const measured = yield* measure([effectRpc, oursRpc], settings, calls)
  const body = [
    stamp(`${settings.rounds} rounds of ${settings.seconds} s for each, in turn, ${pinning}`),
    `${calls.description}, in NDJSON. What is not the socket's, Effect's RPC itself and its schemas, is in both.`,
    costs(measured, "call")
  ]
  const section: Section = { id: "rpc", title: "Effect's RPC", body: body.join("\n\n") }
  return section
})
