/**
 * The negotiation of the extension permessage-deflate (RFC 7692 section 7.1). What is agreed on is plain numbers and booleans;
 * the compression itself is the business of whoever has a zlib.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { ResponseError } from "./HandshakeError.ts"
import { type Extension, parseExtensions } from "./internal/extensions.ts"
import { OptionError } from "./OptionError.ts"

/**
 * The size of a sliding window as a power of two: 8 is 256 bytes, 15 is 32 KiB.
 *
 * @category models
 * @since 0.1.0
 */
export type WindowBits = 8 | 9 | 10 | 11 | 12 | 13 | 14 | 15

/**
 * What both ends keep to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parameters {
  /** Whether the server begins each message with an empty window (RFC 7692 7.1.1.1). */
  readonly serverNoContextTakeover: boolean
  /** Whether the client does (RFC 7692 7.1.1.2). */
  readonly clientNoContextTakeover: boolean
  /** The largest window that the server compresses with (RFC 7692 7.1.2.1). */
  readonly serverMaxWindowBits: WindowBits
  /** The largest window that the client compresses with (RFC 7692 7.1.2.2). */
  readonly clientMaxWindowBits: WindowBits
}

/**
 * What to ask for.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = { readonly [Name in keyof Parameters]?: Parameters[Name] | undefined }

/**
 * No context is taken over, in either direction, so that a connection holds no window between two messages; windows may have
 * their full size.
 *
 * @category defaults
 * @since 0.1.0
 */
export const defaults: Parameters = {
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15
}

/**
 * Completes what to ask for with the defaults; fails with an `OptionError` for a window of another size than 8 to 15 bits.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options?: Options): Result.Result<Parameters, OptionError> => {
  const parameters = {
    serverNoContextTakeover: options?.serverNoContextTakeover ?? defaults.serverNoContextTakeover,
    clientNoContextTakeover: options?.clientNoContextTakeover ?? defaults.clientNoContextTakeover,
    serverMaxWindowBits: options?.serverMaxWindowBits ?? defaults.serverMaxWindowBits,
    clientMaxWindowBits: options?.clientMaxWindowBits ?? defaults.clientMaxWindowBits
  }
  for (const name of ["serverMaxWindowBits", "clientMaxWindowBits"] as const) {
    const value: number = parameters[name]
    if (!isWindowBits(value)) {
      return Result.fail(
        new OptionError({ option: `deflate.${name}`, value, expected: "a whole number from 8 to 15" })
      )
    }
  }
  return Result.succeed(parameters)
}

/**
 * What a server answers to a client's offers, and what is agreed on by that; `undefined` when it declines all of them.
 *
 * **Details**
 *
 * The first offer that can be kept is taken: they come in the client's order of preference (RFC 7692 5). An offer with a
 * parameter that is unknown, doubled or out of range is declined (RFC 7692 7.1), and the next one is looked at.
 *
 * **Example** (A browser's offer)
 *
 * ```ts
 * import { PermessageDeflate } from "@websocket-stream/core"
 *
 * const agreed = PermessageDeflate.accept("permessage-deflate; client_max_window_bits", PermessageDeflate.defaults)
 * agreed?.header // => "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
 * ```
 *
 * @param header the client's `Sec-WebSocket-Extensions`
 * @param wanted the least that we ask for
 * @category server
 * @since 0.1.0
 */
export const accept = (
  header: string,
  wanted: Parameters
): { readonly header: string; readonly parameters: Parameters } | undefined => {
  for (const extension of parseExtensions(header) ?? []) {
    const offer = extension.name === name ? parseOffer(extension) : undefined
    if (offer === undefined) continue
    const parameters: Parameters = {
      serverNoContextTakeover: offer.serverNoContextTakeover || wanted.serverNoContextTakeover,
      clientNoContextTakeover: offer.clientNoContextTakeover || wanted.clientNoContextTakeover,
      serverMaxWindowBits: smaller(offer.serverMaxWindowBits ?? 15, wanted.serverMaxWindowBits),
      // RFC 7692 7.1.2.2: a server may limit the client's window only if the client says that it can.
      clientMaxWindowBits: offer.clientMaxWindowBits === undefined
        ? 15
        : smaller(offer.clientMaxWindowBits, wanted.clientMaxWindowBits)
    }
    // RFC 7692 7.1.2.1: a server accepts the parameter "by including" it, even where it says what holds anyway: clients insist.
    const saysServerBits = offer.serverMaxWindowBits !== undefined || parameters.serverMaxWindowBits < 15
    return { header: format(parameters, saysServerBits), parameters }
  }
  return undefined
}

/**
 * A client's offer.
 *
 * **Example** (The default)
 *
 * ```ts
 * import { PermessageDeflate } from "@websocket-stream/core"
 *
 * const header = PermessageDeflate.offer(PermessageDeflate.defaults)
 * header.split("; ").slice(1) // => ["server_no_context_takeover", "client_no_context_takeover", "client_max_window_bits"]
 * ```
 *
 * @param wanted the least that we ask for
 * @category client
 * @since 0.1.0
 */
export const offer = (wanted: Parameters): string =>
  // RFC 7692 7.1.2.2: without a value it says that the server may choose.
  wanted.clientMaxWindowBits === 15 ? `${format(wanted)}; client_max_window_bits` : format(wanted)

