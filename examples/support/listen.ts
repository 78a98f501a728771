import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Server } from "node:net"

/** The address cannot be listened on. */
export class ListenError extends Data.TaggedError("ListenError")<{
  readonly port: number
  readonly error: NodeJS.ErrnoException
}> {
  override get message(): string {
    return this.error.code === "EADDRINUSE"
      // npm keeps to itself what does not come after --, and most begin with `npm start`.
      ? `port ${this.port} is in use; stop what listens there, or take another one with --port N ` +
        "(by npm: npm start -- --port N; 0 picks a free one)"
      : `cannot listen on port ${this.port}: ${this.error.message}`
  }
}

/** Listens on a port of 127.0.0.1 until the scope closes, and answers the port: 0 picks a free one. */
export const listen = (server: Server, port: number): Effect.Effect<number, ListenError, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.callback<number, ListenError>((resume) => {
      const onError = (error: NodeJS.ErrnoException) => resume(Effect.fail(new ListenError({ port, error })))
      server.once("error", onError)
      server.listen({ port, host: "127.0.0.1" }, () => {
        server.off("error", onError)
        const address = server.address()
        resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
      })
    }),
    () => Effect.sync(() => server.close())
  )
