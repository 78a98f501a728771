/** curl, where it is installed: what a person sees who looks at a server by hand. */
import * as Effect from "effect/Effect"
import { execFile, spawnSync } from "node:child_process"

/** For `describe.skipIf`: without curl its tests are reported as skipped. */
export const isMissing = spawnSync("curl", ["--version"]).status !== 0

export interface Response {
  /** With the version of HTTP in front. */
  readonly status: string
  /** By name in lower case. */
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Makes a request, and waits for the end of the response. Dies if curl is not content with it. */
export const curl = (...args: ReadonlyArray<string>): Effect.Effect<Response> =>
  Effect.callback((resume) => {
    // Nothing of the user's settings: neither the file nor a proxy.
    const all = ["--disable", "--silent", "--show-error", "--noproxy", "*", "--include", ...args]
    const child = execFile("curl", all, (error, stdout) => {
      resume(error === null ? Effect.succeed(parse(stdout)) : Effect.die(error))
    })
    return Effect.sync(() => child.kill())
  })

const parse = (text: string): Response => {
  const end = text.indexOf("\r\n\r\n")
  const [status = "", ...lines] = text.slice(0, end).split("\r\n")
  const headers = lines.map((line): readonly [string, string] => {
    const colon = line.indexOf(":")
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
  })
  return { status, headers: new Map(headers), body: text.slice(end + 4) }
}
