/** Credentials in a URL: `ws://user:pass@host/` (RFC 3986 3.2.1), as Basic authentication has them (RFC 7617). */
import * as Result from "effect/Result"
import { hasControls } from "./controls.ts"

/** The value of `Authorization`, `undefined` for a URL without userinfo. Fails with what the userinfo must be. */
export const basicAuth = ({ password, username }: URL): Result.Result<string | undefined, string> => {
  if (username === "" && password === "") return Result.succeed(undefined)
  return Result.try({
    try: () => [decodeURIComponent(username), decodeURIComponent(password)] as const,
    catch: () => "one whose user and password are UTF-8 in percent-encoding"
  }).pipe(Result.flatMap(([user, secret]) => {
    // RFC 7617 2: neither may have control characters, and a user with a colon would be another one to the server.
    if (hasControls(user) || hasControls(secret)) {
      return Result.fail("one whose user and password are free of control characters")
    }
    if (user.includes(":")) return Result.fail("one whose user is free of colons")
    return Result.succeed(`Basic ${Buffer.from(`${user}:${secret}`).toString("base64")}`)
  }))
}

/** The URL for an error: whatever may be a secret before the last "@" is left out, even of what is no URL. */
export const redacted = (url: string): string => {
  const at = url.lastIndexOf("@")
  if (at < 0) return url
  const scheme = `${URL.parse(url)?.protocol}//`
  return `${url.startsWith(scheme) ? scheme : ""}***${url.slice(at)}`
}
