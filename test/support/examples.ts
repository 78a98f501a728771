/** The programs of examples/, started as their user starts them. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { start } from "./childProcess.ts"

const root = new URL("../../", import.meta.url)

/** Milliseconds for a test of programs: on a busy machine it takes seconds to start one. */
export const timeout = 120_000

export const run = (name: string, ...args: ReadonlyArray<string>) => runWith({}, name, ...args)

/** With variables of the environment. */
const runWith = (env: NodeJS.ProcessEnv, name: string, ...args: ReadonlyArray<string>) =>
  start(process.execPath, [`examples/${name}.ts`, ...args], { cwd: root, env })

/** A server on a free port, once it is ready. */
export const serve = (name: string, ...args: ReadonlyArray<string>) => serveWith({}, name, ...args)

/** With variables of the environment. */
export const serveWith = Effect.fnUntraced(function*(
  env: NodeJS.ProcessEnv,
  name: string,
  ...args: ReadonlyArray<string>
) {
  const program = yield* runWith(env, name, ...args, "--port", "0")
  const url = (yield* program.line).replace("listening on ", "")
  return { ...program, url }
})

/** A server that several tests share, which leave it running. */
export class Server extends Context.Service<Server, { readonly url: string }>()("test/Server") {
  static readonly layer = (name: string) => Layer.effect(Server, serve(name))
}
