/**
 * RFC 6455 5.4, 5.5 and 8.1 read literally: what bytes say to an endpoint that has all of them, frame by frame, the message put
 * together anew for each.
 */
import type * as ProtocolError from "@websocket-stream/core/ProtocolError"
import { concat } from "../../../packages/core/test/support/bytes.ts"
import * as NaiveDecoder from "../../../packages/core/test/support/naiveDecoder.ts"
import * as NaiveUtf8 from "../../../packages/core/test/support/naiveUtf8.ts"

type Rule = ProtocolError.Reason["_tag"]

export interface Options extends NaiveDecoder.Options {
  readonly maxMessageSize: number
  readonly maxFragments: number
}

export type Event =
  | {
    readonly _tag: "Message"
    readonly opcode: number
    readonly compressed: boolean
    readonly payload: Uint8Array
  }
  | { readonly _tag: "Ping" | "Pong"; readonly payload: Uint8Array }
  | { readonly _tag: "Close"; readonly code: number; readonly reason: string }

export interface Reading {
  readonly events: ReadonlyArray<Event>
  /** The rules that the first wrong byte breaks; none if nothing is wrong up to a Close frame or the end. */
  readonly broken: ReadonlyArray<Rule>
}

interface Beginning {
  readonly opcode: number
  readonly fin: boolean
  readonly rsv1: boolean
  /** As announced. */
  readonly length: number
  /** As much of it as has come. */
  readonly payload: Uint8Array
}

export const read = (bytes: Uint8Array, options: Options): Reading => {
  const decoded = NaiveDecoder.decode(bytes, options)
  const events: Array<Event> = []
  const fragments: Array<Beginning> = []
  for (const frame of [...decoded.frames.map(whole), ...lastFrame(bytes, decoded)]) {
    const isWhole = frame.payload.length === frame.length
    if (frame.opcode >= 8) {
      if (!isWhole) break
      const said = control(frame)
      if (typeof said === "string") return { events, broken: [said] }
      events.push(said)
      // RFC 6455 1.4: what comes after a Close frame is discarded.
      if (said._tag === "Close") return { events, broken: [] }
      continue
    }
    if (frame.opcode === 0 && fragments.length === 0) return { events, broken: ["UnexpectedContinuation"] }
    if (frame.opcode !== 0 && fragments.length > 0) return { events, broken: ["ExpectedContinuation"] }
    fragments.push(frame)
    const broken = brokenRule(fragments, isWhole, options)
    if (broken !== undefined) return { events, broken: [broken] }
    if (!isWhole || !frame.fin) continue
    events.push(message(fragments.splice(0)))
  }
  return { events, broken: decoded.broken }
}

const brokenRule = (
  fragments: ReadonlyArray<Beginning>,
  isWhole: boolean,
  { maxFragments, maxMessageSize }: Options
): Rule | undefined => {
  if (fragments.reduce((sum, { length }) => sum + length, 0) > maxMessageSize) return "MessageTooLarge"
  if (fragments.length > maxFragments) return "TooManyFragments"
  const { compressed, opcode, payload } = message(fragments)
  if (opcode !== 1 || compressed) return undefined
  const text = NaiveUtf8.check(payload)
  const ends = isWhole && fragments.at(-1)!.fin
  return text.invalidAt !== undefined || (ends && !text.isWhole) ? "InvalidUtf8" : undefined
}

const message = (fragments: ReadonlyArray<Beginning>) => ({
  _tag: "Message" as const,
  opcode: fragments[0]!.opcode,
  compressed: fragments[0]!.rsv1,
  payload: concat(fragments.map(({ payload }) => payload))
})

const control = ({ opcode, payload }: Beginning): Event | Rule => {
  if (opcode === 9) return { _tag: "Ping", payload }
  if (opcode === 10) return { _tag: "Pong", payload }
  if (payload.length === 0) return { _tag: "Close", code: 1005, reason: "" }
  if (payload.length === 1) return "CloseBodyTooShort"
  const code = payload[0]! * 256 + payload[1]!
  if (!mayTravel(code)) return "InvalidCloseCode"
  const reason = payload.slice(2)
  if (!NaiveUtf8.check(reason).isWhole) return "InvalidUtf8"
  return { _tag: "Close", code, reason: Buffer.from(reason).toString() }
}

// RFC 6455 7.4 and the registry of 11.7.
const mayTravel = (code: number): boolean =>
  [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014].includes(code) ||
  (code >= 3000 && code <= 4999)

const whole = (frame: NaiveDecoder.Decoded["frames"][number]): Beginning => ({ ...frame, length: frame.payload.length })

/** The frame that is not whole, if its header is. */
const lastFrame = (bytes: Uint8Array, { rest }: NaiveDecoder.Decoded): ReadonlyArray<Beginning> => {
  const last = Buffer.from(bytes.slice(bytes.length - rest))
  if (last.length < 2) return []
  const lengthBytes = [0, 2, 8][Math.max(0, (last[1]! & 0x7f) - 125)]!
  const masked = last[1]! >= 0x80
  const start = 2 + lengthBytes + (masked ? 4 : 0)
  if (last.length < start) return []
  const length = lengthBytes === 0
    ? last[1]! & 0x7f
    : lengthBytes === 2
    ? last.readUInt16BE(2)
    : Number(last.readBigUInt64BE(2))
  const key = last.subarray(start - 4, start)
  return [{
    opcode: last[0]! & 0x0f,
    fin: last[0]! >= 0x80,
    rsv1: (last[0]! & 0x40) !== 0,
    length,
    payload: last.subarray(start).map((octet, i) => (masked ? octet ^ key[i % 4]! : octet))
  }]
}
