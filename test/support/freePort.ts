/** For programs that want to be told a port: one that nobody listens at just now. */
import * as Effect from "effect/Effect"
import { randomInt } from "node:crypto"
import * as net from "node:net"

export const freePort: Effect.Effect<number> = Effect.promise(async () => {
  while (true) {
    // Below those that systems give to whoever dials, or does not care: of these one may be gone by the time it is used.
    const port = randomInt(20_000, 32_000)
    if (await isFree(port)) return port
  }
})

const isFree = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const server = net.createServer()
    server.once("error", () => resolve(false))
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)))
  })
