/** SECURITY.md says what limits there are by default: those of the code. */
import { assert, it } from "@effect/vitest"
import { Limits } from "@websocket-stream/core"
import { Websocket, WebsocketClient, WebsocketServer, WebsocketStream } from "@websocket-stream/node"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { readFileSync } from "node:fs"

const doc = readFileSync(new URL("../SECURITY.md", import.meta.url), "utf8")

const size = (bytes: number): string => bytes < 1024 ** 2 ? `${bytes / 1024} KiB` : `${bytes / 1024 ** 2} MiB`
const count = (n: number): string => n.toLocaleString("en")
const time = (duration: Duration.Input): string => {
  const seconds = Duration.toSeconds(Duration.fromInputUnsafe(duration))
  return `${seconds} second${seconds === 1 ? "" : "s"}`
}

it("SECURITY.md has the limits and deadlines that hold by default", () => {
  const server = Result.getOrThrow(Limits.make("server"))
  const client = Result.getOrThrow(Limits.make("client"))
  const table = Object.fromEntries(
    Array.from(doc.matchAll(/^\| (`[^|]+?) +\| ([^|]+?) +\|/gm), ([, option = "", value = ""]) => [option, value])
  )
  assert.deepStrictEqual(table, {
    "`limits.maxMessageSize` of a server": size(server.maxMessageSize),
    "`limits.maxMessageSize` of a client": size(client.maxMessageSize),
    "`limits.maxFrameSize`": "the same",
    "`limits.maxInflatedSize`": "the same",
    "`limits.maxFragments`": count(server.maxFragments),
    "`limits.maxHeldBytes`": size(server.maxHeldBytes),
    "`receiveBuffer`": size(Websocket.defaultReceiveBuffer),
    "`maxConnections` of a server": count(WebsocketServer.defaultMaxConnections),
    "`handshakeDeadline` of a server": time(WebsocketServer.defaultHandshakeDeadline),
    "`openDeadline` of a client": time(WebsocketClient.defaultOpenDeadline),
    "`heartbeat` of a server": time(WebsocketServer.defaultHeartbeat),
    "`idleDeadline` of a server": time(WebsocketServer.defaultIdleDeadline),
    "`closeDeadline`": time(Websocket.defaultCloseDeadline),
    "`drainDeadline` of a server": time(WebsocketServer.defaultDrainDeadline),
    "`handlerDeadline` of a server": time(WebsocketServer.defaultHandlerDeadline),
    "`linger` of a `WebsocketStream`": time(WebsocketStream.defaultLinger),
    // Of these there are no constants: "follows nothing unless asked to", "How long a connection may live".
    "`maxRedirects` of a client": "0",
    "`maxLife` of a server": "none"
  })
  for (const { maxFrameSize, maxInflatedSize, maxMessageSize } of [server, client]) {
    assert.deepStrictEqual([maxFrameSize, maxInflatedSize], [maxMessageSize, maxMessageSize])
  }
  assert.deepInclude(client, { maxFragments: server.maxFragments, maxHeldBytes: server.maxHeldBytes })
})
