/** Who is measured: those that are installed. */
import { existsSync } from "node:fs"
import type { Protocol } from "../load/exchange.ts"
import type { Module } from "../servers/main.ts"
import { bufferUtil } from "./bufferUtil.ts"

export interface Contestant {
  readonly name: string
  readonly module: Module
  readonly protocol: Protocol
  readonly isOurs: boolean
  readonly env?: Readonly<Record<string, string>> | undefined
}

// Not on the registry: whoever wants it beside us installs it from its repository.
const hasUws = existsSync(new URL("../node_modules/uWebSockets.js", import.meta.url))

const ours = (name: string, module: Module): Contestant => ({ name, module, protocol: "websocket", isOurs: true })
const peer = (name: string, module: Module, env?: Contestant["env"]): Contestant => ({
  name,
  module,
  protocol: "websocket",
  isOurs: false,
  env
})

export const messages = ours("ours, messages", "messages")
export const each = ours("ours, one at a time", "each")
export const frames = ours("ours, frames", "frames")
export const wsAsInstalled = peer("`ws` as installed", "ws", { WS_NO_BUFFER_UTIL: "1" })
export const effect = peer("Effect over `ws`", "effect", { WS_NO_BUFFER_UTIL: "1" })
export const net: Contestant = { name: "raw `net`, no protocol", module: "net", protocol: "tcp", isOurs: false }

/** Effect's RPC, over its own sockets and over ours. */
export const effectRpc: Contestant = {
  ...peer("RPC over Effect's own", "effectRpc", { WS_NO_BUFFER_UTIL: "1" }),
  protocol: "rpc"
}
export const oursRpc: Contestant = { ...ours("RPC over ours", "oursRpc"), protocol: "rpc" }

const wsWithBufferUtil = bufferUtil === undefined ? undefined : peer("`ws` with bufferutil", "ws")
const uws = hasUws ? peer("uWebSockets.js, native", "uws") : undefined

const present = (contestants: ReadonlyArray<Contestant | undefined>): ReadonlyArray<Contestant> =>
  contestants.filter((contestant) => contestant !== undefined)

/** `ws` at its best, which all ratios are to. */
export const reference = wsWithBufferUtil ?? wsAsInstalled

export const all = present([messages, each, frames, wsAsInstalled, wsWithBufferUtil, effect, net, uws])

/** Those that are given more and more to do. */
export const growing = [messages, reference, net]

/** Those that answer pings and close by themselves, and raw `net`. */
export const idlers = [messages, wsAsInstalled, effect, net]
