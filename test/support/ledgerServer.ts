/**
 * A server that keeps what it is sent, for who kills it: each message goes to a file, and is acknowledged when it is there. What was
 * sent again because nobody acknowledged it is kept once.
 *
 *     node test/support/ledgerServer.ts PORT FILE
 */
import { WebsocketServer } from "@websocket-stream/node"
import * as Effect from "effect/Effect"
import * as fs from "node:fs"

const [port, path] = process.argv.slice(2)
const file = fs.openSync(path!, "a+")

/** The number that each client is to send next. */
const next = new Map<string, number>()
for (const line of fs.readFileSync(file, "utf8").split("\n").slice(0, -1)) {
  const [client, number] = line.split(" ")
  next.set(client!, Number(number) + 1)
}

const keep = (text: string): string => {
  const [client = "", digits] = text.split(" ")
  const number = Number(digits)
  const expected = next.get(client) ?? 0
  if (number > expected) throw new Error(`${client} sends ${number} where ${expected} would be next`)
  if (number === expected) {
    // One call: whoever kills us finds it done or not.
    fs.writeSync(file, `${client} ${number}\n`)
    next.set(client, number + 1)
  }
  return `${number}`
}

const program = Effect.gen(function*() {
  const server = yield* WebsocketServer.make({ host: "127.0.0.1", port: Number(port) })
  console.log("listening")
  return yield* server.run((ws) =>
    ws.runForEach((message) => Effect.suspend(() => ws.send(keep(Buffer.from(message.payload).toString()))))
  )
})

Effect.runFork(Effect.scoped(program))
