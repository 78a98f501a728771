/** No protocol at all: what comes goes out, masked as it is. More than this no server on `node:net` can do. */
import * as Effect from "effect/Effect"
import { createServer, type Socket } from "node:net"
import { bind } from "./bind.ts"
import type { Listen } from "./task.ts"

/** What the server says to whom it has accepted. */
export const greeting = "\n"

export const listen: Listen = (task) =>
  Effect.suspend(() => {
    const all = new Set<Socket>()
    const server = createServer({ noDelay: true }, (socket) => {
      all.add(socket)
      // Otherwise a client would believe that it is served while it waits to be accepted.
      socket.write(greeting)
      // The load resets its connections, which is no failure.
      socket.on("error", () => socket.destroy()).on("close", () => all.delete(socket))
      socket.on("data", (bytes) => {
        if (task === "echo") socket.write(bytes)
        else for (const other of all) if (other !== socket) other.write(bytes)
      })
    })
    return bind(server)
  })
