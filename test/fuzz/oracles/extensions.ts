/** `Sec-WebSocket-Extensions` by the grammar of RFC 6455 9.1, token by token, and RFC 7692 7.1 on what it means. */
import type * as PermessageDeflate from "@websocket-stream/core/PermessageDeflate"

export interface Extension {
  readonly name: string
  readonly parameters: ReadonlyArray<readonly [name: string, value: string | undefined]>
}

/** The extensions of a header; nothing where it does not follow the grammar, or names none. */
export const parse = (header: string): ReadonlyArray<Extension> | undefined => {
  const lexemes = lex(header)
  if (lexemes === undefined) return undefined
  const extensions: Array<Extension> = []
  for (const element of splitAt(lexemes, ",")) {
    if (element.length === 0) continue
    const [head, ...rest] = splitAt(element, ";")
    const parameters = rest.map(parameter)
    if (head?.length !== 1 || head[0]!.token === undefined || parameters.includes(undefined)) return undefined
    extensions.push({ name: head[0]!.token, parameters: parameters.filter((one) => one !== undefined) })
  }
  return extensions.length === 0 ? undefined : extensions
}

/** What a server answers to the offers (RFC 7692 7.1), by plain numbers. */
export const answer = (
  offers: ReadonlyArray<Extension>,
  wanted: PermessageDeflate.Parameters
): PermessageDeflate.Parameters | undefined => {
  const offer = offers.find((one) => isDeflate(one) && isValid(one, true))
  if (offer === undefined) return undefined
  const said = new Map(offer.parameters)
  const bits = (name: string) => (said.has(name) ? Number(said.get(name) ?? 15) : undefined)
  return {
    serverNoContextTakeover: said.has("server_no_context_takeover") || wanted.serverNoContextTakeover,
    clientNoContextTakeover: said.has("client_no_context_takeover") || wanted.clientNoContextTakeover,
    serverMaxWindowBits: atMost(bits("server_max_window_bits") ?? 15, wanted.serverMaxWindowBits),
    clientMaxWindowBits: said.has("client_max_window_bits")
      ? atMost(bits("client_max_window_bits")!, wanted.clientMaxWindowBits)
      : 15
  }
}

/** What a client takes an answer to mean, or `"wrong"`. */
export const agreed = (
  answers: ReadonlyArray<Extension> | undefined,
  wanted: PermessageDeflate.Parameters
): PermessageDeflate.Parameters | "wrong" => {
  const [extension] = answers ?? []
  if (extension === undefined || answers?.length !== 1 || !isDeflate(extension) || !isValid(extension, false)) {
    return "wrong"
  }
  const said = new Map(extension.parameters)
  const server = Number(said.get("server_max_window_bits") ?? 15)
  const client = Number(said.get("client_max_window_bits") ?? wanted.clientMaxWindowBits)
  if (server > wanted.serverMaxWindowBits || client > wanted.clientMaxWindowBits) return "wrong"
  if (wanted.serverNoContextTakeover && !said.has("server_no_context_takeover")) return "wrong"
  return {
    serverNoContextTakeover: said.has("server_no_context_takeover"),
    clientNoContextTakeover: said.has("client_no_context_takeover") || wanted.clientNoContextTakeover,
    serverMaxWindowBits: atMost(server, 15),
    clientMaxWindowBits: atMost(client, 15)
  }
}

const isDeflate = ({ name }: Extension): boolean => name === "permessage-deflate"

const isValid = ({ parameters }: Extension, isOffer: boolean): boolean =>
  new Set(parameters.map(([name]) => name)).size === parameters.length &&
  parameters.every(([name, value]) => {
    if (name === "server_no_context_takeover" || name === "client_no_context_takeover") return value === undefined
    if (name === "client_max_window_bits" && isOffer && value === undefined) return true
    return (name === "server_max_window_bits" || name === "client_max_window_bits") &&
      /^([89]|1[0-5])$/.test(value ?? "")
  })

const atMost = (bits: number, most: PermessageDeflate.WindowBits): PermessageDeflate.WindowBits =>
  windowBits.find((one) => one === Math.min(bits, most))!

const windowBits = [8, 9, 10, 11, 12, 13, 14, 15] as const

interface Lexeme {
  readonly token?: string | undefined
  readonly quoted?: string | undefined
  readonly mark?: string | undefined
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const lexeme = /[ \t]*(?:(?<token>[!#$%&'*+\-.^_`|~0-9A-Za-z]+)|"(?<quoted>(?:[^"\\]|\\[^])*)"|(?<mark>[,;=]))[ \t]*/y

const lex = (header: string): ReadonlyArray<Lexeme> | undefined => {
  const lexemes: Array<Lexeme> = []
  if (/^[ \t]*$/.test(header)) return lexemes
  lexeme.lastIndex = 0
  while (lexeme.lastIndex < header.length) {
    const found = lexeme.exec(header)
    if (found === null) return undefined
    lexemes.push(found.groups!)
  }
  return lexemes
}

const parameter = (lexemes: ReadonlyArray<Lexeme>): readonly [string, string | undefined] | undefined => {
  const [name, equals, value, ...others] = lexemes
  if (name?.token === undefined || others.length > 0) return undefined
  if (equals === undefined) return [name.token, undefined]
  if (equals.mark !== "=" || value === undefined || value.mark !== undefined) return undefined
  const unescaped = value.token ?? value.quoted!.replaceAll(/\\([^])/g, "$1")
  return token.test(unescaped) ? [name.token, unescaped] : undefined
}

const splitAt = (lexemes: ReadonlyArray<Lexeme>, mark: string): ReadonlyArray<ReadonlyArray<Lexeme>> => {
  const parts: Array<Array<Lexeme>> = [[]]
  for (const one of lexemes) {
    if (one.mark === mark) parts.push([])
    else parts.at(-1)!.push(one)
  }
  return parts
}