/**
 * What is agreed on by a server's response to our offer; `undefined` when the server declined it.
 *
 * **Details**
 *
 * Fails with a `ResponseError` for any other extension, a parameter that is unknown, doubled or out of range, and for a
 * response that does not keep to what was asked for (RFC 7692 7.1).
 *
 * **Example** (A server that keeps to what was asked for, and one that does not)
 *
 * ```ts
 * import { PermessageDeflate } from "@websocket-stream/core"
 * import { Result } from "effect"
 *
 * const { confirm, defaults } = PermessageDeflate
 * Result.getOrThrow(confirm("permessage-deflate; server_no_context_takeover", defaults)) // => defaults
 * Result.isFailure(confirm("permessage-deflate", defaults)) // => true
 * ```
 *
 * @param header the server's `Sec-WebSocket-Extensions`
 * @param wanted what was offered
 * @category client
 * @since 0.1.0
 */
export const confirm = (
  header: string | undefined,
  wanted: Parameters
): Result.Result<Parameters | undefined, ResponseError> => {
  if (header === undefined) return Result.succeed(undefined)
  const extensions = parseExtensions(header)
  const extension = extensions?.[0]
  const answer = extensions?.length === 1 && extension?.name === name ? parse(extension, undefined) : undefined
  const { clientMaxWindowBits: clientBits, serverMaxWindowBits: serverBits = 15 } = answer ?? {}
  // RFC 7692 7.1: what was asked for is answered with as much or less.
  const kept = answer !== undefined &&
    (answer.serverNoContextTakeover || !wanted.serverNoContextTakeover) &&
    serverBits <= wanted.serverMaxWindowBits &&
    (clientBits === undefined || clientBits <= wanted.clientMaxWindowBits)
  if (!kept) return Result.fail(new ResponseError({ reason: { _tag: "InvalidExtensions", extensions: header } }))
  return Result.succeed({
    serverNoContextTakeover: answer.serverNoContextTakeover,
    serverMaxWindowBits: serverBits,
    // RFC 7692 7.1.1.2 and 7.1.2.2: what a client asked of itself it keeps to, whether the server asks for it or not.
    clientNoContextTakeover: answer.clientNoContextTakeover || wanted.clientNoContextTakeover,
    clientMaxWindowBits: clientBits ?? wanted.clientMaxWindowBits
  })
}

const name = "permessage-deflate"

interface Offer {
  readonly serverNoContextTakeover: boolean
  readonly clientNoContextTakeover: boolean
  readonly serverMaxWindowBits: WindowBits | undefined
  readonly clientMaxWindowBits: WindowBits | undefined
}

// `client_max_window_bits` may come without a value in an offer (RFC 7692 7.1.2.2).
const parseOffer = (extension: Extension): Offer | undefined => parse(extension, 15)

const parse = ({ parameters }: Extension, clientBitsWithoutValue: WindowBits | undefined): Offer | undefined => {
  const seen = new Map(parameters)
  // RFC 7692 7.1: a parameter that stands there twice declines the offer.
  if (seen.size !== parameters.length) return undefined
  const flag = (name: string): boolean | undefined => {
    if (!seen.has(name)) return false
    const isFlag = seen.get(name) === undefined
    seen.delete(name)
    return isFlag ? true : undefined
  }
  const bits = (name: string, withoutValue: WindowBits | undefined): WindowBits | undefined | "invalid" => {
    if (!seen.has(name)) return undefined
    const value = seen.get(name)
    seen.delete(name)
    return value === undefined ? withoutValue ?? "invalid" : parseBits(value) ?? "invalid"
  }
  const serverNoContextTakeover = flag("server_no_context_takeover")
  const clientNoContextTakeover = flag("client_no_context_takeover")
  const serverMaxWindowBits = bits("server_max_window_bits", undefined)
  const clientMaxWindowBits = bits("client_max_window_bits", clientBitsWithoutValue)
  const isValid = seen.size === 0 && serverNoContextTakeover !== undefined && clientNoContextTakeover !== undefined &&
    serverMaxWindowBits !== "invalid" && clientMaxWindowBits !== "invalid"
  return isValid
    ? { serverNoContextTakeover, clientNoContextTakeover, serverMaxWindowBits, clientMaxWindowBits }
    : undefined
}

// RFC 7692 7.1.2.1: "a decimal integer value without leading zeroes between 8 to 15, inclusive".
const parseBits = (text: string): WindowBits | undefined => {
  const value = Number(text)
  return isWindowBits(value) && text === `${value}` ? value : undefined
}

const isWindowBits = (value: number): value is WindowBits => Number.isInteger(value) && value >= 8 && value <= 15

const smaller = (a: WindowBits, b: WindowBits): WindowBits => (a < b ? a : b)

const format = (parameters: Parameters, saysServerBits = parameters.serverMaxWindowBits < 15): string =>
  [
    name,
    ...(parameters.serverNoContextTakeover ? ["server_no_context_takeover"] : []),
    ...(parameters.clientNoContextTakeover ? ["client_no_context_takeover"] : []),
    ...(saysServerBits ? [`server_max_window_bits=${parameters.serverMaxWindowBits}`] : []),
    ...(parameters.clientMaxWindowBits < 15 ? [`client_max_window_bits=${parameters.clientMaxWindowBits}`] : [])
  ].join("; ")
