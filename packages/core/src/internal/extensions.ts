/**
 * `Sec-WebSocket-Extensions` (RFC 6455 9.1), read without a regular expression.
 *
 * ```text
 * extension-list  = 1#extension
 * extension       = token *( ";" extension-param )
 * extension-param = token [ "=" (token | quoted-string) ]
 * ```
 */
import { isToken, trim } from "./headers.ts"

export interface Extension {
  readonly name: string
  /** In their order; a name may stand there twice. A parameter without a value has `undefined`. */
  readonly parameters: ReadonlyArray<readonly [name: string, value: string | undefined]>
}

/** The extensions of a header, or `undefined` for a header that does not follow the grammar. */
export const parseExtensions = (header: string): ReadonlyArray<Extension> | undefined => {
  const extensions: Array<Extension> = []
  // A value has to be a token even within quotes, so a separator there is in a header that is refused in any case.
  for (const element of header.split(",")) {
    const [name, ...parameters] = element.split(";").map(trim)
    // RFC 9110 5.6.1: empty elements of a list are skipped.
    if (name === "" && parameters.length === 0) continue
    if (name === undefined || !isToken(name)) return undefined
    const parsed = parameters.map(parseParameter)
    if (!parsed.every((parameter) => parameter !== undefined)) return undefined
    extensions.push({ name, parameters: parsed })
  }
  return extensions.length === 0 ? undefined : extensions
}

const parseParameter = (text: string): readonly [name: string, value: string | undefined] | undefined => {
  const equals = text.indexOf("=")
  if (equals < 0) return isToken(text) ? [text, undefined] : undefined
  const name = trim(text.slice(0, equals))
  const value = unquote(trim(text.slice(equals + 1)))
  return isToken(name) && isToken(value) ? [name, value] : undefined
}

// RFC 6455 9.1: "When using the quoted-string syntax variant, the value after quoted-string unescaping MUST conform to the
// 'token' ABNF." What is no such string is left as it is, and is no token then.
const unquote = (text: string): string => {
  if (!text.startsWith(`"`) || !text.endsWith(`"`)) return text
  let value = ""
  for (let i = 1; i < text.length - 1; i++) {
    if (text[i] === "\\") i++
    value += text[i]
  }
  return value
}
