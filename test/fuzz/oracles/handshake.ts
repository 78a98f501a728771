/** RFC 6455 4.1 and 4.2 on the headers of a request and of a response, by regular expressions. */
import type * as HandshakeError from "@websocket-stream/core/HandshakeError"
import type * as OpeningHandshake from "@websocket-stream/core/OpeningHandshake"
import { createHash } from "node:crypto"
import * as Extensions from "./extensions.ts"

/** What is wrong with a request, or nothing. */
export const request = (
  { headers, httpVersion, method, target = "/" }: OpeningHandshake.ReceivedRequest
): HandshakeError.RequestReason["_tag"] | undefined => {
  const value = reader(headers)
  const protocol = value("sec-websocket-protocol")
  const names = protocol === undefined ? undefined : elements(protocol)
  const extensions = value("sec-websocket-extensions")
  if (method !== "GET") return "MethodNotGet"
  if (!/^(1\.[1-9]|[2-9])/.test(httpVersion)) return "HttpTooOld"
  if (!isPath.test(target) && !isUrl.test(target)) return "InvalidTarget"
  if (value("host") === undefined) return "NoHost"
  if (!/^(\[[\w.~!$&'()*+,;=%:-]*\]|[\w.~!$&'()*+,;=%-]*)(:\d*)?$/.test(value("host")!)) return "InvalidHost"
  if (!isUpgrade(value)) return "NotAnUpgrade"
  if (value("sec-websocket-version") !== "13") return "UnsupportedVersion"
  if (!/^[A-Za-z0-9+/]{22}==$/.test(value("sec-websocket-key") ?? "")) return "InvalidKey"
  if (value("transfer-encoding") !== undefined || !/^0+$/.test(value("content-length") ?? "0")) return "HasContent"
  if (names?.every((name) => token.test(name)) === false) return "InvalidSubprotocols"
  if (names !== undefined && (names.length === 0 || new Set(names).size < names.length)) return "InvalidSubprotocols"
  if (extensions !== undefined && Extensions.parse(extensions) === undefined) return "InvalidExtensions"
  return undefined
}

const isPath = /^\/[!"$-~]*$/
const isUrl = /^[hH][tT][tT][pP][sS]?:\/\/(\[[\w.~!$&'()*+,;=%:-]*\]|[\w.~!$&'()*+,;=%-]+)(:\d*)?([/?][!"$-~]*)?$/

/** Whether a request expects a 100 (RFC 9110 10.1.1). */
export const expectsContinue = (headers: OpeningHandshake.Headers): boolean =>
  elements(reader(headers)("expect") ?? "").some((element) => /^100-[cC][oO][nN][tT][iI][nN][uU][eE]$/.test(element))

/** What is wrong with a response to an offer, or nothing. */
export const response = (
  { headers, status }: { readonly status: number; readonly headers: OpeningHandshake.Headers },
  offer: OpeningHandshake.Offer
): HandshakeError.ResponseReason["_tag"] | undefined => {
  const value = reader(headers)
  const accept = createHash("sha1").update(`${offer.key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64")
  const subprotocol = value("sec-websocket-protocol")
  if (status !== 101) return "StatusNot101"
  if (!isToWebsocketAlone(value)) return "NotUpgraded"
  if (trimmed(value("sec-websocket-accept") ?? "") !== accept) return "InvalidAccept"
  if (value("sec-websocket-extensions") !== undefined && offer.extensions === undefined) return "ExtensionsNotOffered"
  if (subprotocol !== undefined && !offer.subprotocols.includes(subprotocol)) return "SubprotocolNotOffered"
  return undefined
}

/** The elements of a list (RFC 9110 5.6.1). */
export const elements = (value: string): ReadonlyArray<string> =>
  value.split(",").map(trimmed).filter((element) => element !== "")

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

const trimmed = (text: string): string => /^[ \t]*([^]*?)[ \t]*$/.exec(text)![1]!

type Value = (name: string) => string | undefined

const reader = (headers: OpeningHandshake.Headers): Value => (name) => {
  const value = headers[name]
  return typeof value === "object" ? value.join(", ") : value
}

// RFC 6455 4.2.1: the keyword is among what a request lists. 4.1: it is all that a response has.
const isUpgrade = (value: Value): boolean =>
  elements(value("upgrade") ?? "").some((element) => websocket.test(element)) && isOfConnection(value)

const isToWebsocketAlone = (value: Value): boolean =>
  websocket.test(trimmed(value("upgrade") ?? "")) && isOfConnection(value)

const websocket = /^[wW][eE][bB][sS][oO][cC][kK][eE][tT]$/

const isOfConnection = (value: Value): boolean =>
  elements(value("connection") ?? "").some((element) => /^[uU][pP][gG][rR][aA][dD][eE]$/.test(element))
