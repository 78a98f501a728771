import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Server } from "node:net"
import { Failure } from "../support/failure.ts"

/** Lets a server listen on a free port of 127.0.0.1, and answers the port. */
export const bind = (server: Server): Effect.Effect<number, Failure, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, Failure>((resume) => {
      server.once("error", ({ message }) => resume(Effect.fail(new Failure({ message }))))
      server.listen({ host: "127.0.0.1", port: 0 }, () => {
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
      })
    }),
    () => Effect.sync(() => server.close())
  )
